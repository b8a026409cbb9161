"""What every index promises (chalicelib/index/base.py): searching and paging."""

from __future__ import annotations

import numpy as np
import pytest
from index_helpers import (
    ANY,
    DIM,
    NOW,
    QUERY,
    bare,
    close_to,
    disagreements,
    ids,
    name_of,
    put,
    random_units,
    ready,
    scores_of,
    search_ids,
    toward,
    true_order,
    unit,
    walk,
)

from chalicelib.index.base import Index
from chalicelib.records import Filters


def test_an_empty_index_answers_with_nothing(index: Index) -> None:
    assert index.search(QUERY, ANY, limit=10, ranked=10)[:3] == ([], 0, None)
    assert index.search(QUERY, Filters(owner="x"), limit=10, ranked=10)[:3] == ([], 0, None)


def test_answers_run_from_the_best_score(index: Index, tolerance: float) -> None:
    put(index, ready(1, toward(0.2)), ready(2, toward(0.9)), ready(3, toward(-0.5)))
    found = index.search(QUERY, ANY, limit=10, ranked=10)
    assert ids(found.hits) == [name_of(2), name_of(1), name_of(3)]
    assert scores_of(found.hits) == close_to([0.9, 0.2, -0.5], tolerance)
    assert found.total == 3


def test_ties_are_ordered_by_id(index: Index) -> None:
    put(index, *(ready(n, toward(0.5)) for n in range(30)))
    assert search_ids(index) == sorted(name_of(n) for n in range(30))


def test_scores_that_differ_behind_the_sixth_decimal_are_ties(
    index: Index, tolerance: float
) -> None:
    put(index, *(ready(n, toward(0.5 + n * 1e-8)) for n in range(20)))
    hits = index.search(QUERY, ANY, limit=20, ranked=20).hits
    ties = sorted((-0.5, name_of(n)) for n in range(20))
    assert disagreements(hits, ties, tolerance) == []


def test_only_ready_images_are_found(index: Index) -> None:
    put(index, ready(1), bare(2), bare(3, state="archived"))
    assert search_ids(index) == [name_of(1)]


def test_an_overwritten_vector_counts_at_once(index: Index) -> None:
    put(index, ready(1, toward(0.1)), ready(2, toward(0.2)))
    assert search_ids(index) == [name_of(2), name_of(1)]
    put(index, ready(1, toward(0.3)))
    assert search_ids(index) == [name_of(1), name_of(2)]


def test_a_filter_that_keeps_one_in_a_thousand_still_fills_the_page(index: Index) -> None:
    put(
        index,
        *(ready(n, toward(0.9)) for n in range(2997)),
        *(ready(n, toward(-0.9), owner="rare") for n in range(2997, 3000)),
    )
    found = index.search(QUERY, Filters(owner="rare"), limit=3, ranked=10)
    assert ids(found.hits) == sorted(name_of(n) for n in range(2997, 3000))
    assert found.total == 3


def test_the_ranked_set_is_limited_to_the_best(index: Index) -> None:
    put(index, *(ready(n, toward(1 - n / 100)) for n in range(50)))
    best = [name_of(n) for n in range(12)]
    found = index.search(QUERY, ANY, limit=5, ranked=12)
    assert (ids(found.hits), found.total) == (best[:5], 12)
    assert ids(walk(index, QUERY, limit=5, ranked=12)) == best
    last = walk(index, QUERY, limit=5, ranked=12)[-1]
    end = index.search(QUERY, ANY, limit=5, ranked=12, after=(last.score, last.record.id))
    assert (end.hits, end.total, end.facets) == ([], 12, None)


def test_a_page_larger_than_the_ranked_set_is_cut_to_it(index: Index) -> None:
    put(index, *(ready(n, toward(1 - n / 100)) for n in range(9)))
    assert len(search_ids(index, limit=9, ranked=4)) == 4


def test_images_left_out_take_no_part(index: Index) -> None:
    put(index, *(ready(n, toward(1 - n / 10)) for n in range(5)))
    found = index.search(QUERY, ANY, limit=2, ranked=2, leave_out=frozenset([name_of(0)]))
    assert (ids(found.hits), found.total) == ([name_of(1), name_of(2)], 2)
    found = index.search(
        QUERY, Filters(owner=""), limit=9, ranked=9, leave_out=frozenset([name_of(3)])
    )
    assert found.total == 4
    assert name_of(3) not in ids(found.hits)
    assert len(search_ids(index, leave_out=frozenset([name_of(77)]))) == 5
    assert len(search_ids(index, leave_out=frozenset([name_of(0)]))) == 4
    several = frozenset([name_of(0), name_of(2), name_of(77)])
    assert search_ids(index, leave_out=several) == [name_of(n) for n in (1, 3, 4)]


@pytest.mark.parametrize("limit", [1, 7, 100, 1000])
def test_pages_join_into_the_true_order(index: Index, tolerance: float, limit: int) -> None:
    """Many exact ties, and neighbours far closer than float32 arithmetic can tell apart."""
    rng = np.random.default_rng(1)
    near = unit([1] * DIM) + rng.standard_normal((500, DIM)) * 2e-6
    rows = [*random_units(200), *(unit(row) for row in near), *[unit([1] * DIM)] * 40]
    rng.shuffle(rows)
    named = {name_of(n): row for n, row in enumerate(rows)}
    put(index, *(ready(n, row) for n, row in enumerate(rows)))
    query = unit([1] * (DIM - 1) + [0.9])
    ranked = 30 if limit == 1 else 600
    hits = walk(index, query, limit=limit, ranked=ranked)
    assert disagreements(hits, true_order(named, query), tolerance, ranked=ranked) == []


def test_paging_has_no_gaps_or_repeats_while_other_images_come_and_go(index: Index) -> None:
    put(index, *(ready(n, toward(0.99 - n / 1000)) for n in range(300)))
    seen: list[str] = []
    after = None
    for page in range(100):
        hits = index.search(QUERY, ANY, limit=10, ranked=1000, after=after).hits
        if not hits:
            break
        seen += ids(hits)
        after = (hits[-1].score, hits[-1].record.id)
        put(index, ready(1000 + page, toward(0.995)), ready(2000 + page, toward(-0.5)))
        put(index, bare(1000 + page - 3, indexed_at=NOW))
    stayed = [name for name in seen if name in {name_of(n) for n in range(300)}]
    assert stayed == [name_of(n) for n in range(300)]
    assert len(seen) == len(set(seen))


def test_a_cursor_that_names_no_image_still_marks_a_place(index: Index) -> None:
    put(index, *(ready(n, toward(0.5)) for n in range(10)))
    names = sorted(name_of(n) for n in range(10))
    (score,) = {hit.score for hit in index.search(QUERY, ANY, limit=10, ranked=10).hits}
    assert search_ids(index, after=(score, names[3])) == names[4:]
    assert search_ids(index, after=(0.6, "")) == names
    assert search_ids(index, after=(0.4, "")) == []
