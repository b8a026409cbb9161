"""What every index promises (chalicelib/index/base.py): searching and paging."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import numpy as np
import pytest
from index_helpers import (
    ANY,
    DIM,
    NOW,
    QUERY,
    bare,
    ids,
    later,
    name_of,
    put,
    random_units,
    ready,
    search_ids,
    toward,
    true_order,
    unit,
    walk,
)

from chalicelib.index.base import Index
from chalicelib.records import Filters


def test_an_empty_index_answers_with_nothing(index: Index) -> None:
    assert index.search(QUERY, ANY, limit=10, ranked=10) == ([], 0)
    assert index.search(QUERY, Filters(owner="x"), limit=10, ranked=10) == ([], 0)


def test_answers_run_from_the_best_score(index: Index) -> None:
    put(index, ready(1, toward(0.2)), ready(2, toward(0.9)), ready(3, toward(-0.5)))
    found = index.search(QUERY, ANY, limit=10, ranked=10)
    assert ids(found.hits) == [name_of(2), name_of(1), name_of(3)]
    assert [hit.score for hit in found.hits] == [0.9, 0.2, -0.5]
    assert found.total == 3


def test_ties_are_ordered_by_id(index: Index) -> None:
    put(index, *(ready(n, toward(0.5)) for n in range(30)))
    assert search_ids(index) == sorted(name_of(n) for n in range(30))


def test_scores_that_differ_behind_the_sixth_decimal_are_ties(index: Index) -> None:
    put(index, *(ready(n, toward(0.5 + n * 1e-8)) for n in range(20)))
    assert search_ids(index) == sorted(name_of(n) for n in range(20))


def test_only_ready_images_are_found(index: Index) -> None:
    put(index, ready(1), bare(2), bare(3, state="archived"))
    assert search_ids(index) == [name_of(1)]


def test_an_overwritten_vector_counts_at_once(index: Index) -> None:
    put(index, ready(1, toward(0.1)), ready(2, toward(0.2)))
    assert search_ids(index) == [name_of(2), name_of(1)]
    put(index, ready(1, toward(0.3)))
    assert search_ids(index) == [name_of(1), name_of(2)]


def shelf(index: Index) -> None:
    """Six images that differ in everything filters look at."""
    day = datetime(2024, 3, 10, tzinfo=timezone.utc)
    east = timezone(timedelta(hours=9))
    put(
        index,
        ready(1, collection="a", owner="ann", format="jpeg", taken_at=day),
        ready(2, collection="a", owner="bob", format="png", taken_at=day + timedelta(days=1)),
        ready(3, collection="b", owner="ann", format="png", taken_at=None, uploaded_at=day),
        ready(4, collection="", owner="", format="gif", taken_at=None, uploaded_at=None),
        ready(5, collection="A", owner="bob", taken_at=datetime(2024, 3, 11, 8, 59, tzinfo=east)),
        ready(6, collection="a", taken_at=day + timedelta(days=1, microseconds=-1)),
    )


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"collection": "a"}, {1, 2, 6}),
        ({"collection": ""}, {4}),
        ({"collection": "none"}, set()),
        ({"owner": "ann"}, {1, 3}),
        ({"owner": ""}, {4, 6}),
        ({"format": "png"}, {2, 3}),
        ({"date_from": date(2024, 3, 11)}, {2}),
        ({"date_from": date(2024, 3, 10)}, {1, 2, 3, 5, 6}),
        ({"date_to": date(2024, 3, 10)}, {1, 3, 5, 6}),
        ({"date_to": datetime(2024, 3, 10)}, {1, 3}),
        ({"date_from": date(2024, 3, 10), "date_to": date(2024, 3, 10)}, {1, 3, 5, 6}),
        ({"date_from": datetime(2024, 3, 10, 0, 0, 0, 1), "date_to": date(2024, 3, 11)}, {2, 5, 6}),
        ({"collection": "a", "owner": "ann"}, {1}),
        ({"collection": "a", "owner": "bob", "format": "png", "date_from": date(2024, 1, 1)}, {2}),
        ({"collection": "a", "format": "webp"}, set()),
    ],
)
def test_filters_admit_what_they_say_alone_and_together(
    index: Index, filters: dict[str, object], expected: set[int]
) -> None:
    shelf(index)
    admitted = Filters.model_validate(filters)
    names = {name_of(n) for n in expected}
    found = index.search(QUERY, admitted, limit=10, ranked=10)
    assert set(ids(found.hits)) == names
    assert found.total == len(names)
    listing = index.list(admitted, ["ready"], limit=10)
    assert {record.id for record in listing.records} == names
    assert listing.total == len(names)


def test_a_filter_that_keeps_one_in_a_thousand_still_fills_the_page(index: Index) -> None:
    put(
        index,
        *(ready(n, toward(0.9)) for n in range(2997)),
        *(ready(n, toward(-0.9), owner="rare") for n in range(2997, 3000)),
    )
    found = index.search(QUERY, Filters(owner="rare"), limit=3, ranked=10)
    assert ids(found.hits) == sorted(name_of(n) for n in range(2997, 3000))
    assert found.total == 3


def test_a_filter_follows_what_is_written_after_it_was_first_used(index: Index) -> None:
    put(index, *(ready(n) for n in range(10)))
    ann = Filters(owner="ann")
    assert search_ids(index, ann) == []
    put(index, ready(3, owner="ann"))
    assert search_ids(index, ann) == [name_of(3)]
    put(index, ready(3, owner="bob"), ready(4, owner="ann"))
    assert search_ids(index, ann) == [name_of(4)]


def test_the_ranked_set_is_limited_to_the_best(index: Index) -> None:
    put(index, *(ready(n, toward(1 - n / 100)) for n in range(50)))
    best = [name_of(n) for n in range(12)]
    found = index.search(QUERY, ANY, limit=5, ranked=12)
    assert (ids(found.hits), found.total) == (best[:5], 12)
    assert ids(walk(index, QUERY, limit=5, ranked=12)) == best
    last = walk(index, QUERY, limit=5, ranked=12)[-1]
    end = index.search(QUERY, ANY, limit=5, ranked=12, after=(last.score, last.record.id))
    assert end == ([], 12)


def test_a_page_larger_than_the_ranked_set_is_cut_to_it(index: Index) -> None:
    put(index, *(ready(n, toward(1 - n / 100)) for n in range(9)))
    assert len(search_ids(index, limit=9, ranked=4)) == 4


def test_the_image_left_out_takes_no_part(index: Index) -> None:
    put(index, *(ready(n, toward(1 - n / 10)) for n in range(5)))
    found = index.search(QUERY, ANY, limit=2, ranked=2, leave_out=name_of(0))
    assert (ids(found.hits), found.total) == ([name_of(1), name_of(2)], 2)
    found = index.search(QUERY, Filters(owner=""), limit=9, ranked=9, leave_out=name_of(3))
    assert found.total == 4
    assert name_of(3) not in ids(found.hits)
    assert len(search_ids(index, leave_out=name_of(77))) == 5
    assert len(search_ids(index, leave_out=name_of(0))) == 4


@pytest.mark.parametrize("limit", [1, 7, 100, 1000])
def test_pages_join_into_exactly_the_true_order(index: Index, limit: int) -> None:
    """Many exact ties, and neighbours far closer than float32 arithmetic can tell apart."""
    rng = np.random.default_rng(1)
    near = unit([1] * DIM) + rng.standard_normal((500, DIM)) * 2e-6
    rows = [*random_units(200), *(unit(row) for row in near), *[unit([1] * DIM)] * 40]
    rng.shuffle(rows)
    named = {name_of(n): row for n, row in enumerate(rows)}
    put(index, *(ready(n, row) for n, row in enumerate(rows)))
    query = unit([1] * (DIM - 1) + [0.9])
    expected = true_order(named, query)[: 30 if limit == 1 else 600]
    hits = walk(index, query, limit=limit, ranked=len(expected))
    assert [(-hit.score + 0.0, hit.record.id) for hit in hits] == expected


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
    assert search_ids(index, after=(0.5, names[3])) == names[4:]
    assert search_ids(index, after=(0.6, "")) == names
    assert search_ids(index, after=(0.4, "")) == []


def test_dates_are_compared_to_the_microsecond(index: Index) -> None:
    put(index, ready(1, taken_at=NOW), ready(2, taken_at=later(microseconds=1)))
    assert search_ids(index, Filters(date_to=NOW)) == [name_of(1)]
    assert search_ids(index, Filters(date_from=later(microseconds=1))) == [name_of(2)]
