"""The stores that the contract holds. To add one: one more line in `STORES`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from index_helpers import DIM

from chalicelib.index.base import Index
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.index.memory import MemoryIndex

OpenStore = Callable[[Path], Index]

STORES: dict[str, OpenStore] = {
    "embedded": lambda folder: EmbeddedIndex(folder, dim=DIM, model="tiny"),
    "memory": lambda folder: MemoryIndex(dim=DIM),
}
