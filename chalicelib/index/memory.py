"""An index in a dictionary: for tests, and as the plainest statement of what an index does."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from chalicelib import words
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
    Place,
    RankedSet,
    Summary,
    Version,
    Versioned,
    Write,
    WriteResult,
)
from chalicelib.index.checks import checked_writes, unit_vector, unit_vectors
from chalicelib.index.facets import Alike, counted
from chalicelib.index.paging import page_of, place_of, rising
from chalicelib.index.ranking import exact_scores
from chalicelib.index.times import recency
from chalicelib.records import STATES, Filters, Hit, ImageRecord, State
from chalicelib.relevance import (
    FIELDS,
    Candidate,
    Cut,
    Field,
    Found,
    Order,
    Wording,
    decide,
    found_of,
    weights_of,
)
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
        self._notes: dict[str, str] = {}
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
        after: Place | None = None,
        leave_out: frozenset[str] = frozenset(),
        facets: bool = False,
        collapse: Collapse = "none",
        wording: Wording | None = None,
        cut: Cut | None = None,
        order: Order = "best",
    ) -> RankedSet:
        query = unit_vector(query, self._dim, field="query")
        ready = [
            held
            for held in self._everything()
            if held.vector is not None and filters.admits(held.record)
        ]
        asked = _Asked(wording, [held.record for held in ready])
        candidates = [
            Candidate(
                held.record.id,
                float(exact_scores(held.vector[None], query)[0]),
                asked.found(held.record),
            )
            for held in ready
            if held.vector is not None
            and held.record.id not in leave_out
            and asked.admits(held.record)
        ]
        decided = decide(_considered(candidates, ranked), cut, ranked)
        records = {held.record.id: held.record for held in ready}
        kept = [
            Hit(records[one.id], one.score, None, one.meaning, one.found, one.within)
            for one in decided.kept
        ]
        items = kept if collapse == "none" else _folded(kept, collapse)
        items.sort(key=lambda hit: rising(place_of(hit, order), order))
        page, following = page_of(
            items, lambda hit: place_of(hit, order), order, limit=limit, after=after
        )
        return RankedSet(
            list(page),
            len(items),
            _facets(hit.record for hit in kept) if facets else None,
            decided.matched,
            decided.rest,
            following,
        )

    def best_scores(self, queries: NDArray[np.float32]) -> NDArray[np.float64]:
        import numpy as np

        queries = unit_vectors(queries, self._dim, field="queries")
        vectors = [held.vector for held in self._everything() if held.vector is not None]
        if not vectors:
            return np.full(len(queries), -np.inf)
        return np.array([exact_scores(np.stack(vectors), query).max() for query in queries])

    def note(self, name: str) -> str | None:
        with self._lock:
            return self._notes.get(name)

    def keep_note(self, name: str, text: str) -> None:
        with self._lock:
            self._notes[name] = text

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


class _Asked:
    """What a wording finds among `records`, which are all that filters admit."""

    def __init__(self, wording: Wording | None, records: Sequence[ImageRecord]) -> None:
        self._wording = wording or Wording()
        self._title = words.title_of(self._wording.whole)
        self._held: dict[str, dict[Field, list[str]]] = {
            record.id: {field: words.indexed(getattr(record, field)).split() for field in FIELDS}
            for record in records
            if wording is not None
        }
        every = [w for some in (self._wording.words, *self._wording.phrases) for w in some]
        frequencies = {
            word: sum(
                any(word in held for held in fields.values()) for fields in self._held.values()
            )
            for word in every
        }
        self._weights = weights_of(every, frequencies, len(records))

    def admits(self, record: ImageRecord) -> bool:
        held = self._held.get(record.id, {}).values()
        return all(
            any(words.stands_in(phrase, field) for field in held)
            for phrase in self._wording.phrases
        ) and not any(
            words.stands_in(phrase, field) for phrase in self._wording.without for field in held
        )

    def found(self, record: ImageRecord) -> Found | None:
        places = {field: frozenset(held) for field, held in self._held.get(record.id, {}).items()}
        called = self._title in words.titles(record.name)
        return found_of(self._wording, places, self._weights, exact_name=called)


def _considered(candidates: list[Candidate], ranked: int) -> list[Candidate]:
    """The best by meaning, and of those that have any word the best by words."""
    best = sorted(candidates, key=lambda one: (-one.meaning, one.id))[: max(0, ranked)]
    worded = [(one.found, one) for one in candidates if one.found is not None]
    worded.sort(key=lambda o: (not o[0].exact_name, -o[0].share, -o[1].meaning, o[1].id))
    considered = {one.id: one for one in (*best, *(one for _, one in worded[: max(0, ranked)]))}
    return list(considered.values())


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
