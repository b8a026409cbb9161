"""Searching and walking a library: likeness, filters, pages, counts."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chalicelib import __version__
from tests.integration.local_stack import LocalStack
from tests.integration.pictures import encoded, jpeg, plain


def all_hits(stack: LocalStack, body: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    """A ranked set, walked page by page."""
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = stack.post("/search", {**body, "limit": limit, "cursor": cursor})
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            assert page["total"] == len(items)
            return items


def test_more_like_this_finds_its_like_and_leaves_itself_out(stack: LocalStack) -> None:
    left = next(i for i in stack.images(collection="samples") if i["name"] == "motorcycle-left.png")
    body = {"id": left["id"], "filters": {"collection": "samples"}}
    like = stack.post("/search", body)
    assert [item["name"] for item in like["items"]] == ["motorcycle-right.png"]
    assert like["matched"]
    every = stack.post("/search", {**body, "closest": True})
    assert every["items"][0] == like["items"][0]
    assert left["id"] not in {item["id"] for item in every["items"]}
    assert every["total"] == 27
    assert [item["within"] for item in every["items"]].count(True) == 1


@pytest.mark.parametrize("head", ["", "data:image/jpeg;base64,"], ids=["base64", "data URL"])
def test_an_image_as_query_finds_the_photo_it_was_made_of(
    stack: LocalStack, samples: Path, head: str
) -> None:
    with Image.open(samples / "coffee.png") as opened:
        smaller = encoded(opened.convert("RGB").resize((300, 200)))
    body = {"image": head + base64.b64encode(smaller).decode()}
    asked = {**body, "filters": {"collection": "samples"}, "limit": 2, "closest": True}
    first, second = stack.post("/search", asked)["items"]
    assert (first["within"], second["within"]) == (True, False)
    assert first["name"] == "coffee.png"
    assert first["score"] - second["score"] > 0.2


NEW = ["0.jpg", "1.jpg", "2.jpg"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"format": "png"}, ["old.png"]),
        ({"format": "webp"}, []),
        ({"date_to": "2019-05-04"}, ["old.png"]),
        ({"date_to": "2019-05-03"}, []),
        ({"date_from": "2019-05-04", "date_to": "2019-05-04"}, ["old.png"]),
        ({"date_from": "2019-05-05"}, NEW),
        ({"date_from": "2019-05-04T12:30:01Z"}, NEW),
        ({"date_from": "2019-05-04T14:30:00+02:00", "format": "png"}, ["old.png"]),
        ({"owner": ""}, [*NEW, "old.png"]),
        ({"owner": "someone"}, []),
    ],
    ids=str,
)
def test_filters_admit_what_they_say(
    stack: LocalStack, filters: dict[str, str], found: list[str]
) -> None:
    for number in range(3):
        stack.known(stack.put(f"filters/{number}.jpg", jpeg(100 + number)))
    exif = Image.Exif()
    exif[0x0132] = "2019:05:04 12:30:00"
    old = io.BytesIO()
    Image.new("RGB", (50, 40), "green").save(old, "PNG", exif=exif)
    image = stack.known(stack.put("filters/old.png", old.getvalue()))
    assert image["taken_at"] == "2019-05-04T12:30:00+00:00"

    def names(**filters: str) -> list[str]:
        everything = {"collection": "filters", **filters}
        by_body = stack.post("/search", {"text": "any", "filters": everything, "closest": True})
        by_query = stack.get("/search", q="any", closest="true", **everything)
        assert by_body["items"] == by_query["items"]
        found = sorted(item["name"] for item in by_query["items"])
        assert found == sorted(image["name"] for image in stack.images(**everything))
        return found

    assert names() == ["0.jpg", "1.jpg", "2.jpg", "old.png"]
    assert names(**filters) == found


@pytest.mark.parametrize("limit", [1, 7, 28, 200])
def test_pages_of_the_library_repeat_nothing_and_leave_nothing_out(
    stack: LocalStack, limit: int
) -> None:
    stack.at_rest()
    whole = stack.images(limit=200, state="ready,rejected,archived")
    by_pages = stack.images(limit=limit, state="ready,rejected,archived")
    assert [i["id"] for i in by_pages] == [i["id"] for i in whole]
    assert {i["key"] for i in whole} == stack.objects().keys()
    moments = [i["uploaded_at"] for i in whole]
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize("limit", [1, 5, 200])
def test_pages_of_a_search_repeat_nothing_and_leave_nothing_out(
    stack: LocalStack, limit: int
) -> None:
    stack.at_rest()
    whole = all_hits(stack, {"text": "a cat", "closest": True}, 200)
    by_pages = all_hits(stack, {"text": "a cat", "closest": True}, limit)
    assert [i["id"] for i in by_pages] == [i["id"] for i in whole]
    assert {i["id"] for i in whole} == {i["id"] for i in stack.images()}


def test_a_page_ends_the_walk_though_images_went_and_came_meanwhile(stack: LocalStack) -> None:
    ids = [stack.put(f"walked/{n}.jpg", plain("red", n)) for n in range(6)]
    for id_ in ids:
        stack.known(id_)
    first = stack.get("/images", collection="walked", limit=3)
    there = [i["id"] for i in first["items"]]
    rest = [id_ for id_ in ids if id_ not in there]
    # The image the cursor stands on and one that is still to come.
    for id_ in (there[-1], rest[0]):
        assert stack.request("DELETE", f"/images/{id_}").status_code == 200
    second = stack.get("/images", collection="walked", limit=3, cursor=first["next_cursor"])
    assert sorted(i["id"] for i in second["items"]) == sorted(rest[1:])
    assert second["next_cursor"] is None


def test_known_ids_are_answered_in_any_state_and_unknown_ones_left_out(stack: LocalStack) -> None:
    good, bad = stack.put("known/good.jpg", jpeg(110)), stack.put("known/bad.jpg", b"bad")
    for id_ in (good, bad):
        stack.known(id_)
    answer = stack.get("/images", ids=f"{bad},{'0' * 32},{good},{bad}")
    assert [(i["id"], i["state"]) for i in answer["items"]] == [(bad, "rejected"), (good, "ready")]


def test_stats_count_what_the_library_holds(stack: LocalStack) -> None:
    stats = stack.at_rest().get("/stats")
    for state, count in stats["images"].items():
        assert count == len(stack.images(state=state))
    assert stats["images"]["ready"] >= 28
    assert stats["images"].keys() == {"ready", "rejected", "archived"}
    assert stats["model"] == stack.get("/search", q="any", limit=1)["model"]
    assert stats["queue"].keys() == {"waiting", "in_flight"}


def test_a_healthy_stack_says_so(stack: LocalStack) -> None:
    assert stack.get("/health") == {
        "status": "ok",
        "version": __version__,
        "checks": {"bucket": "ok", "queue": "ok", "index": "ok"},
    }
