"""Images that are in a shared stack while a module's tests run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.integration.local_stack import LocalStack


@contextmanager
def held(site: LocalStack, collection: str, files: Mapping[str, bytes]) -> Iterator[dict[str, str]]:
    """Name → id of `files`, uploaded and ready; gone at the end."""
    ids = {name: site.upload(name, data, collection=collection) for name, data in files.items()}
    assert {site.known(image)["state"] for image in ids.values()} == {"ready"}
    yield ids
    for image in ids.values():
        site.request("DELETE", f"/images/{image}")
