"""The routes of the dead letters, over queues in memory."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.config import Settings
from chalicelib.errors import StorageUnavailable
from tests.unit.logs import captured
from tests.unit.test_api import Site, gateway_event, routes, serve
from tests.unit.test_deadletters import event


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    return serve(Site(), monkeypatch)


def bury(site: Site, *keys: str) -> None:
    letters = site.services.dead_letters
    assert letters
    for key in keys:
        letters.bury(
            event(key),
            StorageUnavailable("S3 did not answer."),
            message_id=f"m-{key}",
            receives=5,
        )


def listed(site: Site) -> dict[str, dict[str, Any]]:
    """The letters by the key they are about."""
    return {item["keys"][0]: item for item in site.get("/dead-letters").json["items"]}


def test_letters_are_listed_with_their_reasons(site: Site) -> None:
    bury(site, "a.jpg")
    body = site.get("/dead-letters").json
    assert body["total"] == 1
    (item,) = body["items"]
    assert {name: item[name] for name in item if name not in ("id", "came_at")} == {
        "receives": 5,
        "keys": ["a.jpg"],
        "more_keys": 0,
        "code": "storage_unavailable",
        "error": "S3 did not answer.",
        "message_id": "m-a.jpg",
    }


def test_one_letter_is_given_with_its_body(site: Site) -> None:
    bury(site, "a.jpg", "b.jpg")
    item = listed(site)["b.jpg"]
    (whole,) = site.get("/dead-letters", id=item["id"]).json["items"]
    assert whole == {**item, "body": event("b.jpg")}


def test_one_letter_is_redriven(site: Site) -> None:
    bury(site, "a.jpg", "b.jpg")
    answer = site.call("POST", "/dead-letters/redrive", {"id": listed(site)["a.jpg"]["id"]})
    assert (answer.status, answer.json) == (200, {"redriven": 1, "more": False})
    assert site.again.bodies == [event("a.jpg")]
    assert list(listed(site)) == ["b.jpg"]


def test_all_letters_are_redriven(site: Site) -> None:
    bury(site, "a.jpg", "b.jpg")
    answer = site.call("POST", "/dead-letters/redrive", {"all": True})
    assert answer.json == {"redriven": 2, "more": False}
    assert listed(site) == {}


def test_letters_are_discarded_with_a_reason_and_by_whom(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = serve(Site(Settings(bucket="photos", thumbnails_bucket="small")), monkeypatch)
    bury(site, "a.jpg")
    arn = "arn:aws:iam::123456789012:user/anna"
    path = "/dead-letters/discard"
    asked = gateway_event(
        f"/prod{path}",
        path,
        body=json.dumps({"all": True, "reason": "the photo is gone"}),
        headers={"Host": "photos.example.com", "Content-Type": "application/json"},
        requestContext={"httpMethod": "POST", "identity": {"userArn": arn}},
    )
    with captured() as log:
        answer = routes.app(asked, None)
    assert json.loads(answer["body"]) == {"discarded": 1, "more": False}
    said = [(x["by"], x["reason"]) for x in log() if x["message"] == "dead letter discarded"]
    assert said == [(arn, "the photo is gone")]
    assert site.letters.bodies == []


WRONG: list[tuple[str, dict[str, Any], str | None]] = [
    ("redrive", {}, None),
    ("redrive", {"id": "x", "all": True}, None),
    ("redrive", {"all": False}, None),
    ("redrive", {"id": ""}, None),
    ("redrive", {"all": 1}, "all"),
    ("redrive", {"id": 7}, "id"),
    ("redrive", {"all": True, "reason": "x"}, "reason"),
    ("discard", {"all": True}, "reason"),
    ("discard", {"all": True, "reason": "  "}, "reason"),
    ("discard", {"all": True, "reason": "x" * 501}, "reason"),
    ("discard", {"reason": "x"}, None),
]


@pytest.mark.parametrize(("route", "body", "field"), WRONG)
def test_what_is_asked_wrongly_changes_nothing(
    site: Site, route: str, body: dict[str, Any], field: str | None
) -> None:
    bury(site, "a.jpg")
    answer = site.call("POST", f"/dead-letters/{route}", body)
    assert answer.error == (400, "invalid_request", field)
    assert site.letters.depth() == (1, 0)


def test_an_unknown_parameter_of_the_listing_is_refused(site: Site) -> None:
    assert site.get("/dead-letters", limit="3").error == (400, "invalid_request", "limit")


def test_an_unknown_letter_is_404(site: Site) -> None:
    unknown = {"id": "x"}
    assert site.get("/dead-letters", **unknown).error == (404, "not_found", "id")
    assert site.call("POST", "/dead-letters/redrive", unknown).error == (404, "not_found", "id")
    body = {**unknown, "reason": "why not"}
    assert site.call("POST", "/dead-letters/discard", body).error == (404, "not_found", "id")


def test_without_a_dead_letter_queue_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    site = serve(Site(with_queues=False), monkeypatch)
    for answer in (
        site.get("/dead-letters"),
        site.call("POST", "/dead-letters/redrive", {"all": True}),
        site.call("POST", "/dead-letters/discard", {"all": True, "reason": "x"}),
    ):
        assert answer.error == (404, "not_found", None)
        assert "IMAGES_DEAD_LETTER_QUEUE_URL" in answer.json["error"]["message"]


def test_a_queue_that_does_not_answer_is_503(site: Site) -> None:
    site.letters.down = True
    assert site.get("/dead-letters").error == (503, "queue_unavailable", None)
    assert site.get("/stats").error == (503, "queue_unavailable", None)
