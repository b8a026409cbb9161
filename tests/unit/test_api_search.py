"""`/search` over HTTP: what may be asked, and what each item says of itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.index.base import Write
from chalicelib.queries import MAX_PARTS
from chalicelib.search import Search
from tests.fakes.encoding import FakeCalibration, FakeDecoders, FakeEncoder
from tests.unit.sentences import faults
from tests.unit.test_api import ID, Site
from tests.unit.test_search_matched import NOTHING, RESPONSE, Fixed, calibrated


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    """Its model has a calibration, and its images are stored with it."""
    made = Site()
    encoder = FakeEncoder()
    encoder.calibration = FakeCalibration(response=RESPONSE)
    search = Search(
        index=made.index,
        encoder=encoder,
        decoders=FakeDecoders(),  # type: ignore[arg-type]
        bucket=made.known.bucket,
        thresholds=Fixed(),
        max_bytes=1000,
        log_queries=False,
    )
    made.services = replace(made.services, search=search)
    monkeypatch.setattr(wiring, "services", lambda: made.services)
    made.index.write([Write(calibrated(n), None) for n in range(9)])
    return made


PART = {"text": "a"}

WRONG_PARTS: list[tuple[dict[str, Any], str | None]] = [
    ({"parts": []}, "parts"),
    ({"parts": {}}, "parts"),
    ({"parts": [PART] * (MAX_PARTS + 1)}, "parts"),
    ({"parts": [PART], "text": "a"}, None),
    ({"parts": [{}]}, "parts.0"),
    ({"parts": [PART, {"text": "a", "id": ID}]}, "parts.1"),
    ({"parts": [PART, {"text": " "}]}, "parts.1.text"),
    ({"parts": [{"text": "-a"}]}, "parts.0.text"),
    ({"parts": [{**PART, "weight": 0}]}, "parts.0"),
    ({"parts": [{**PART, "weight": 1.01}]}, "parts.0.weight"),
    ({"parts": [{**PART, "weight": -1.01}]}, "parts.0.weight"),
    ({"parts": [{**PART, "weight": "1"}]}, "parts.0.weight"),
    ({"parts": [{**PART, "weight": None}]}, "parts.0.weight"),
    ({"parts": [{**PART, "weight": -1}]}, None),
    ({"parts": [{"text": "a", "region": [0, 0, 1, 1]}]}, "parts.0"),
    ({"parts": [PART], "region": [0, 0, 1, 1]}, None),
    ({"parts": [{"id": ID, "region": [0, 0, 1.1, 1]}]}, "parts.0.region.2"),
    ({"text": "a", "region": [0, 0, 1, 1]}, None),
    ({"id": ID, "region": [0, 0, 1]}, "region.3"),
    ({"id": ID, "region": [0, 0, 1, 1, 1]}, "region"),
    ({"id": ID, "region": [0, 0, 0, 1]}, "region.2"),
    ({"id": ID, "region": [-0.1, 0, 0.5, 1]}, "region.0"),
    ({"id": ID, "region": [0.6, 0, 0.5, 1]}, "region"),
    ({"id": ID, "region": [0, 0.6, 1, 0.5]}, "region"),
    ({"id": ID, "region": "all"}, "region"),
    ({"text": "a", "order": "date"}, "order"),
    ({"text": "a", "closest": 1}, "closest"),
    ({"text": '-"a b" -c'}, "text"),
    ({"parts": [PART, {"text": "a", "weight": -1}]}, "parts"),
]


@pytest.mark.parametrize(
    ("body", "field"), WRONG_PARTS, ids=[str(n) for n in range(len(WRONG_PARTS))]
)
def test_wrong_parts_are_told_what_is_wrong(
    site: Site, body: dict[str, Any], field: str | None
) -> None:
    answer = site.call("POST", "/search", body)
    assert answer.error == (400, "invalid_request", field)
    assert faults(answer.json["error"]["message"]) == []


def test_an_item_says_why_it_is_there_and_how_sure_that_is(site: Site) -> None:
    site.index.write([Write(calibrated(20, name="7_Beach.png", text="No. 7, Main St"), None)])
    items = {i["key"]: i for i in site.get("/search", q="7").json["items"]}
    meant, worded = items["7"], items["20"]
    assert (meant["why"], meant["words"], meant["text"]) == (["meaning"], {}, "")
    assert meant["within"] is worded["within"] is True
    assert 0.5 < meant["confidence"] <= 1
    assert worded["why"] == ["name", "text"]
    assert worded["words"] == {"name": ["7"], "text": ["7"]}
    assert worded["text"] == "No. 7, Main St"
    assert worded["confidence"] >= 0.9


def test_where_nothing_matches_the_closest_can_be_asked_for(site: Site) -> None:
    answer = site.get("/search", q=NOTHING).json
    assert (answer["matched"], answer["items"], answer["rest"]) == (False, [], 9)
    assert (answer["total"], answer["next_cursor"]) == (0, None)
    closest = site.get("/search", q=NOTHING, closest="true", limit="5").json
    assert (closest["matched"], closest["total"], closest["rest"]) == (False, 9, 0)
    assert [item["within"] for item in closest["items"]] == [False] * 5
    assert all(item["why"] == ["meaning"] for item in closest["items"])
    more = site.get("/search", q=NOTHING, closest="true", cursor=closest["next_cursor"]).json
    assert (len(more["items"]), more["next_cursor"]) == (4, None)


def test_facets_are_those_of_what_matches(site: Site) -> None:
    kept = site.get("/search", q="7", facets="true").json
    assert sum(kept["facets"]["collection"].values()) == kept["total"] < 9
    every = site.get("/search", q="7", facets="true", closest="true").json
    assert sum(every["facets"]["collection"].values()) == 9


@pytest.mark.parametrize(("order", "first"), [("newest", "8"), ("oldest", "0")])
def test_answers_come_by_date_where_that_is_asked_for(site: Site, order: str, first: str) -> None:
    answer = site.get("/search", q="x", closest="true", order=order).json
    assert answer["items"][0]["key"] == first
    dates = [item["uploaded_at"] for item in answer["items"]]
    assert dates == sorted(dates, reverse=order == "newest")


def test_parts_are_posted(site: Site) -> None:
    body = {
        "parts": [
            {"text": "7"},
            {"id": calibrated(7).id, "weight": 0.5},
            {"image": "QUJD", "weight": -0.3},
        ],
        "closest": True,
        "limit": 9,
    }
    answer = site.call("POST", "/search", body).json
    assert "7" not in [item["key"] for item in answer["items"]], "it is what is asked by"
    assert len(answer["items"]) == 8


def test_the_whole_text_of_an_image_is_told_with_it_alone(site: Site) -> None:
    long = " ".join(f"line{n}" for n in range(200))
    site.index.write([Write(calibrated(20, text=f"{long} Total 12,50"), None)])
    (item,) = site.get("/search", q='"total 12"').json["items"]
    assert "Total 12,50" in item["text"]
    assert len(item["text"]) <= 200
    assert site.get(f"/images/{item['id']}").json["text"] == f"{long} Total 12,50"
