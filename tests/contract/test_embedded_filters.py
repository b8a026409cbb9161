"""How the embedded index asks SQL for what filters admit: exactly, and without reading bodies."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from index_helpers import DIM, later, name_of, put, ready, search_ids

from chalicelib.facts import EARTH_RADIUS_KM, Location
from chalicelib.index import embedded as module
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.index.memory import MemoryIndex
from chalicelib.records import Filters, Near

LATS = st.floats(-90, 90) | st.sampled_from([90.0, -90.0, 0.0, 89.9999, -89.9999])
LONS = st.floats(-180, 180) | st.sampled_from([180.0, -180.0, 0.0, 179.9999, -179.9999])
POINTS = st.tuples(LATS, LONS)


@given(centre=POINTS, place=POINTS)
@example(centre=(60.0, 0.0), place=(85.0, 89.0))
@example(centre=(0.0, 180.0), place=(0.0, -179.9999))
@settings(
    max_examples=300,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_circle_ends_exactly_where_the_distance_says(
    embedded: EmbeddedIndex, centre: tuple[float, float], place: tuple[float, float]
) -> None:
    """On its edge an image is inside, the smallest step further it is not: no box cuts it off."""
    there = Location(*place)
    distance = there.km_to(*centre)
    put(embedded, ready(1, location=there))
    for km in (distance, math.nextafter(distance, 0), distance * 1.0001 + 1e-9):
        if 0 < km <= 20_100:
            near = Filters(near=Near(lat=centre[0], lon=centre[1], km=km))
            assert search_ids(embedded, near) == [name_of(1)] * (distance <= km)


def destination(start: tuple[float, float], bearing: float, km: float) -> Location:
    """Where one is after `km` on the great circle that leaves `start` in that direction."""
    lat, lon, turn = (math.radians(angle) for angle in (*start, bearing))
    arc = km / EARTH_RADIUS_KM
    there = math.asin(
        math.sin(lat) * math.cos(arc) + math.cos(lat) * math.sin(arc) * math.cos(turn)
    )
    along = math.atan2(
        math.sin(turn) * math.sin(arc) * math.cos(lat),
        math.cos(arc) - math.sin(lat) * math.sin(there),
    )
    return Location(math.degrees(there), (math.degrees(lon + along) + 180) % 360 - 180)


@pytest.mark.parametrize("centre", [(48.0, 11.0), (70.0, 179.0), (-60.0, -179.5), (85.0, 0.0)])
@pytest.mark.parametrize("km", [1.0, 500.0, 550.0, 560.0, 3000.0, 9000.0])
def test_the_box_around_a_circle_holds_all_of_it(
    embedded: EmbeddedIndex, centre: tuple[float, float], km: float
) -> None:
    """Places just inside the edge, all the way round."""
    near = Filters(near=Near(lat=centre[0], lon=centre[1], km=km))
    places = [destination(centre, bearing, km * 0.999999) for bearing in range(0, 360, 5)]
    records = [ready(number, location=place) for number, place in enumerate(places)]
    assert all(near.admits(record) for record in records)
    put(embedded, *records)
    assert len(search_ids(embedded, near)) == len(records)


PARTS: list[dict[str, Any]] = [
    {"collection": "a"},
    {"owner": "a"},
    {"format": "png"},
    {"camera": "a"},
    {"orientation": "square"},
    {"min_width": 1},
    {"min_height": 1},
    {"date_from": "2024-01-01"},
    {"date_to": "2024-01-01"},
    {"near": {"lat": 1, "lon": 1, "km": 1}},
]


@pytest.mark.parametrize(
    "filters",
    [
        *PARTS,
        *({"none_of": [part]} for part in PARTS),
        *({"any_of": [part, {"owner": "b"}]} for part in PARTS),
        {"all_of": PARTS},
    ],
    ids=str,
)
def test_no_filter_makes_sql_look_for_images_in_their_bodies(
    embedded: EmbeddedIndex, filters: dict[str, Any]
) -> None:
    """With a hundred thousand images that would be seconds."""
    put(embedded, ready(1))
    asked: list[str] = []
    with embedded._database.reading() as db:
        db.set_trace_callback(asked.append)
    search_ids(embedded, Filters.model_validate(filters))
    embedded.list(Filters.model_validate(filters), ["ready"], limit=1)
    embedded.facets()
    with embedded._database.reading() as db:
        db.set_trace_callback(None)
        looking = [
            sql
            for sql in asked
            if "FROM images WHERE state" in sql and not sql.startswith("EXPLAIN")
        ]
        assert len(looking) == 4
        for sql in looking:
            plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
            (step,) = [line for line in plan if "state=?" in line]
            assert "USING COVERING INDEX" in step


@pytest.mark.parametrize("few", [0, 10**6], ids=["on the way", "found first"])
@pytest.mark.parametrize("states", [["ready"], ["ready", "rejected"]], ids=len)
def test_both_ways_to_list_what_matches_give_the_same(
    embedded: EmbeddedIndex, monkeypatch: pytest.MonkeyPatch, few: int, states: list[Any]
) -> None:
    monkeypatch.setattr(module, "_FEW_MATCH", few)
    truth = MemoryIndex(dim=DIM)
    for store in (embedded, truth):
        put(
            store,
            *(
                ready(n, camera=f"{n % 3}", uploaded_at=later(days=n * 7 % 11) if n % 5 else None)
                for n in range(40)
            ),
        )
    for filters in (Filters(), Filters(camera="1"), Filters(camera="none")):
        after = None
        for _ in range(12):
            found = embedded.list(filters, states, limit=4, after=after)
            assert found == truth.list(filters, states, limit=4, after=after)
            if not found.records:
                break
            after = (found.records[-1].uploaded_at, found.records[-1].id)
        assert not found.records


def test_the_newest_of_many_are_listed_without_a_sort(embedded: EmbeddedIndex) -> None:
    with embedded._database.reading() as db:
        plan = db.execute(
            "EXPLAIN QUERY PLAN SELECT body FROM images WHERE state IN ('ready')"
            " AND (recency, id) > (1, 'x') ORDER BY recency, id LIMIT 50"
        ).fetchall()
    assert [row[3] for row in plan] == [
        "SEARCH images USING INDEX images_by_recency (state=? AND (recency,id)>(?,?))"
    ]
