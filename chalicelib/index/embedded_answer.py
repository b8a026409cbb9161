"""What the embedded index answers to a search, once it is known what takes part."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.copies import Collapse, Folded
from chalicelib.index import sql
from chalicelib.index.base import Facets, Place, RankedSet
from chalicelib.index.embedded_copies import folded_set
from chalicelib.index.facets import Alike, counted
from chalicelib.index.keeping import kept_set
from chalicelib.index.paging import best_place, date_place, page_of, rising
from chalicelib.index.ranking import Scored, Scores, best_page
from chalicelib.index.vectors import Snapshot
from chalicelib.records import Hit, ImageRecord
from chalicelib.relevance import Cut, Order

_MANY = 500


def answer(
    db: sqlite3.Connection,
    scores: Scores,
    taking: NDArray[np.bool_] | None,
    *,
    limit: int,
    ranked: int,
    after: Place | None,
    facets: bool,
    collapse: Collapse,
    cut: Cut | None,
    order: Order,
) -> RankedSet:
    """As `Searched.search` says it, among the slots `taking` (None: all)."""
    if cut is None and not facets and collapse == "none" and order == "best":
        return _best(db, scores, taking, limit=limit, ranked=ranked, after=after)
    snapshot = scores.snapshot
    kept = kept_set(scores, taking, cut, ranked)
    counts = _counted(db, _nums(snapshot, kept.items)) if facets else None
    items, behind = folded_set(snapshot, kept.items, collapse)
    place = _places(db, snapshot, items, order)
    if order != "best":
        items = sorted(items, key=lambda one: rising(place(one), order))
    page, following = page_of(items, place, order, limit=limit, after=after)
    hits = _hits(db, scores, page, behind)
    return RankedSet(hits, len(items), counts, kept.matched, kept.rest, following)


def _best(
    db: sqlite3.Connection,
    scores: Scores,
    taking: NDArray[np.bool_] | None,
    *,
    limit: int,
    ranked: int,
    after: Place | None,
) -> RankedSet:
    """Where all that is ranked is kept, only the page itself has to be known exactly."""
    one_more = limit + 1 if limit > 0 else 0
    page, total = best_page(scores, taking, limit=one_more, ranked=ranked, after=after)
    following = None
    if len(page) == one_more > 0:
        page.pop()
        following = best_place(page[-1].score, scores.snapshot.ids[page[-1].slot], within=True)
    return RankedSet(_hits(db, scores, page, {}), total, next=following)


def _places(
    db: sqlite3.Connection, snapshot: Snapshot, items: Sequence[Scored], order: Order
) -> Callable[[Scored], Place]:
    ids = snapshot.ids
    if order == "best":
        return lambda one: best_place(one.score, ids[one.slot], within=one.within)
    dates: dict[int, int | None] = dict(
        _rows(db, "SELECT num, date FROM images WHERE num IN ({})", _nums(snapshot, items))
    )
    return lambda one: date_place(dates[int(snapshot.nums[one.slot])], ids[one.slot])


def _hits(
    db: sqlite3.Connection, scores: Scores, page: Sequence[Scored], behind: dict[int, Folded]
) -> list[Hit]:
    snapshot, worded = scores.snapshot, scores.worded
    nums = _nums(snapshot, page)
    records: dict[int, ImageRecord] = {
        num: sql.from_body(body)
        for num, body in _rows(db, "SELECT num, body FROM images WHERE num IN ({})", nums)
    }
    slots = {num: one.slot for num, one in zip(nums, page, strict=True)}
    found = {} if worded is None else worded.found(db, slots)
    return [
        Hit(
            records[num],
            one.score,
            behind.get(one.slot),
            one.meaning,
            found.get(one.slot),
            one.within,
        )
        for num, one in zip(nums, page, strict=True)
    ]


def _nums(snapshot: Snapshot, scored: Sequence[Scored]) -> list[int]:
    return [int(snapshot.nums[one.slot]) for one in scored]


def _counted(db: sqlite3.Connection, nums: Sequence[int]) -> Facets:
    return counted(map(Alike._make, _rows(db, sql.ALIKE.format("num IN ({})"), nums)))


def _rows(db: sqlite3.Connection, query: str, nums: Sequence[int]) -> Iterator[Any]:
    """What `query` says of the rows `nums`, some of them at a time."""
    for first in range(0, len(nums), _MANY):
        some = nums[first : first + _MANY]
        yield from db.execute(query.format(sql.marks(len(some))), some)
