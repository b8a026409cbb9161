"""The indexes of all models in one cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from chalicelib.errors import NotFound
from chalicelib.index.naming import PREFIX
from chalicelib.index.opensearch.client import Client, IndexMissing
from chalicelib.index.opensearch.notes import parse_mark


class OpenSearchShelf:
    """`Shelf` over OpenSearch."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def names(self) -> list[str]:
        found = self._client.call("GET", f"/_cat/indices/{PREFIX}*", params={"format": "json"})
        return sorted(index["index"] for index in found)

    def last_used(self, name: str) -> datetime | None:
        """When a process that uses the index last wrote that down, to the hour."""
        with self._known(name):
            mapping = self._client.call("GET", f"/{name}/_mapping")[name]["mappings"]
        return parse_mark(mapping.get("_meta", {}))

    def drop(self, name: str) -> None:
        with self._known(name):
            self._client.call("DELETE", f"/{name}")

    @contextmanager
    def _known(self, name: str) -> Iterator[None]:
        """Asked for by its whole name: OpenSearch would take `images-*` and `_all` too."""
        unknown = f"There is no index {name}."
        if name not in self.names():
            raise NotFound(unknown)
        try:
            yield
        except IndexMissing as error:
            raise NotFound(unknown) from error
