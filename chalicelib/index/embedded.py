"""The index of one machine: records and vectors in SQLite, exact search in memory.

Searches compare the query with every admitted vector, so the answer is the true one: it is what
approximate indexes are measured against. Up to about 250,000 images; see docs/adr/0004 and 0033.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.copies import Collapse, Copy
from chalicelib.index import sql
from chalicelib.index.base import (
    ALL,
    Facets,
    Listing,
    Place,
    RankedSet,
    Summary,
    Versioned,
    Write,
    WriteResult,
)
from chalicelib.index.checks import checked_writes, unit_vector, unit_vectors
from chalicelib.index.database import Database
from chalicelib.index.embedded_answer import answer
from chalicelib.index.embedded_copies import copies_of
from chalicelib.index.embedded_rows import generation_of, held_version, store
from chalicelib.index.embedded_words import WordFinder
from chalicelib.index.facets import Alike, counted
from chalicelib.index.keeping import candidates
from chalicelib.index.ranking import Scores, exact_scores
from chalicelib.index.remembered import Remembered
from chalicelib.index.times import micros, recency
from chalicelib.index.vectors import Snapshot, VectorCache
from chalicelib.records import STATES, Filters, ImageRecord, State
from chalicelib.relevance import Cut, Order, Wording
from chalicelib.sharding import WHOLE, Shard

_MANY = 500
_SCAN = 1000
_MASKS = 16
_FEW_MATCH = 4000


class EmbeddedIndex:
    """`Index` in one SQLite file under `folder`, for vectors [dim] of `model`."""

    def __init__(self, folder: Path, *, dim: int, model: str) -> None:
        self._dim = dim
        self._database = Database(folder / sql.file_name(model), dim=dim, model=model)
        self._vectors = VectorCache(dim)
        self._words = WordFinder()
        self._masks: Remembered[NDArray[np.bool_]] = Remembered(_MASKS)
        self._facets: tuple[int, Facets] | None = None

    @property
    def path(self) -> Path:
        """The database file; SQLite keeps `-wal` and `-shm` files beside it while it is open."""
        return self._database.path

    def ensure(self) -> None:
        self._database.create()

    def close(self) -> None:
        self._database.close()
        self._vectors.clear()
        self._words.clear()
        self._masks.clear()

    def read(self, ids: Sequence[str]) -> dict[str, Versioned]:
        found: dict[str, Versioned] = {}
        with self._database.reading() as db:
            generation = generation_of(db)
            for first in range(0, len(ids), _MANY):
                some = ids[first : first + _MANY]
                for name, seq, body in db.execute(
                    f"SELECT id, seq, body FROM images WHERE id IN ({sql.marks(len(some))})", some
                ):
                    found[name] = Versioned(sql.from_body(body), (seq, generation))
        return found

    def vector(self, id: str) -> NDArray[np.float32] | None:
        with self._database.reading() as db:
            row = db.execute(
                "SELECT vector FROM vectors WHERE num = (SELECT num FROM images WHERE id = ?)",
                (id,),
            ).fetchone()
        return None if row is None else np.frombuffer(row[0], dtype="<f4").astype(np.float32)

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        records = checked_writes(writes, self._dim)
        if not records:
            return []
        rows = [sql.to_row(record) for record in records]
        results: list[WriteResult] = []
        with self._database.writing() as db:
            seq, generation = db.execute("SELECT seq, generation FROM meta").fetchone()
            for write, record, row in zip(writes, records, rows, strict=True):
                num, held = held_version(db, record.id, generation)
                if held != write.expected:
                    results.append("conflict")
                    continue
                seq += 1
                store(db, num, seq, record, row)
                results.append("written")
            db.execute("UPDATE meta SET seq = ?", (seq,))
        return results

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
        with self._database.reading() as db:
            snapshot = self._vectors.snapshot(db)
            taking, worded = self._admitted(db, snapshot, filters), None
            if wording is not None:
                worded, taking = self._words.find(db, snapshot, taking, wording)
            taking = _without(db, snapshot, taking, leave_out)
            scores = Scores(snapshot, query, worded)
            return answer(
                db,
                scores,
                candidates(scores, taking, ranked),
                limit=limit,
                ranked=ranked,
                after=after,
                facets=facets,
                collapse=collapse,
                cut=cut,
                order=order,
            )

    def best_scores(self, queries: NDArray[np.float32]) -> NDArray[np.float64]:
        queries = unit_vectors(queries, self._dim, field="queries")
        with self._database.reading() as db:
            snapshot = self._vectors.snapshot(db)
        best = np.full(len(queries), -np.inf)
        slots = snapshot.best_products(queries)
        for number in np.flatnonzero(slots >= 0).tolist():
            row = snapshot.rows(slots[number : number + 1])
            best[number] = exact_scores(row, queries[number])[0]
        return best

    def note(self, name: str) -> str | None:
        with self._database.reading() as db:
            row = db.execute("SELECT text FROM notes WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def keep_note(self, name: str, text: str) -> None:
        with self._database.writing() as db:
            db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, text))

    def copies(self, of: Sequence[ImageRecord], filters: Filters = ALL) -> list[list[Copy]]:
        with self._database.reading() as db:
            snapshot = self._vectors.snapshot(db)
            taking = self._admitted(db, snapshot, filters)
        return [copies_of(snapshot, record, taking) for record in of]

    def counts(self, filters: Filters = ALL) -> dict[State, int]:
        conditions, values = sql.where(filters)
        matching = f"state IN ({sql.marks(len(STATES))}){conditions}"
        query = f"SELECT state, count(*) FROM images WHERE {matching} GROUP BY state"
        with self._database.reading() as db:
            found = dict(db.execute(query, [*STATES, *values]))
        return {state: found.get(state, 0) for state in STATES}

    def facets(self, filters: Filters = ALL) -> Facets:
        conditions, values = sql.where(filters)
        asked = sql.ALIKE.format(f"state = 'ready'{conditions}")
        with self._database.reading() as db:
            if conditions:
                return counted(map(Alike._make, db.execute(asked, values)))
            (seq,) = db.execute("SELECT seq FROM meta").fetchone()
            known = self._facets
            if known is None or known[0] != seq:
                known = self._facets = (seq, counted(map(Alike._make, db.execute(asked))))
        return {facet: dict(values) for facet, values in known[1].items()}

    def scan(self, shard: Shard = WHOLE) -> Iterator[Summary]:
        for bodies in self._walk() if shard == WHOLE else self._walk_shard(shard):
            yield from map(sql.summary, bodies)

    def _walk(self) -> Iterator[Iterator[str]]:
        """Every body there is, in the order in which they lie in the file."""
        last = 0
        while rows := self._rows(
            "SELECT num, body FROM images WHERE num > ? ORDER BY num LIMIT ?", (last, _SCAN)
        ):
            last = rows[-1][0]
            yield (body for _, body in rows)

    def _walk_shard(self, shard: Shard) -> Iterator[Iterator[str]]:
        last, end = shard.first, shard.end or "g"  # ids are hex digits
        while rows := self._rows(
            "SELECT id, body FROM images WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
            (last, end, _SCAN),
        ):
            last = rows[-1][0]
            yield (body for _, body in rows)

    def _rows(self, query: str, values: Sequence[Any]) -> list[Any]:
        with self._database.reading() as db:
            return db.execute(query, values).fetchall()

    def purge(self, deleted_before: datetime) -> int:
        old = "state = 'deleted' AND indexed < ?"
        moment = (micros(deleted_before),)
        with self._database.writing() as db:
            (last,) = db.execute(f"SELECT max(seq) FROM images WHERE {old}", moment).fetchone()
            if last is None:
                return 0
            db.execute("UPDATE meta SET purged = max(purged, ?)", (last,))
            return db.execute(f"DELETE FROM images WHERE {old}", moment).rowcount

    def list(
        self,
        filters: Filters,
        states: Sequence[State],
        *,
        limit: int,
        after: tuple[datetime | None, str] | None = None,
    ) -> Listing:
        conditions, values = sql.where(filters)
        matching = f"state IN ({sql.marks(len(states))}){conditions}"
        values = [*states, *values]
        with self._database.reading() as db:
            (total,) = db.execute(
                f"SELECT count(*) FROM images WHERE {matching}", values
            ).fetchone()
            if total <= _FEW_MATCH:
                # Found by an index that holds all that filters look at, then put in order. More
                # are come across soon enough on the way from the newest to the oldest.
                matching = f"num IN (SELECT num FROM images WHERE {matching})"
            if after is not None:
                matching += " AND (recency, id) > (?, ?)"
                values += [recency(after[0]), after[1]]
            bodies = db.execute(
                f"SELECT body FROM images WHERE {matching} ORDER BY recency, id LIMIT ?",
                [*values, max(0, limit)],
            ).fetchall()
        return Listing([sql.from_body(body) for (body,) in bodies], total)

    def _admitted(
        self, db: sqlite3.Connection, snapshot: Snapshot, filters: Filters
    ) -> NDArray[np.bool_] | None:
        """Which slots are of images that `filters` admit, bool [size]; None: all of them. What a
        filter admits is remembered, for its next page."""
        conditions, values = sql.where(filters)
        if not conditions:
            return snapshot.alive

        def ask() -> NDArray[np.bool_]:
            # One long text is read four times as fast as many rows of one number.
            (text,) = db.execute(
                f"SELECT group_concat(num) FROM images WHERE state = 'ready'{conditions}", values
            ).fetchone()
            mask = snapshot.slots_of(np.fromstring(text or "", dtype=np.int64, sep=","))
            if snapshot.alive is not None:
                mask &= snapshot.alive
            return mask

        return self._masks.get((snapshot.seq, conditions, *values), ask)


def _without(
    db: sqlite3.Connection,
    snapshot: Snapshot,
    taking: NDArray[np.bool_] | None,
    leave_out: frozenset[str],
) -> NDArray[np.bool_] | None:
    asked = f"SELECT num FROM images WHERE id IN ({sql.marks(len(leave_out))})"
    nums = [row[0] for row in db.execute(asked, tuple(leave_out))] if leave_out else []
    if not nums:
        return taking
    others: NDArray[np.bool_] = ~np.isin(snapshot.nums, nums)
    return others if taking is None else taking & others
