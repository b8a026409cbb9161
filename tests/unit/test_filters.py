"""What a filter admits, and which filters there can be."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chalicelib.facts import EARTH_RADIUS_KM, Location
from chalicelib.queries import SearchRequest
from chalicelib.records import (
    MAX_FILTER_DEPTH,
    MAX_FILTER_PARTS,
    Filters,
    ImageRecord,
)

NOON = datetime(2024, 5, 17, 12, tzinfo=timezone.utc)


def image(**fields: Any) -> ImageRecord:
    values: dict[str, Any] = {
        "id": "0" * 32,
        "bucket": "photos",
        "key": "trips/a.jpg",
        "name": "a.jpg",
        "collection": "trips",
        "state": "ready",
        "indexed_at": NOON,
        "uploaded_at": NOON,
        "format": "jpeg",
    }
    return ImageRecord(**(values | fields))


def admits(filters: dict[str, Any], **fields: Any) -> bool:
    return Filters.model_validate(filters).admits(image(**fields))


# --- distances --------------------------------------------------------------------------------

BERLIN = Location(52.520008, 13.404954)
MUNICH = Location(48.137154, 11.576124)
LONDON = Location(51.507351, -0.127758)
NEW_YORK = Location(40.712776, -74.005974)
SYDNEY = Location(-33.868820, 151.209290)
TOKYO = Location(35.689487, 139.691711)
HALF_ROUND = math.pi * EARTH_RADIUS_KM


@pytest.mark.parametrize(
    ("here", "there", "km"),
    [
        (BERLIN, MUNICH, 504),
        (LONDON, NEW_YORK, 5570),
        (NEW_YORK, TOKYO, 10_850),
        (SYDNEY, LONDON, 16_994),
        (TOKYO, SYDNEY, 7824),
    ],
)
def test_distances_between_cities_are_the_known_ones(
    here: Location, there: Location, km: float
) -> None:
    assert here.km_to(there.lat, there.lon) == pytest.approx(km, abs=3)
    assert there.km_to(here.lat, here.lon) == pytest.approx(here.km_to(there.lat, there.lon))


@pytest.mark.parametrize(
    ("here", "there", "km"),
    [
        ((0, 0), (0, 180), HALF_ROUND),
        ((90, 0), (-90, 0), HALF_ROUND),
        ((48.1, 11.6), (-48.1, -168.4), HALF_ROUND),
        ((90, 0), (90, 137), 0),
        ((-90, 12), (-90, -12), 0),
        ((0, 180), (0, -180), 0),
        ((0, 0), (90, 55), HALF_ROUND / 2),
        ((0, 0), (0, 1), HALF_ROUND / 180),
        ((0, 179.5), (0, -179.5), HALF_ROUND / 180),
        ((60, 0), (60, 1), 55.597),
        ((89.5, 0), (89.5, 180), HALF_ROUND / 180),
        ((1, 1), (1, 1), 0),
    ],
)
def test_poles_antipodes_and_the_antimeridian_are_no_special_places(
    here: tuple[float, float], there: tuple[float, float], km: float
) -> None:
    assert Location(*here).km_to(*there) == pytest.approx(km, rel=1e-4, abs=1e-6)
    assert Location(*there).km_to(*here) == pytest.approx(km, rel=1e-4, abs=1e-6)


LATS, LONS = st.floats(-90, 90), st.floats(-180, 180)


@given(LATS, LONS, LATS, LONS)
def test_no_distance_is_negative_or_more_than_half_round_the_earth(
    lat: float, lon: float, other_lat: float, other_lon: float
) -> None:
    km = Location(lat, lon).km_to(other_lat, other_lon)
    assert 0 <= km <= HALF_ROUND < 20_100
    assert km >= math.radians(abs(lat - other_lat)) * EARTH_RADIUS_KM - 1e-3


# --- what each part admits --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height", "orientation"),
    [
        (400, 300, "landscape"),
        (300, 400, "portrait"),
        (300, 300, "square"),
        (0, 0, None),
        (0, 300, None),
        (300, 0, None),
    ],
)
def test_an_image_stands_as_its_sides_say(width: int, height: int, orientation: str | None) -> None:
    assert image(width=width, height=height).orientation == orientation
    for asked in ("landscape", "portrait", "square"):
        admitted = admits({"orientation": asked}, width=width, height=height)
        assert admitted == (asked == orientation)


def test_the_year_is_that_of_the_date_in_utc() -> None:
    west = timezone(timedelta(hours=-2))
    assert image(taken_at=datetime(2023, 12, 31, 23, tzinfo=west)).year == 2024
    assert image(taken_at=None, uploaded_at=NOON).year == 2024
    assert image(taken_at=None, uploaded_at=None).year is None


def test_no_filter_admits_everything() -> None:
    assert admits({})
    assert admits({}, uploaded_at=None, collection="", format="", width=0)


@pytest.mark.parametrize(
    ("filters", "fields", "admitted"),
    [
        ({"collection": "trips"}, {}, True),
        ({"collection": "Trips"}, {}, False),
        ({"collection": ""}, {"collection": ""}, True),
        ({"collection": ""}, {}, False),
        ({"owner": "ann"}, {"owner": "ann"}, True),
        ({"owner": ""}, {"owner": "ann"}, False),
        ({"format": "png"}, {}, False),
        ({"camera": "X100"}, {"camera": "X100"}, True),
        ({"camera": "X100"}, {"camera": "X100S"}, False),
        ({"camera": ""}, {}, True),
        ({"min_width": 100}, {"width": 100}, True),
        ({"min_width": 100}, {"width": 99}, False),
        ({"min_height": 1}, {"width": 9}, False),
        ({"date_from": "2024-05-17"}, {}, True),
        ({"date_from": "2024-05-18"}, {}, False),
        ({"date_to": "2024-05-17"}, {}, True),
        ({"date_to": "2024-05-17T11:59:59"}, {}, False),
        ({"date_from": "2024-05-18"}, {"taken_at": NOON + timedelta(days=1)}, True),
        ({"date_from": "2000-01-01"}, {"uploaded_at": None}, False),
        ({"date_to": "2030-01-01"}, {"uploaded_at": None}, False),
        ({"near": {"lat": 48, "lon": 11, "km": 50}}, {"location": MUNICH}, True),
        ({"near": {"lat": 48, "lon": 11, "km": 40}}, {"location": MUNICH}, False),
        ({"near": {"lat": 48, "lon": 11, "km": 20_100}}, {"location": None}, False),
        ({"near": {"lat": 48, "lon": 11, "km": 20_100}}, {"location": SYDNEY}, True),
    ],
)
def test_each_part_admits_what_it_says(
    filters: dict[str, Any], fields: dict[str, Any], admitted: bool
) -> None:
    assert admits(filters, **fields) is admitted
    assert admits({"none_of": [filters]}, **fields) is not admitted


def test_the_edge_of_a_circle_is_in_it() -> None:
    km = MUNICH.km_to(48, 11)
    assert admits({"near": {"lat": 48, "lon": 11, "km": km}}, location=MUNICH)
    less = math.nextafter(km, 0)
    assert not admits({"near": {"lat": 48, "lon": 11, "km": less}}, location=MUNICH)


YES, NO = {"collection": "trips"}, {"collection": "else"}


@pytest.mark.parametrize(
    ("filters", "admitted"),
    [
        ({"any_of": [YES, NO]}, True),
        ({"any_of": [NO, NO]}, False),
        ({"any_of": [{}]}, True),
        ({"all_of": [YES, YES]}, True),
        ({"all_of": [YES, NO]}, False),
        ({"none_of": [NO, NO]}, True),
        ({"none_of": [NO, YES]}, False),
        ({"none_of": [{}]}, False),
        ({**YES, "any_of": [NO]}, False),
        ({**NO, "any_of": [YES]}, False),
        ({**YES, "all_of": [YES], "any_of": [NO, YES], "none_of": [NO]}, True),
        ({"none_of": [{"none_of": [YES]}]}, True),
        ({"none_of": [{"all_of": [YES, NO]}]}, True),
        ({"none_of": [{"any_of": [YES, NO]}]}, False),
        ({"all_of": [{"any_of": [NO, YES]}, {"none_of": [{"any_of": [NO]}]}]}, True),
    ],
)
def test_and_or_and_not_stand_in_each_other(filters: dict[str, Any], admitted: bool) -> None:
    assert admits(filters) is admitted


# --- which filters there can be ---------------------------------------------------------------


def nested(depth: int, how: str) -> dict[str, Any]:
    filters: dict[str, Any] = dict(YES)
    for _ in range(depth - 1):
        filters = {how: [filters]}
    return filters


@pytest.mark.parametrize("how", ["all_of", "any_of", "none_of"])
def test_filters_stand_so_deep_in_each_other_and_no_deeper(how: str) -> None:
    filters = Filters.model_validate(nested(MAX_FILTER_DEPTH, how))
    assert filters.depth() == MAX_FILTER_DEPTH
    with pytest.raises(ValidationError, match="at most 4 deep"):
        Filters.model_validate(nested(MAX_FILTER_DEPTH + 1, how))
    with pytest.raises(ValidationError, match="at most 4 deep"):
        Filters.model_validate(nested(60, how))


def test_filters_have_so_many_parts_and_no_more() -> None:
    third = (MAX_FILTER_PARTS - 1) // 3
    most = {"all_of": [YES] * third, "any_of": [YES] * third, "none_of": [NO] * third}
    filters = Filters.model_validate(most)
    assert filters.parts() == 1 + 3 * third
    assert len(filters.inner()) == 3 * third
    over = {**most, "all_of": [YES] * (third + MAX_FILTER_PARTS)}
    with pytest.raises(ValidationError, match="at most 50 filters"):
        Filters.model_validate(over)
    spread = {"any_of": [{"all_of": [YES] * 9}] * 5}
    with pytest.raises(ValidationError, match="at most 50 filters"):
        Filters.model_validate(spread)


@pytest.mark.parametrize(
    "filters",
    [
        {"any_of": []},
        {"all_of": []},
        {"none_of": []},
        {"any_of": {}},
        {"any_of": [None]},
        {"any_of": [{"colour": "red"}]},
        {"not": [{}]},
        {"near": {"lat": 1, "lon": 1}},
        {"near": {"lat": 90.001, "lon": 1, "km": 1}},
        {"near": {"lat": -90.001, "lon": 1, "km": 1}},
        {"near": {"lat": 1, "lon": 180.001, "km": 1}},
        {"near": {"lat": 1, "lon": -180.001, "km": 1}},
        {"near": {"lat": 1, "lon": 1, "km": 0}},
        {"near": {"lat": 1, "lon": 1, "km": -1}},
        {"near": {"lat": 1, "lon": 1, "km": 20_101}},
        {"near": {"lat": math.nan, "lon": 1, "km": 1}},
        {"near": {"lat": 1, "lon": math.inf, "km": 1}},
        {"near": {"lat": 1, "lon": 1, "km": 1, "miles": 1}},
        {"orientation": "upright"},
        {"min_width": 0},
        {"min_height": -1},
        {"min_width": 1_000_001},
        {"camera": "x" * 301},
        {"any_of": [{"date_from": "2024-02-01", "date_to": "2024-01-31"}]},
    ],
    ids=str,
)
def test_a_filter_that_makes_no_sense_is_refused(filters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Filters.model_validate(filters)


def test_the_ends_of_the_earth_can_be_asked_for() -> None:
    for lat, lon in ((90, 180), (-90, -180), (0, 0)):
        assert admits({"near": {"lat": lat, "lon": lon, "km": 0.001}}, location=Location(lat, lon))


def test_an_inner_filter_need_not_agree_with_the_outer_one() -> None:
    request = SearchRequest.model_validate(
        {"text": "x", "filters": {"date_from": "2024-01-01", "any_of": [{"date_to": "2023-01-01"}]}}
    )
    assert not request.filters.admits(image())
