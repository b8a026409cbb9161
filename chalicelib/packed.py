"""What the index says of millions of images, packed: 34 bytes an image (docs/adr/0017).

Ids are kept whole. Etags and thumbnail keys are kept as Python's hashes of them, 64 bits keyed
anew in each process, so nobody can make two that are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.index.base import Summary

_CHUNK = 16_384

COLUMNS: dict[str, Any] = {
    "high": np.uint64,
    "low": np.uint64,
    "etag": np.int64,
    "thumbnail": np.int64,
    "standing": np.uint8,
}


class Packed:
    """Summaries by id. `standing` is what was made of each, `seen` is for the caller to set;
    all columns are arrays of length [N] in the order of ids."""

    def __init__(self, columns: dict[str, NDArray[Any]]) -> None:
        order = np.argsort(columns["high"], kind="stable")
        # One column after the other, so that only one is held twice.
        for name in COLUMNS:
            columns[name] = columns[name][order]
        self._high, self._low = columns["high"], columns["low"]
        self.etags, self.thumbnails = columns["etag"], columns["thumbnail"]
        self.standing = columns["standing"]
        self.seen = np.zeros(len(self._high), dtype=np.bool_)

    def __len__(self) -> int:
        return len(self._high)

    @property
    def nbytes(self) -> int:
        columns = (self._high, self._low, self.etags, self.thumbnails, self.standing, self.seen)
        return sum(column.nbytes for column in columns)

    def find(self, ids: Sequence[str]) -> NDArray[np.intp]:
        """Where each of `ids` is, int [len(ids)]; -1 for the unknown."""
        if not len(self) or not ids:
            return np.full(len(ids), -1, dtype=np.intp)
        high, low = _halves(ids)
        places = np.searchsorted(self._high, high)
        last = len(self) - 1
        places[places > last] = last
        # On to the next where ids share their first half, which hashes hardly ever do.
        while len(
            wrong := np.flatnonzero((self._high[places] == high) & (self._low[places] != low))
        ):
            after = np.minimum(places[wrong] + 1, last)
            moved = (after > places[wrong]) & (self._high[after] == high[wrong])
            if not moved.any():
                break
            places[wrong[moved]] += 1
        there = (self._high[places] == high) & (self._low[places] == low)
        return np.where(there, places, -1)

    def ids(self, places: NDArray[np.intp]) -> list[str]:
        pairs = zip(self._high[places].tolist(), self._low[places].tolist(), strict=True)
        return [f"{high:016x}{low:016x}" for high, low in pairs]


def pack(summaries: Iterable[Summary], standing: Callable[[Summary], int]) -> Packed:
    """`standing` gives a number from 0 to 255 for each."""
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in COLUMNS}
    rest = iter(summaries)
    while some := list(islice(rest, _CHUNK)):
        high, low = _halves([s.id for s in some])
        parts["high"].append(high)
        parts["low"].append(low)
        parts["etag"].append(hashes([s.etag for s in some]))
        parts["thumbnail"].append(hashes([s.thumbnail_key for s in some]))
        parts["standing"].append(np.fromiter(map(standing, some), np.uint8, len(some)))
    columns: dict[str, NDArray[Any]] = {}
    for name, kind in COLUMNS.items():
        columns[name] = np.concatenate([np.empty(0, kind), *parts.pop(name)])
    return Packed(columns)


def hashes(texts: Sequence[str]) -> NDArray[np.int64]:
    """Of this process only: another one's differ."""
    return np.fromiter(map(hash, texts), np.int64, len(texts))


def _halves(ids: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The first and the last 64 bits of each id of 32 hex digits."""
    both = np.frombuffer(bytes.fromhex("".join(ids)), dtype=">u8").reshape(-1, 2)
    return both[:, 0].astype(np.uint64), both[:, 1].astype(np.uint64)
