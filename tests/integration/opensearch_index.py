"""An OpenSearch index of a test's own, and records to put there."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray

from chalicelib.index.base import Index, Write
from chalicelib.index.opensearch import Client, OpenSearchIndex, Shape
from chalicelib.records import Filters, Hit, ImageRecord
from chalicelib.words import parse

DIM = 8
ONE_NODE = Shape(replicas="0")
NOW = datetime(2024, 5, 17, 12, 30, tzinfo=timezone.utc)
PATIENCE_S = 30.0


class Place:
    """A name for an index on the server at `url`; whatever is opened here goes to that one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = f"images-t-{secrets.token_hex(6)}"
        self._opened: list[OpenSearchIndex] = []

    def open(
        self, url: str = "", *, patience_s: float = PATIENCE_S, **changes: Any
    ) -> OpenSearchIndex:
        """The index, by the way of `url` where one is given. It may not be there yet."""
        values: dict[str, Any] = {
            "name": self.name,
            "dim": DIM,
            "model": "fake",
            "bucket": "photos",
            "shape": ONE_NODE,
            "at_once": True,
        }
        client = Client(url or self.url, patience_s=patience_s)
        self._opened.append(OpenSearchIndex(client, **(values | changes)))
        return self._opened[-1]

    def made(self, url: str = "", **changes: Any) -> OpenSearchIndex:
        index = self.open(url, **changes)
        index.ensure()
        return index

    def ask(self, method: str, path: str, body: Any = None, *, below: bool = True) -> Any:
        """Straight to the server; `below`: `path` is below the index."""
        address = f"{self.url}/{self.name}{path}" if below else self.url + path
        answer = requests.request(method, address, json=body, timeout=60)
        assert answer.ok, answer.text
        return answer.json()

    def is_there(self) -> bool:
        return requests.head(f"{self.url}/{self.name}", timeout=60).ok

    def close(self) -> None:
        for index in self._opened:
            index.close()
        self._opened.clear()


@contextmanager
def place_on(url: str) -> Iterator[Place]:
    """A server takes only 1,000 shards, so what was made there goes."""
    place = Place(url)
    try:
        yield place
    finally:
        place.close()
        requests.delete(f"{url}/{place.name}", timeout=60)


# --- records --------------------------------------------------------------------------------------


def name_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def random_units(count: int, *, seed: int = 0, dim: int = DIM) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


FIRST = np.eye(1, DIM, dtype=np.float32)[0]


def picture(number: int, vector: NDArray[np.float32] = FIRST, **fields: Any) -> ImageRecord:
    values: dict[str, Any] = {
        "id": name_of(number),
        "bucket": "photos",
        "key": f"trips/{number}.jpg",
        "name": f"{number}.jpg",
        "collection": "trips",
        "state": "ready",
        "format": "jpeg",
        "width": 40,
        "height": 30,
        "etag": f"etag {number}",
        "indexed_at": NOW,
        "uploaded_at": NOW,
        "vector": vector,
    }
    return ImageRecord(**(values | fields))


def tombstone(number: int) -> ImageRecord:
    return replace(picture(number, state="deleted", uploaded_at=None), vector=None)


def write_of(index: Index, *records: ImageRecord) -> list[Write]:
    """What a lone worker would write of `records`, whatever is there."""
    held = index.read([record.id for record in records])
    return [Write(r, held[r.id].version if r.id in held else None) for r in records]


def put(index: Index, *records: ImageRecord) -> None:
    assert index.write(write_of(index, *records)) == ["written"] * len(records)


def found(index: OpenSearchIndex, text: str, *, ranked: int = 1000) -> list[Hit]:
    """What a search with the words `text` finds."""
    wording = parse(text).wording
    return index.search(FIRST, Filters(), limit=200, ranked=ranked, wording=wording).hits


def found_by_words(index: OpenSearchIndex, text: str) -> set[str]:
    return {hit.record.id for hit in found(index, text) if hit.found is not None}


def numbered(*numbers: int) -> set[str]:
    return {name_of(n) for n in numbers}
