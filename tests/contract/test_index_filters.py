"""What every index promises (chalicelib/index/base.py): which images filters admit."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_helpers import (
    NOW,
    QUERY,
    bare,
    ids,
    in_order,
    later,
    name_of,
    put,
    ready,
    search_ids,
    toward,
    true_facets,
)

from chalicelib.facts import Location
from chalicelib.index.base import Index
from chalicelib.records import MAX_FILTER_PARTS, Filters, ImageRecord, State


def assert_admitted(index: Index, filters: Filters, expected: set[str]) -> None:
    """Search and listing give these images of those that are ready, and count them."""
    found = index.search(QUERY, filters, limit=100, ranked=100)
    assert set(ids(found.hits)) == expected
    assert found.total == len(found.hits) == len(expected)
    listing = index.list(filters, ["ready"], limit=100)
    assert {record.id for record in listing.records} == expected
    assert listing.total == len(listing.records) == len(expected)


DAY = datetime(2024, 3, 10, tzinfo=timezone.utc)
EAST = timezone(timedelta(hours=9))
MUNICH = Location(48.137, 11.575)
AUGSBURG = Location(48.372, 10.898)
"""56 km from Munich."""
TAVEUNI = Location(-16.8, -179.95)
VANUA_LEVU = Location(-16.6, 179.9)
"""27 km from Taveuni, over the antimeridian."""
SVALBARD = Location(89.8, 30.0)


@pytest.fixture
def shelf(index: Index) -> Index:
    """Eight images that differ in everything filters look at."""
    put(
        index,
        ready(1, collection="a", owner="ann", format="jpeg", taken_at=DAY, camera="Canon EOS 80D",
              width=400, height=300, location=MUNICH),
        ready(2, collection="a", owner="bob", format="png", taken_at=DAY + timedelta(days=1),
              width=300, height=400, location=AUGSBURG),
        ready(3, collection="b", owner="ann", format="png", taken_at=None, uploaded_at=DAY,
              camera="canon EOS 80D", width=300, height=300, location=TAVEUNI),
        ready(4, collection="", owner="", format="gif", taken_at=None, uploaded_at=None),
        ready(5, collection="A", owner="bob", taken_at=datetime(2024, 3, 11, 8, 59, tzinfo=EAST),
              camera="X100", width=401, height=400, location=VANUA_LEVU),
        ready(6, collection="a", taken_at=DAY + timedelta(days=1, microseconds=-1), width=500,
              camera="Canon EOS 80", location=SVALBARD),
        bare(7, collection="a", owner="ann", taken_at=DAY, camera="X100", width=400, height=300),
    )  # fmt: skip
    return index


ALL = {1, 2, 3, 4, 5, 6}
NEAR_MUNICH = {"lat": 48.137, "lon": 11.575}

ALONE: list[tuple[dict[str, Any], set[int]]] = [
    ({}, ALL),
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
    ({"camera": "Canon EOS 80D"}, {1}),
    ({"camera": "X100"}, {5}),
    ({"camera": "Canon"}, set()),
    ({"camera": ""}, {2, 4}),
    ({"orientation": "landscape"}, {1, 5}),
    ({"orientation": "portrait"}, {2}),
    ({"orientation": "square"}, {3}),
    ({"min_width": 400}, {1, 5, 6}),
    ({"min_width": 401}, {5, 6}),
    ({"min_height": 1}, {1, 2, 3, 5}),
    ({"min_height": 400}, {2, 5}),
    ({"near": {**NEAR_MUNICH, "km": 1}}, {1}),
    ({"near": {**NEAR_MUNICH, "km": 50}}, {1}),
    ({"near": {**NEAR_MUNICH, "km": 60}}, {1, 2}),
    ({"near": {**NEAR_MUNICH, "km": 20_100}}, {1, 2, 3, 5, 6}),
    ({"near": {"lat": 0, "lon": 0, "km": 100}}, set()),
    ({"near": {"lat": -16.7, "lon": 180, "km": 30}}, {3, 5}),
    ({"near": {"lat": -16.7, "lon": -180, "km": 30}}, {3, 5}),
    ({"near": {"lat": -16.8, "lon": -179.9, "km": 10}}, {3}),
    ({"near": {"lat": -16.8, "lon": -179.9, "km": 40}}, {3, 5}),
    ({"near": {"lat": -16.6, "lon": 179.85, "km": 10}}, {5}),
    ({"near": {"lat": 90, "lon": 0, "km": 30}}, {6}),
    ({"near": {"lat": 89.8, "lon": -150, "km": 50}}, {6}),
    ({"near": {"lat": 89.8, "lon": -150, "km": 40}}, set()),
    ({"near": {"lat": -90, "lon": 0, "km": 30}}, set()),
]  # fmt: skip

CAMERA = {"camera": "Canon EOS 80D"}
DATED = {"date_from": "2000-01-01"}
ANYWHERE = {"near": {"lat": 0, "lon": 0, "km": 20_100}}

COMPOSED: list[tuple[dict[str, Any], set[int]]] = [
    ({"date_from": "2024-03-10", "date_to": "2024-03-10"}, {1, 3, 5, 6}),
    ({"date_from": "2024-03-10T00:00:00.000001", "date_to": "2024-03-11"}, {2, 5, 6}),
    ({"collection": "a", "owner": "ann"}, {1}),
    ({"collection": "a", "owner": "bob", "format": "png", "date_from": "2024-01-01"}, {2}),
    ({"collection": "a", "format": "webp"}, set()),
    ({"min_width": 400, "min_height": 400}, {5}),
    ({"near": {**NEAR_MUNICH, "km": 60}, "orientation": "portrait"}, {2}),
    ({"any_of": [{}]}, ALL),
    ({"all_of": [{}, {}]}, ALL),
    ({"none_of": [{}]}, set()),
    ({"any_of": [{"format": "png"}, {"format": "gif"}]}, {2, 3, 4}),
    ({"any_of": [{"format": "webp"}]}, set()),
    ({"any_of": [{"format": "webp"}, {}]}, ALL),
    ({"all_of": [{"collection": "a"}, {"owner": "bob"}]}, {2}),
    ({"none_of": [{"collection": "a"}]}, {3, 4, 5}),
    ({"none_of": [{"collection": "a"}, {"format": "gif"}]}, {3, 5}),
    ({"none_of": [{"collection": "a", "owner": "ann"}]}, ALL - {1}),
    # What lacks a part is not admitted by a filter on it, so what forbids that filter admits it.
    ({"none_of": [DATED]}, {4}),
    ({"none_of": [{"date_to": "2024-03-10"}]}, {2, 4}),
    ({"none_of": [{"orientation": "landscape"}]}, {2, 3, 4, 6}),
    ({"none_of": [ANYWHERE]}, {4}),
    ({"none_of": [{"near": {**NEAR_MUNICH, "km": 60}}]}, {3, 4, 5, 6}),
    ({"none_of": [CAMERA]}, ALL - {1}),
    ({"none_of": [{"min_height": 1}]}, {4, 6}),
    ({"none_of": [{"none_of": [DATED]}]}, ALL - {4}),
    ({"none_of": [{"none_of": [{"near": {**NEAR_MUNICH, "km": 60}}]}]}, {1, 2}),
    ({"none_of": [{"any_of": [DATED, ANYWHERE]}]}, {4}),
    ({"none_of": [{"all_of": [DATED, {"orientation": "square"}]}]}, ALL - {3}),
    ({"none_of": [{**DATED, "orientation": "square"}, CAMERA]}, ALL - {1, 3}),
    ({"any_of": [{"none_of": [DATED]}, CAMERA]}, {1, 4}),
    ({"owner": "ann", "any_of": [{"format": "png"}, {"collection": "A"}]}, {3}),
    ({"any_of": [{"owner": "ann"}, {"owner": "bob"}], "none_of": [{"format": "png"}]}, {1, 5}),
    (
        {"all_of": [{"any_of": [{"owner": "ann"}, {"owner": "bob"}]},
                    {"any_of": [{"format": "png"}, {"min_width": 401}]}]},
        {2, 3, 5},
    ),
    (
        {"any_of": [{"all_of": [{"none_of": [{"collection": "a"}]}, {"min_width": 1}]},
                    {"collection": "a", "owner": "bob"}]},
        {2, 3, 5},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("filters", "expected"), ALONE + COMPOSED, ids=[str(f) for f, _ in ALONE + COMPOSED]
)
def test_filters_admit_what_they_say_alone_and_together(
    shelf: Index, filters: dict[str, object], expected: set[int]
) -> None:
    assert_admitted(shelf, Filters.model_validate(filters), {name_of(n) for n in expected})


def test_as_many_filters_as_there_may_be_are_no_fault(shelf: Index) -> None:
    """Every part given in every one of them, as deep as they may stand."""
    full = {
        "collection": "a", "owner": "ann", "date_from": "2024-03-10", "date_to": "2024-03-11",
        "format": "jpeg", "orientation": "landscape", "min_width": 2, "min_height": 2,
        "camera": "Canon EOS 80D", "near": {**NEAR_MUNICH, "km": 5},
    }  # fmt: skip
    deep = {**full, "all_of": [{**full, "none_of": [{**full, "camera": "X100"}]}]}
    rest = [{**full, "camera": f"X{n}"} for n in range(MAX_FILTER_PARTS - 4)]
    filters = Filters.model_validate({**full, "any_of": [*rest, deep]})
    assert filters.parts() == MAX_FILTER_PARTS
    assert_admitted(shelf, filters, {name_of(1)})


def test_a_filter_follows_what_is_written_after_it_was_first_used(index: Index) -> None:
    put(index, *(ready(n) for n in range(10)))
    ann = Filters(owner="ann")
    assert search_ids(index, ann) == []
    put(index, ready(3, owner="ann"))
    assert search_ids(index, ann) == [name_of(3)]
    put(index, ready(3, owner="bob"), ready(4, owner="ann"))
    assert search_ids(index, ann) == [name_of(4)]


def test_dates_are_compared_to_the_microsecond(index: Index) -> None:
    put(index, ready(1, taken_at=NOW), ready(2, taken_at=later(microseconds=1)))
    assert search_ids(index, Filters(date_to=NOW)) == [name_of(1)]
    assert search_ids(index, Filters(date_from=later(microseconds=1))) == [name_of(2)]


PLACES = [
    MUNICH, AUGSBURG, TAVEUNI, VANUA_LEVU, SVALBARD, Location(90, 0), Location(-90, 77),
    Location(0, 0), Location(0, 180), Location(0, -180), Location(-48.137, -168.425),
]  # fmt: skip
NEARS = [
    {"lat": place.lat, "lon": place.lon, "km": km}
    for place in PLACES
    for km in (0.5, 60.0, 1500.0, 10_020.0, 19_990.0, 20_100.0)
    # Stores may measure a little differently; the edge of a circle is nowhere near a place.
    if all(abs(other.km_to(place.lat, place.lon) - km) > 0.2 for other in PLACES)
]

FIELDS = {
    "state": st.sampled_from(["ready", "ready", "ready", "rejected"]),
    "collection": st.sampled_from(["", "a", "b"]),
    "owner": st.sampled_from(["", "ann", "bob"]),
    "format": st.sampled_from(["jpeg", "png", "heif"]),
    "camera": st.sampled_from(["", "X100", "Canon EOS 80D"]),
    "width": st.sampled_from([0, 300, 400, 500]),
    "height": st.sampled_from([0, 300, 400, 500]),
    "taken_at": st.sampled_from(
        [None, NOW, later(days=200), datetime(2024, 12, 31, 23, 30, tzinfo=EAST), later(days=-400)]
    ),
    "uploaded_at": st.sampled_from([None, NOW, later(days=300)]),
    "location": st.none() | st.sampled_from(PLACES),
}
PARTS: dict[str, st.SearchStrategy[Any]] = {
    "collection": FIELDS["collection"],
    "owner": FIELDS["owner"],
    "format": FIELDS["format"],
    "camera": FIELDS["camera"],
    "orientation": st.sampled_from(["landscape", "portrait", "square"]),
    "min_width": st.sampled_from([1, 300, 301, 500]),
    "min_height": st.sampled_from([1, 300, 301, 500]),
    "date_from": st.sampled_from(["2023-01-01", "2024-05-17", "2024-05-17T12:30:00"]),
    "date_to": st.sampled_from(["2024-05-17", "2024-05-17T12:30:00", "2024-12-31"]),
    "near": st.sampled_from(NEARS),
}


def trees(depth: int) -> st.SearchStrategy[dict[str, Any]]:
    """Filters with few parts each, so that they often admit something."""
    parts = dict(PARTS)
    if depth > 1:
        inner = st.lists(trees(depth - 1), min_size=1, max_size=3)
        parts |= {"all_of": inner, "any_of": inner, "none_of": inner}
    names = st.lists(st.sampled_from(sorted(parts)), max_size=2, unique=True)
    return names.flatmap(lambda given: st.fixed_dictionaries({n: parts[n] for n in given}))


FILTERS = trees(4).map(Filters.model_validate)


def made(number: int, fields: dict[str, Any]) -> ImageRecord:
    if fields["state"] == "ready":
        return ready(number, toward(1 - number / 50), **fields)
    return bare(number, **fields)


@given(
    fields=st.lists(st.fixed_dictionaries(FIELDS), min_size=8, max_size=8),
    filters=st.lists(FILTERS, min_size=1, max_size=6),
)
@settings(
    max_examples=50,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_random_filters_admit_what_the_records_themselves_say(
    index: Index, fields: list[dict[str, Any]], filters: list[Filters]
) -> None:
    records = [made(number, values) for number, values in enumerate(fields)]
    put(index, *records)
    for tree in filters:
        admitted = [record for record in records if tree.admits(record)]
        found = [record for record in admitted if record.state == "ready"]
        assert_admitted(index, tree, {record.id for record in found})
        both: list[State] = ["ready", "rejected"]
        assert index.list(tree, both, limit=2).total == len(admitted)
        counted = index.search(QUERY, tree, limit=1, ranked=100, facets=True).facets
        assert in_order(counted) == true_facets(found)
    everything = [record for record in records if record.state == "ready"]
    assert in_order(index.facets()) == true_facets(everything)
