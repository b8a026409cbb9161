"""The stores that the contract holds. To add one: one more line in `STORES`, or, where it needs a
server, one more case in the fixture `store`."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from index_helpers import DIM

from chalicelib.errors import NotFound
from chalicelib.index.base import Index
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.index.memory import MemoryIndex
from chalicelib.index.opensearch import Client, OpenSearchIndex, OpenSearchShelf, Shape


@dataclass(frozen=True)
class Store:
    """`open` gives an index that keeps its things in the folder it is given; its scores are at
    most `tolerance` off the true ones."""

    open: Callable[[Path], Index]
    tolerance: float = 0.0


STORES: dict[str, Store] = {
    "embedded": Store(lambda folder: EmbeddedIndex(folder, dim=DIM, model="tiny")),
    "memory": Store(lambda folder: MemoryIndex(dim=DIM)),
}


class PassingIndex(OpenSearchIndex):
    """Goes with its last use: a node holds a thousand indexes and no more."""

    def __init__(self, url: str) -> None:
        client = Client(url)
        name = f"images-test-{secrets.token_hex(6)}"
        self._drop = lambda: OpenSearchShelf(client).drop(name)
        super().__init__(
            client, name=name, dim=DIM, model="tiny", bucket="photos",
            shape=Shape(replicas="0"), at_once=True,
        )  # fmt: skip

    def close(self) -> None:
        with contextlib.suppress(NotFound):
            self._drop()
        super().close()


def opensearch(url: str) -> Store:
    """Its scores are sums of float32, so those that are close may change places."""
    return Store(lambda folder: PassingIndex(url), tolerance=2e-6)
