"""An index in a dictionary: for tests, and as the plainest statement of what an index does."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.copies import (
    MAX_FOLDED_IDS,
    Collapse,
    Copy,
    Folded,
    copies_among,
    judge,
)
from chalicelib.index.base import (
    ALL,
    Facets,
    Listing,
    RankedSet,
    Summary,
    Version,
    Versioned,
    Write,
    WriteResult,
)
from chalicelib.index.checks import checked_writes, unit_vector
from chalicelib.index.facets import Alike, counted
from chalicelib.index.ranking import exact_scores
from chalicelib.index.times import recency
from chalicelib.records import STATES, Filters, Hit, ImageRecord, State
from chalicelib.relevance import Cut, Order, Wording
from chalicelib.sharding import WHOLE, Shard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class _Held(NamedTuple):
    record: ImageRecord
    vector: NDArray[np.float32] | None
    version: Version


class MemoryIndex:
    """`Index` for vectors [dim], gone with the process."""

    def __init__(self, *, dim: int) -> None:
        self._dim = dim
        self._held: dict[str, _Held] = {}
        self._seq = 0
        self._lock = threading.RLock()

    def ensure(self) -> None:
        pass

    def close(self) -> None:
        pass

    def read(self, ids: Sequence[str]) -> dict[str, Versioned]:
        with self._lock:
            held = [self._held[name] for name in ids if name in self._held]
        return {h.record.id: Versioned(h.record, h.version) for h in held}

    def vector(self, id: str) -> NDArray[np.float32] | None:
        with self._lock:
            held = self._held.get(id)
        return None if held is None or held.vector is None else held.vector.copy()

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        records = checked_writes(writes, self._dim)
        with self._lock:
            return [self._write(r, w.expected) for r, w in zip(records, writes, strict=True)]

    def _write(self, record: ImageRecord, expected: Version | None) -> WriteResult:
        held = self._held.get(record.id)
        if expected != (None if held is None else held.version):
            return "conflict"
        self._seq += 1
        vector = None if record.vector is None else record.vector.copy()
        self._held[record.id] = _Held(replace(record, vector=None), vector, (self._seq, 1))
        return "written"

    def search(
        self,
        query: NDArray[np.float32],
        filters: Filters,
        *,
        limit: int,
        ranked: int,
        after: tuple[float, str] | None = None,
        leave_out: str | None = None,
        facets: bool = False,
        collapse: Collapse = "none",
        wording: Wording | None = None,
        cut: Cut | None = None,
        order: Order = "best",
    ) -> RankedSet:
        _ = wording, cut, order
        query = unit_vector(query, self._dim, field="query")
        hits = [
            Hit(held.record, float(exact_scores(held.vector[None], query)[0]))
            for held in self._everything()
            if held.vector is not None
            and held.record.id != leave_out
            and filters.admits(held.record)
        ]
        hits.sort(key=lambda hit: (-hit.score, hit.record.id))
        hits = hits[: max(0, ranked)]
        items = hits if collapse == "none" else _folded(hits, collapse)
        behind = [
            hit
            for hit in items
            if after is None or (-hit.score, hit.record.id) > (-after[0], after[1])
        ]
        return RankedSet(
            behind[: max(0, limit)],
            len(items),
            _facets(hit.record for hit in hits) if facets else None,
        )

    def best_scores(self, queries: NDArray[np.float32]) -> NDArray[np.float64]:
        raise NotImplementedError

    def note(self, name: str) -> str | None:
        raise NotImplementedError

    def keep_note(self, name: str, text: str) -> None:
        raise NotImplementedError

    def copies(self, of: Sequence[ImageRecord], filters: Filters = ALL) -> list[list[Copy]]:
        ready = [record for record in self._admitted(filters) if record.state == "ready"]
        return [copies_among(one, ((r.id, r) for r in ready if r.id != one.id)) for one in of]

    def counts(self, filters: Filters = ALL) -> dict[State, int]:
        states = [record.state for record in self._admitted(filters)]
        return {state: states.count(state) for state in STATES}

    def facets(self, filters: Filters = ALL) -> Facets:
        return _facets(record for record in self._admitted(filters) if record.state == "ready")

    def scan(self, shard: Shard = WHOLE) -> Iterator[Summary]:
        for held in self._everything():
            if shard.holds(held.record.id):
                yield Summary(*(getattr(held.record, name) for name in Summary._fields))

    def purge(self, deleted_before: datetime) -> int:
        with self._lock:
            old = [
                held.record.id
                for held in self._held.values()
                if held.record.state == "deleted" and held.record.indexed_at < deleted_before
            ]
            for name in old:
                del self._held[name]
        return len(old)

    def _everything(self) -> list[_Held]:
        with self._lock:
            return list(self._held.values())

    def _admitted(self, filters: Filters) -> Iterator[ImageRecord]:
        return (h.record for h in self._everything() if filters.admits(h.record))

    def list(
        self,
        filters: Filters,
        states: Sequence[State],
        *,
        limit: int,
        after: tuple[datetime | None, str] | None = None,
    ) -> Listing:
        records = [
            held.record
            for held in self._everything()
            if held.record.state in states and filters.admits(held.record)
        ]
        records.sort(key=lambda record: (recency(record.uploaded_at), record.id))
        place = None if after is None else (recency(after[0]), after[1])
        behind = [r for r in records if place is None or (recency(r.uploaded_at), r.id) > place]
        return Listing(behind[: max(0, limit)], len(records))


def _folded(hits: list[Hit], collapse: Collapse) -> list[Hit]:
    """Each behind the first item it is a copy of."""
    behind: list[tuple[Hit, list[tuple[str, str]]]] = []
    for hit in hits:
        for item, those in behind:
            verdict = judge(item.record, hit.record)
            if verdict is not None and collapse in (verdict[0], "near"):
                those.append((verdict[0], hit.record.id))
                break
        else:
            behind.append((hit, []))
    return [replace(item, copies=_counted(those)) for item, those in behind]


def _counted(behind: list[tuple[str, str]]) -> Folded:
    exact = sum(kind == "exact" for kind, _ in behind)
    ids = tuple(name for _, name in behind[:MAX_FOLDED_IDS])
    return Folded(exact, len(behind) - exact, ids)


def _facets(records: Iterable[ImageRecord]) -> Facets:
    return counted(Alike(r.collection, r.year, r.camera, r.format) for r in records)
