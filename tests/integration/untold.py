"""A library whose photos no event told of: what a reconcile finds at first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib import wiring
from local.stack import Stack
from tests.integration.pictures import jpeg


@contextmanager
def untold_photos(data: Path, model: Path, count: int) -> Iterator[wiring.Services]:
    """Over the S3 server of the one-machine stack, with photos "a/0.jpg" and on."""
    stack = Stack(data, model)
    services = wiring.build(stack.start_storage())
    for number in range(count):
        services.bucket.put(f"a/{number}.jpg", jpeg(number), "image/jpeg")
    yield services
    services.close()
    stack.stop()
