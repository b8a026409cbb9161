"""All ready vectors in memory, kept in step with the database by reading only what changed.

Slots are append-only: a changed vector gets a new slot and its old one dies, so a search goes on
undisturbed with the `Snapshot` it took while other threads add to the same arrays.
"""

from __future__ import annotations

import math
import sqlite3
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.index.folding import Signatures, signatures

BLOCK = 16_384
"""Rows in one block of the matrix. Growing adds a block; what is there is never copied."""

_AT_ONCE = 2048
"""Rows multiplied with many queries at once; `BLOCK` is a multiple."""

_FETCH = 2048
_FEW_DEAD = 1024
_MOST_DEAD = 0.25
_CHANGED = (
    "SELECT num, id, vector, signature FROM images LEFT JOIN vectors USING (num)"
    " WHERE seq > ? ORDER BY seq"
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The vectors as they were when write number `seq` was the last.

    Slots 0 to `size` - 1 are filled; `alive` says which of them count, None: all do.
    `nums` and `ids` name the image of each slot; `signatures` are what copies are told by.
    No vector is longer than `longest`.
    """

    seq: int
    size: int
    blocks: tuple[NDArray[np.float32], ...]
    nums: NDArray[np.int64]
    ids: list[str]
    signatures: Signatures
    alive: NDArray[np.bool_] | None
    longest: float

    def products(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """The inner product of `query` [D] with every slot, float32 [size]."""
        scores = np.empty(self.size, dtype=np.float32)
        for number, block in enumerate(self.blocks):
            first = number * BLOCK
            rows = min(BLOCK, self.size - first)
            if rows > 0:
                np.dot(block[:rows], query, out=scores[first : first + rows])
        return scores

    def best_products(self, queries: NDArray[np.float32]) -> NDArray[np.int64]:
        """The living slot with the highest inner product with each of `queries` [Q, D], int64 [Q];
        -1 where no slot lives."""
        best = np.full(len(queries), -1, dtype=np.int64)
        scores = np.full(len(queries), -np.inf, dtype=np.float32)
        for first in range(0, self.size, min(_AT_ONCE, BLOCK)):
            number, place = divmod(first, BLOCK)
            rows = min(_AT_ONCE, BLOCK - place, self.size - first)
            products = queries @ self.blocks[number][place : place + rows].T
            if self.alive is not None:
                products[:, ~self.alive[first : first + rows]] = -np.inf
            places = products.argmax(axis=1)
            highest = products[np.arange(len(queries)), places]
            better = highest > scores
            scores[better] = highest[better]
            best[better] = first + places[better]
        return best

    def rows(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of `slots`, float32 [len(slots), D]."""
        rows = np.empty((len(slots), self.blocks[0].shape[1]), dtype=np.float32)
        numbers, places = np.divmod(slots, BLOCK)
        for number in np.unique(numbers):
            here = numbers == number
            rows[here] = self.blocks[number][places[here]]
        return rows

    def slots_of(self, nums: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which slots belong to the images `nums`, bool [size]."""
        table = np.zeros(max(int(self.nums.max(initial=0)), int(nums.max(initial=0))) + 1, np.bool_)
        table[nums] = True
        return table[self.nums]


class VectorCache:
    """The newest `Snapshot` of one database, shared by all threads of this process."""

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._lock = threading.Lock()
        self._reset()

    def clear(self) -> None:
        """Let go of the memory; the next snapshot reads everything anew."""
        with self._lock:
            self._reset()

    def _reset(self) -> None:
        self._seq = 0
        self._size = 0
        self._longest = 0.0
        self._blocks: list[NDArray[np.float32]] = []
        self._nums = np.empty(BLOCK, dtype=np.int64)
        self._signatures = np.empty((BLOCK, 4), dtype=np.uint64)
        self._alive = np.empty(BLOCK, dtype=np.bool_)
        self._ids: list[str] = []
        self._slot_of: dict[int, int] = {}
        self._snapshot = self._freeze()

    def snapshot(self, db: sqlite3.Connection) -> Snapshot:
        """The vectors as the read transaction of `db` sees the records.

        Where another thread has brought the cache further than that, the transaction is begun
        again, so that vectors, filters and records always belong to one moment.
        """
        while True:
            seq, purged = db.execute("SELECT seq, purged FROM meta").fetchone()
            with self._lock:
                if seq > self._seq:
                    self._refresh(db, seq, purged)
                if seq == self._seq:
                    return self._snapshot
            db.execute("COMMIT")
            db.execute("BEGIN")

    def _refresh(self, db: sqlite3.Connection, seq: int, purged: int) -> None:
        try:
            if self._seq < purged:
                self._forget_purged(db)
            changed = db.execute(_CHANGED, (self._seq,))
            while rows := changed.fetchmany(_FETCH):
                self._kill([row[0] for row in rows])
                self._append([row for row in rows if row[2] is not None])
            self._compact()
            self._seq = seq
            self._snapshot = self._freeze()
        except BaseException:
            self._reset()
            raise

    def _forget_purged(self, db: sqlite3.Connection) -> None:
        """A tombstone this process never saw is gone: drop whatever the store no longer has."""
        held = {num for (num,) in db.execute("SELECT num FROM images WHERE state = 'ready'")}
        self._kill([num for num in self._slot_of if num not in held])

    def _kill(self, nums: list[int]) -> None:
        slots = [slot for num in nums if (slot := self._slot_of.pop(num, None)) is not None]
        if slots:
            self._alive = self._alive.copy()
            self._alive[slots] = False

    def _append(self, rows: list[tuple[int, str, bytes, bytes]]) -> None:
        """Give each row (num, id, vector, signature) the next slot."""
        if not rows:
            return
        start, end = self._size, self._size + len(rows)
        while end > len(self._nums):
            self._nums = np.concatenate([self._nums, np.empty_like(self._nums)])
            self._signatures = np.concatenate([self._signatures, np.empty_like(self._signatures)])
            self._alive = np.concatenate([self._alive, np.empty_like(self._alive)])
        self._nums[start:end] = [row[0] for row in rows]
        self._signatures[start:end] = signatures([row[3] for row in rows])
        self._alive[start:end] = True
        self._ids.extend(row[1] for row in rows)
        self._slot_of.update((row[0], start + i) for i, row in enumerate(rows))
        joined = np.frombuffer(b"".join(row[2] for row in rows), dtype="<f4")
        vectors = joined.reshape(len(rows), self._dim).astype(np.float32, copy=False)
        squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
        self._longest = max(self._longest, math.sqrt(float(squares.max())))
        self._copy(vectors)

    def _copy(self, vectors: NDArray[np.float32]) -> None:
        done = 0
        while done < len(vectors):
            number, place = divmod(self._size, BLOCK)
            if number == len(self._blocks):
                self._blocks.append(np.empty((BLOCK, self._dim), dtype=np.float32))
            rows = min(BLOCK - place, len(vectors) - done)
            self._blocks[number][place : place + rows] = vectors[done : done + rows]
            self._size += rows
            done += rows

    def _compact(self) -> None:
        """Move the living together once too many slots are dead; snapshots keep the old arrays."""
        dead = self._size - len(self._slot_of)
        if dead < _FEW_DEAD or dead < _MOST_DEAD * self._size:
            return
        old, slots = self._freeze(), np.flatnonzero(self._alive[: self._size])
        self._size, self._blocks = 0, []
        for first in range(0, len(slots), _FETCH):
            self._copy(old.rows(slots[first : first + _FETCH]))
        room = max(BLOCK, -(-self._size // BLOCK) * BLOCK)
        self._nums = np.empty(room, dtype=np.int64)
        self._nums[: self._size] = old.nums[slots]
        self._signatures = np.empty((room, 4), dtype=np.uint64)
        self._signatures[: self._size] = old.signatures[slots]
        self._alive = np.ones(room, dtype=np.bool_)
        self._ids = [old.ids[slot] for slot in slots.tolist()]
        self._slot_of = {num: slot for slot, num in enumerate(self._nums[: self._size].tolist())}

    def _freeze(self) -> Snapshot:
        return Snapshot(
            seq=self._seq,
            size=self._size,
            blocks=tuple(self._blocks),
            nums=self._nums[: self._size],
            ids=self._ids,
            signatures=self._signatures[: self._size],
            alive=None if len(self._slot_of) == self._size else self._alive[: self._size],
            longest=self._longest,
        )
