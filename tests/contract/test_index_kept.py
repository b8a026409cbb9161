"""What every index promises (chalicelib/index/base.py): where an answer ends, its order and pages;
vectors of any length; notes."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from index_helpers import (
    ANY,
    DIM,
    QUERY,
    bare,
    disagreements,
    ids,
    in_order,
    later,
    name_of,
    put,
    random_units,
    ready,
    toward,
    true_facets,
    true_order,
    unit,
    walk_on,
)

from chalicelib.copies import Folded
from chalicelib.errors import InvalidRequest
from chalicelib.index.base import Index, RankedSet
from chalicelib.index.narrowed import narrowed
from chalicelib.records import Filters, ImageRecord
from chalicelib.relevance import Cut, Order, floor_of
from chalicelib.words import parse

CUT = Cut(0.8)
CLOSEST = Cut(0.8, closest=True)


def ladder(count: int = 20, **fields: Any) -> list[ImageRecord]:
    """Image n has the meaning 1 - n / 21 for `QUERY`."""
    return [ready(n, toward(1 - n / 21), **fields) for n in range(count)]


def search(index: Index, **options: Any) -> RankedSet:
    return index.search(QUERY, **({"filters": ANY, "limit": 100, "ranked": 100} | options))


def named(*numbers: int) -> list[str]:
    return [name_of(n) for n in numbers]


# --- the cut --------------------------------------------------------------------------------------


def test_without_a_cut_all_that_was_ranked_is_kept(index: Index) -> None:
    put(index, *ladder())
    found = search(index)
    assert (len(found.hits), found.total, found.matched, found.rest) == (20, 20, None, 0)


def test_the_answer_ends_at_the_cut(index: Index) -> None:
    put(index, *ladder())
    floor = floor_of(0.8, 1.0)
    kept = [n for n in range(20) if 1 - n / 21 >= floor]
    found = search(index, cut=CUT)
    assert ids(found.hits) == named(*kept)
    assert (found.total, found.matched, found.rest) == (len(kept), True, 20 - len(kept))
    assert all(hit.within for hit in found.hits)


def test_nothing_matches_where_the_best_is_below_the_threshold(index: Index) -> None:
    put(index, *ladder())
    found = search(index, cut=Cut(1.01), facets=True)
    assert (found.hits, found.total, found.matched, found.rest) == ([], 0, False, 20)
    assert found.facets == {"collection": {}, "year": {}, "camera": {}, "format": {}}
    assert found.next is None


def test_an_empty_index_matches_nothing(index: Index) -> None:
    for cut in (CUT, CLOSEST):
        found = search(index, cut=cut)
        assert (found.hits, found.total, found.matched, found.rest) == ([], 0, False, 0)
    assert search(index, cut=CUT, ranked=0)[:2] == ([], 0)


def test_the_closest_come_behind_what_is_within(index: Index) -> None:
    put(index, *ladder())
    within = len(search(index, cut=CUT).hits)
    found = search(index, cut=CLOSEST)
    assert ids(found.hits) == named(*range(20))
    assert [hit.within for hit in found.hits] == [True] * within + [False] * (20 - within)
    assert (found.total, found.matched, found.rest) == (20, True, 0)
    far = search(index, cut=Cut(1.01, closest=True))
    assert (len(far.hits), far.matched, far.rest) == (20, False, 0)


def test_images_with_every_word_are_within_and_those_with_some_are_not(index: Index) -> None:
    put(
        index,
        *ladder(4),
        ready(100, toward(-0.5), name="a red boat"),
        ready(101, toward(0.65), name="red house"),
        ready(102, toward(-0.9), text="a boat, red"),
    )
    wording = parse("red boat").wording
    found = search(index, cut=CUT, wording=wording)
    assert ids(found.hits) == named(0, 1, 2, 3, 100, 102)
    assert (found.matched, found.rest) == (True, 1)
    found = search(index, cut=Cut(1.01), wording=wording)
    assert ids(found.hits) == named(100, 102)
    assert (found.total, found.matched, found.rest) == (2, True, 5)
    found = search(index, cut=Cut(1.01, closest=True), wording=wording)
    assert ids(found.hits) == named(100, 102, 0, 1, 2, 101, 3)


def test_the_very_name_is_within(index: Index) -> None:
    put(index, *ladder(3), ready(100, toward(-1), name="the of.jpg"))
    found = search(index, cut=Cut(1.01), wording=parse("the of").wording)
    assert ids(found.hits) == named(100)


@pytest.mark.usefixtures("small_blocks")
def test_the_kept_set_is_that_of_the_rule_among_many(index: Index, tolerance: float) -> None:
    rows = random_units(400, seed=3)
    put(index, *(ready(n, row) for n, row in enumerate(rows)))
    truth = true_order({name_of(n): row for n, row in enumerate(rows)}, QUERY)
    for threshold, ranked in product([-2.0, 0.2, 0.5, 0.9, 2.0], [3, 40, 400]):
        floor = floor_of(threshold, -truth[0][0])
        kept = [one for one in truth[:ranked] if -one[0] >= floor]
        found = search(index, cut=Cut(threshold), limit=1000, ranked=ranked)
        assert disagreements(found.hits, kept, tolerance) == []
        assert (found.total, found.rest) == (len(kept), min(ranked, 400) - len(kept))
        assert found.matched == bool(kept)
        assert walk_on(index, cut=Cut(threshold), limit=37, ranked=ranked) == found.hits


def test_the_cut_is_at_what_the_filter_admits(index: Index) -> None:
    put(
        index,
        *ladder(3, owner="ben"),
        *(ready(50 + n, toward(0.9 - n / 10), owner="ann") for n in range(5)),
    )
    found = search(index, cut=Cut(0.85), filters=Filters(owner="ann"))
    assert ids(found.hits) == named(50, 51, 52)
    assert (found.total, found.rest) == (3, 2)
    assert (
        narrowed(index, Filters(owner="ann")).search(
            QUERY, ANY, limit=100, ranked=100, cut=Cut(0.85)
        )
        == found
    )
    gone = search(
        index, cut=Cut(0.85), filters=Filters(owner="ann"), leave_out=frozenset([name_of(50)])
    )
    assert (gone.hits, gone.matched, gone.rest) == ([], False, 4)


def test_facets_are_counted_over_the_kept_set(index: Index) -> None:
    records = ladder()
    for n, record in enumerate(records):
        put(index, ready(n, record.vector, collection=str(n % 3), camera="X" * (n % 2)))
    found = search(index, cut=CUT, facets=True, limit=2)
    kept = [index.read([name_of(n)])[name_of(n)].record for n in range(found.total)]
    assert 2 < found.total < 20
    assert in_order(found.facets) == true_facets(kept)
    every = search(index, cut=CLOSEST, facets=True, limit=2)
    assert sum((every.facets or {})["collection"].values()) == 20


def test_copies_fold_within_the_kept_set(index: Index) -> None:
    put(index, *(ready(n, toward(1 - n / 21), sha256=str(n % 2)) for n in range(20)))
    found = search(index, cut=CUT, collapse="exact", facets=True)
    kept = len(search(index, cut=CUT).hits)
    assert ids(found.hits) == named(0, 1)
    assert found.hits[0].copies == Folded(exact=3, ids=tuple(named(2, 4, 6)))
    assert (found.total, found.rest) == (2, 20 - kept)
    assert sum((found.facets or {})["format"].values()) == kept == 7
    assert walk_on(index, cut=CUT, collapse="exact", limit=1) == found.hits


# --- the order ------------------------------------------------------------------------------------


def dated(count: int = 20) -> list[ImageRecord]:
    """The closer the older, but every fourth has no date, and three share one."""
    return [
        ready(
            n,
            toward(1 - n / 40),
            uploaded_at=None if n % 4 == 3 else later(days=max(n, 4)),
            taken_at=later(days=-500) if n == 6 else None,
        )
        for n in range(count)
    ]


def by_date(records: list[ImageRecord], order: Order) -> list[str]:
    def key(record: ImageRecord) -> tuple[bool, float, str]:
        if record.date is None:
            return True, 0, record.id
        moment = record.date.timestamp()
        return False, -moment if order == "newest" else moment, record.id

    return [record.id for record in sorted(records, key=key)]


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_the_kept_set_comes_by_date(index: Index, order: Order) -> None:
    records = dated()
    put(index, *records)
    found = search(index, order=order)
    assert ids(found.hits) == by_date(records, order)
    kept = search(index, cut=CUT)
    assert 3 < kept.total < 20
    found = search(index, order=order, cut=CUT, limit=3)
    assert ids(found.hits) == by_date(records[: kept.total], order)[:3]
    assert (found.total, found.rest, found.matched) == (kept.total, kept.rest, True)


def test_only_the_best_ranked_are_put_in_order(index: Index) -> None:
    put(index, *dated())
    found = search(index, order="newest", ranked=5)
    assert set(ids(found.hits)) == set(named(0, 1, 2, 3, 4))
    assert found.total == 5


@pytest.mark.parametrize("order", ["best", "newest", "oldest"])
def test_pages_walk_the_kept_set_once_in_every_order(index: Index, order: Order) -> None:
    put(index, *dated(), ready(50, toward(-0.9), name="red"), ready(51, toward(-1), text="a red x"))
    for cut, limit in product([None, CUT, CLOSEST], [1, 4, 20, 21]):
        options: dict[str, Any] = {"order": order, "cut": cut, "wording": parse("red x").wording}
        whole = search(index, **options)
        assert whole.next is None
        pages = walk_on(index, **options, limit=limit)
        assert pages == whole.hits
        assert len(set(ids(pages))) == len(pages) == whole.total
        first = search(index, **options, limit=limit)
        assert (first.next is None) == (limit >= whole.total)


def test_ties_over_the_end_of_a_page_are_walked_once(index: Index) -> None:
    put(index, *(ready(n, toward(0.9)) for n in range(12)))
    for order in ("best", "newest", "oldest"):
        assert ids(walk_on(index, order=order, limit=5)) == sorted(named(*range(12)))


def test_folded_sets_come_by_the_date_of_their_items(index: Index) -> None:
    put(
        index,
        ready(1, toward(0.9), sha256="a", uploaded_at=later(days=1)),
        ready(2, toward(0.8), sha256="a", uploaded_at=later(days=9)),
        ready(3, toward(0.7), uploaded_at=later(days=5)),
    )
    found = search(index, order="newest", collapse="exact")
    assert ids(found.hits) == named(3, 1)
    assert found.hits[1].copies == Folded(exact=1, ids=tuple(named(2)))


# --- vectors of any length ------------------------------------------------------------------------


def stretched(count: int, *, seed: int = 0) -> tuple[list[ImageRecord], np.ndarray]:
    """Records whose vectors are of length 0.5 to 7."""
    responses = np.random.default_rng(seed).uniform(1 / 7, 2, count)
    rows = (random_units(count, seed=seed + 1) / responses[:, None]).astype(np.float32)
    return [ready(n, rows[n], response=float(responses[n])) for n in range(count)], rows


@pytest.mark.usefixtures("small_blocks")
def test_long_vectors_are_ranked_by_their_true_inner_products(
    index: Index, tolerance: float
) -> None:
    records, rows = stretched(300)
    near = [6.5 * (unit([1] * DIM) + n * 3e-7) for n in range(40)]
    put(
        index,
        *records,
        *(
            ready(500 + n, row.astype(np.float32), response=float(1 / np.linalg.norm(row)))
            for n, row in enumerate(near)
        ),
    )
    query = unit([1] * (DIM - 1) + [0.9])
    truth = true_order(
        {name_of(n): row for n, row in enumerate(rows)}
        | {name_of(500 + n): row.astype(np.float32) for n, row in enumerate(near)},
        query,
    )
    for limit in (7, 300):
        hits = walk_on(index, query, limit=limit, ranked=200)
        assert disagreements(hits, truth, 8 * tolerance, ranked=200) == []


def test_a_vector_is_as_long_as_its_response_says(index: Index) -> None:
    put(index, ready(1, QUERY * 4, response=0.25))
    assert search(index).hits[0].meaning == pytest.approx(4.0, abs=1e-5)
    vector = index.vector(name_of(1))
    assert vector is not None
    assert np.array_equal(vector, QUERY * 4)


# --- best scores ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_blocks")
def test_best_scores_are_those_of_numpy(index: Index, tolerance: float) -> None:
    records, rows = stretched(300, seed=5)
    put(index, *records, bare(600))
    queries = random_units(25, seed=9)
    best = index.best_scores(queries)
    assert (best.shape, best.dtype) == ((25,), np.float64)
    assert best == pytest.approx((rows @ queries.T).max(axis=0), abs=1e-5 + 8 * tolerance)
    put(index, *(bare(n) for n in range(150)))
    best = index.best_scores(queries)
    assert best == pytest.approx((rows[150:] @ queries.T).max(axis=0), abs=1e-5 + 8 * tolerance)


def test_best_scores_of_nothing(index: Index) -> None:
    assert index.best_scores(random_units(2)).tolist() == [-math.inf, -math.inf]
    put(index, ready(1), bare(2))
    assert index.best_scores(np.empty((0, DIM), dtype=np.float32)).shape == (0,)
    put(index, bare(1))
    assert index.best_scores(random_units(1)).tolist() == [-math.inf]
    with pytest.raises(InvalidRequest, match="length 2"):
        index.best_scores(random_units(3) * 2)


# --- notes ----------------------------------------------------------------------------------------


def test_notes_are_kept_and_overwritten(index: Index) -> None:
    put(index, ready(1))
    assert index.note("thresholds") is None
    index.keep_note("thresholds", '{"a": 1.5, "é": "\U0001f4f7\\n"}')
    index.keep_note("other", "x" * 5000)
    assert index.note("thresholds") == '{"a": 1.5, "é": "\U0001f4f7\\n"}'
    index.keep_note("thresholds", "")
    assert index.note("thresholds") == ""
    assert index.note("other") == "x" * 5000
    assert index.counts()["ready"] == 1
    assert narrowed(index, Filters(owner="ann")).note("other") == "x" * 5000
