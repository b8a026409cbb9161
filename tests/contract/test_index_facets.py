"""What every index promises (chalicelib/index/base.py): counting what images have in common."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from index_helpers import (
    ANY,
    QUERY,
    bare,
    ids,
    in_order,
    later,
    name_of,
    put,
    ready,
    tombstone,
    toward,
    true_facets,
)

from chalicelib.index.base import MAX_FACET_VALUES, Index
from chalicelib.records import Filters, ImageRecord

NOTHING = {"collection": {}, "year": {}, "camera": {}, "format": {}}


def test_an_empty_index_has_every_facet_and_no_value(index: Index) -> None:
    assert index.facets() == NOTHING
    assert index.search(QUERY, ANY, limit=5, ranked=5, facets=True)[:3] == ([], 0, NOTHING)


def test_facets_are_counted_only_where_they_are_asked_for(index: Index) -> None:
    put(index, ready(1))
    assert index.search(QUERY, ANY, limit=5, ranked=5).facets is None
    assert index.search(QUERY, ANY, limit=5, ranked=5, facets=True).facets is not None


def test_values_come_by_how_many_have_them_and_then_by_name(index: Index) -> None:
    put(
        index,
        ready(1, collection="b", camera="Zeta"),
        ready(2, collection="b", camera="Alpha"),
        ready(3, collection="c", camera="Zeta"),
        ready(4, collection="c", camera="alpha"),
        ready(5, collection="ä", camera="É 1"),
        ready(6, collection="Z", format="png"),
        ready(7, collection="", camera=""),
    )
    expected = {
        "collection": [("b", 2), ("c", 2), ("", 1), ("Z", 1), ("ä", 1)],
        "year": [("2024", 7)],
        "camera": [("Zeta", 2), ("Alpha", 1), ("alpha", 1), ("É 1", 1)],
        "format": [("jpeg", 6), ("png", 1)],
    }
    assert in_order(index.facets()) == expected
    found = index.search(QUERY, ANY, limit=1, ranked=100, facets=True)
    assert in_order(found.facets) == expected


def test_years_are_those_of_the_date_in_utc(index: Index) -> None:
    west, east = timezone(timedelta(hours=-2)), timezone(timedelta(hours=9))
    put(
        index,
        ready(1, taken_at=datetime(2019, 12, 31, 23, 30, tzinfo=west)),
        ready(2, taken_at=datetime(2020, 1, 1, 8, 59, tzinfo=east)),
        ready(3, taken_at=None, uploaded_at=datetime(2020, 1, 1, tzinfo=timezone.utc)),
        ready(4, taken_at=None, uploaded_at=None),
        ready(5, taken_at=datetime(987, 6, 5, tzinfo=timezone.utc)),
    )
    assert in_order(index.facets())["year"] == [("2020", 2), ("2019", 1), ("987", 1)]


def test_only_ready_images_are_counted_and_each_as_it_is_now(index: Index) -> None:
    put(index, ready(1), ready(2, collection="b"), bare(3), bare(4, state="archived"), tombstone(5))
    assert index.facets()["collection"] == {"b": 1, "trips": 1}
    put(index, ready(1, collection="b"), ready(6, camera="X100"))
    assert in_order(index.facets())["collection"] == [("b", 2), ("trips", 1)]
    assert index.facets()["camera"] == {"X100": 1}
    put(index, tombstone(6), bare(2))
    assert index.purge(later(days=1)) == 2
    assert index.facets()["collection"] == {"b": 1}
    assert index.facets()["camera"] == {}


def fan(count: int) -> list[ImageRecord]:
    """The first the nearest; every third in collection 0, and so on."""
    return [
        ready(n, toward(1 - n / 100), collection=str(n % 3), camera=f"Camera {n // 10}")
        for n in range(count)
    ]


def test_facets_are_of_the_whole_ranked_set_on_every_page(index: Index) -> None:
    records = fan(50)
    put(index, *records)
    expected = true_facets(records[:25])
    after = None
    for _ in range(4):
        page = index.search(QUERY, ANY, limit=8, ranked=25, after=after, facets=True)
        assert in_order(page.facets) == expected
        bare_page = index.search(QUERY, ANY, limit=8, ranked=25, after=after)
        assert (page.hits, page.total) == (bare_page.hits, bare_page.total)
        after = (page.hits[-1].score, page.hits[-1].record.id)
    assert ids(page.hits) == [name_of(24)]
    end = index.search(QUERY, ANY, limit=8, ranked=25, after=after, facets=True)
    assert (end.hits, end.total, in_order(end.facets)) == ([], 25, expected)


def test_facets_are_of_what_the_filter_admits_without_the_image_left_out(index: Index) -> None:
    records = fan(40)
    put(index, *records)
    filters = Filters(collection="1")
    found = index.search(
        QUERY, filters, limit=2, ranked=10, leave_out=frozenset([name_of(4)]), facets=True
    )
    taking = [record for record in records if record.collection == "1" and record.id != name_of(4)]
    assert in_order(found.facets) == true_facets(taking[:10])


def test_a_large_ranked_set_is_counted_whole(index: Index) -> None:
    records = [ready(n, collection=f"c{n % 7}", camera="X" * (n % 2)) for n in range(1200)]
    put(index, *records)
    found = index.search(QUERY, ANY, limit=5, ranked=2000, facets=True)
    assert in_order(found.facets) == true_facets(records) == in_order(index.facets())


def test_of_many_values_those_that_most_images_have_are_kept(index: Index) -> None:
    records = [ready(n, camera=f"{n:03}") for n in range(MAX_FACET_VALUES + 20)]
    twice = [ready(1000 + n, camera=f"{n:03}") for n in range(90, 115)]
    put(index, *records, *twice)
    expected = [(f"{n:03}", 2) for n in range(90, 115)] + [(f"{n:03}", 1) for n in range(75)]
    assert in_order(index.facets())["camera"] == expected
    found = index.search(QUERY, ANY, limit=1, ranked=1000, facets=True)
    assert in_order(found.facets)["camera"] == expected


def test_facets_given_away_are_the_callers_to_change(index: Index) -> None:
    put(index, ready(1))
    index.facets()["format"]["png"] = 9
    assert index.facets()["format"] == {"jpeg": 1}
