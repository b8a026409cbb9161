"""The indexes of all models in one cluster."""

from __future__ import annotations

from datetime import datetime

from chalicelib.index.opensearch.client import Client, IndexMissing
from chalicelib.index.opensearch.schema import parse_mark

PATTERN = "images-*"


class OpenSearchShelf:
    """`Shelf` over OpenSearch."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def names(self) -> list[str]:
        found = self._client.call("GET", f"/_cat/indices/{PATTERN}", params={"format": "json"})
        return sorted(index["index"] for index in found)

    def last_used(self, name: str) -> datetime | None:
        """When a process that uses the index last said so, to the hour."""
        try:
            mapping = self._client.call("GET", f"/{name}/_mapping")[name]["mappings"]
        except IndexMissing:
            return None
        return parse_mark(mapping.get("_meta", {}))

    def drop(self, name: str) -> None:
        self._client.call("DELETE", f"/{name}")
