"""`GET /search`: the whole of a search in an address, and the same answer as by `POST`."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.unit.sentences import faults
from tests.unit.test_api import ID, Site
from tests.unit.test_api_search import site as calibrated_site

site = calibrated_site

PICTURE = base64.b64encode(b"4").decode()

NESTED = {"any_of": [{"collection": "even"}, {"none_of": [{"format": "png"}]}]}

SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"q": "7"}, {"text": "7"}),
    ({"id": ID, "closest": "true"}, {"id": ID, "closest": True}),
    (
        {"parts": json.dumps([{"text": "7"}, {"id": ID, "weight": -0.3}]), "limit": "4"},
        {"parts": [{"text": "7"}, {"id": ID, "weight": -0.3}], "limit": 4},
    ),
    (
        {"q": "7", "closest": "true", "filters": json.dumps(NESTED), "min_width": "1"},
        {"text": "7", "closest": True, "filters": {**NESTED, "min_width": 1}},
    ),
    (
        {"q": "7", "closest": "true", "filters": '{"collection": "odd"}', "order": "newest"},
        {"text": "7", "closest": True, "filters": {"collection": "odd"}, "order": "newest"},
    ),
    (
        {"q": "7", "closest": "true", "filters": '{"date_from": "2024-01-03"}', "facets": "true"},
        {"text": "7", "closest": True, "filters": {"date_from": "2024-01-03"}, "facets": True},
    ),
    ({"q": "7", "filters": "{}", "collapse": "near"}, {"text": "7", "collapse": "near"}),
]


def told(answer: dict[str, Any]) -> dict[str, Any]:
    assert "error" not in answer, answer
    return {name: value for name, value in answer.items() if name != "timings_ms"}


@pytest.mark.parametrize(("query", "body"), SAME, ids=[str(n) for n in range(len(SAME))])
def test_an_address_and_a_body_ask_for_the_same(
    site: Site, query: dict[str, str], body: dict[str, Any]
) -> None:
    posted = told(site.call("POST", "/search", body).json)
    assert posted["items"] or body.get("filters")
    assert told(site.get("/search", **query).json) == posted


def test_a_picture_is_sent_once_and_then_its_vector_stands_in_the_address(site: Site) -> None:
    sent = site.call("POST", "/search", {"image": PICTURE, "closest": True, "limit": 4}).json
    (vector,) = sent["vectors"]
    first = site.get("/search", vector=vector, closest="true", limit="4").json
    assert first["items"] == sent["items"]
    assert "vectors" not in first
    by_either = {"closest": "true", "cursor": sent["next_cursor"]}
    second = site.get("/search", vector=vector, **by_either).json
    assert len(second["items"]) == 5
    parts = json.dumps([{"vector": vector, "weight": 0.5}])
    assert site.get("/search", parts=parts, closest="true", limit="4").json["items"] == first[
        "items"
    ]  # fmt: skip


def test_a_region_stands_in_the_address_with_commas(site: Site) -> None:
    query = {"id": ID, "region": "0,0,0.5,1", "closest": "true"}
    body = {"id": ID, "region": [0, 0, 0.5, 1], "closest": True}
    assert site.get("/search", **query).error == site.call("POST", "/search", body).error


PART = {"text": "a"}

WRONG: list[tuple[dict[str, str], str]] = [
    ({"parts": "[]"}, "parts"),
    ({"parts": ""}, "parts"),
    ({"parts": "{}"}, "parts"),
    ({"parts": "[{]"}, "parts"),
    ({"parts": "[" * 100_000}, "parts"),
    ({"parts": json.dumps([PART] * 11)}, "parts"),
    ({"parts": json.dumps([PART, {}])}, "parts.1"),
    ({"parts": json.dumps([PART, {"text": "-a"}])}, "parts.1.text"),
    ({"parts": json.dumps([PART, {**PART, "weight": 2}])}, "parts.1.weight"),
    ({"parts": json.dumps([PART, {**PART, "weight": "1"}])}, "parts.1.weight"),
    ({"parts": json.dumps([PART, {"id": ID, "region": [0, 0, 2, 1]}])}, "parts.1.region.2"),
    ({"parts": json.dumps([PART, {"image": PICTURE}])}, "parts.1.image"),
    ({"parts": json.dumps([PART, {"vector": "v1fake0001AAAA"}])}, "parts.1.vector"),
    ({"parts": json.dumps([PART]), "q": "a"}, "parts"),
    ({"vector": "a"}, "vector"),
    ({"vector": ""}, "vector"),
    ({"vector": "v1" + "A" * 9000}, "vector"),
    ({"vector": "v1fake0001AAAAAAAAAAA"}, "vector"),
    ({"vector": "v1fake0002AQIDBAUGBwg", "region": "0,0,1,1"}, "region"),
    ({"id": ID, "region": "0,0,1"}, "region.3"),
    ({"id": ID, "region": "0,0,1,1,1"}, "region"),
    ({"id": ID, "region": "0,0,nan,1"}, "region.2"),
    ({"id": ID, "region": ""}, "region.0"),
    ({"id": "x"}, "id"),
    ({"q": "a", "filters": "[]"}, "filters"),
    ({"q": "a", "filters": '{"format": "svg"}'}, "filters.format"),
    ({"q": "a", "filters": '{"min_width": "1"}'}, "filters.min_width"),
    ({"q": "a", "filters": '{"any_of": [{"date_to": "soon"}]}'}, "filters.any_of.0.date_to"),
    ({"q": "a", "filters": '{"format": "png"}', "format": "png"}, "format"),
    ({"q": "a", "filters": '{"color": "red"}'}, "filters.color"),
]


@pytest.mark.parametrize(("query", "field"), WRONG, ids=[str(n) for n in range(len(WRONG))])
def test_what_is_wrong_in_an_address_is_named_by_its_parameter(
    site: Site, query: dict[str, str], field: str
) -> None:
    answer = site.get("/search", **query)
    assert answer.error == (400, "invalid_request", field)
    assert faults(answer.json["error"]["message"]) == []
