"""The stores that the contract holds. To add one: one more line in `STORES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from index_helpers import DIM

from chalicelib.index.base import Index
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.index.memory import MemoryIndex


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
