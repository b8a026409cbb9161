"""The sample photos, found by their words in the running stack."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from local.samples import SAMPLES
from tests.integration.local_stack import LocalStack
from tests.integration.pictures import encoded

pytestmark = pytest.mark.model

FIRST = {
    "a cat": {"chelsea-the-cat.png"},
    "a cup of coffee": {"coffee.png"},
    "a motorcycle": {"motorcycle-left.png", "motorcycle-right.png"},
    "a rocket": {"rocket.jpg"},
    "a lion": {"lion.jpg"},
    "a cheetah": {"cheetah.jpg", "cheetah-running.jpg"},
    "a tower": {"tower.jpg"},
    "a clock": {"clock.png"},
    "a page of text": {"page.png"},
    "a horse": {"horse.png"},
}


@pytest.mark.parametrize("words", FIRST)
def test_words_put_the_photo_of_what_they_say_first(stack: LocalStack, words: str) -> None:
    assert stack.found(words, collection="samples")[0] in FIRST[words]


def test_every_sample_is_in_the_library_once_and_ready(stack: LocalStack) -> None:
    names = [image["name"] for image in stack.images(collection="samples")]
    assert sorted(names) == sorted(sample.name for sample in SAMPLES)


def test_a_query_by_get_and_by_post_answers_the_same(stack: LocalStack) -> None:
    by_get = stack.get("/search", q="a cat", limit=5, collection="samples")
    body = {"text": "a cat", "limit": 5, "filters": {"collection": "samples"}}
    by_post = stack.post("/search", body)
    assert by_get["items"] == by_post["items"]
    assert (by_get["total"], by_get["model"]) == (by_post["total"], by_post["model"])
    assert by_get["model"]["name"] == "starter"
    assert set(by_get["timings_ms"]) == {"embed", "index", "total"}


def test_scores_fall_and_the_best_is_well_above_the_last(stack: LocalStack) -> None:
    query = {"q": "a rocket", "collection": "samples", "closest": "true"}
    scores = [item["score"] for item in stack.get("/search", **query)["items"]]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[-1] > 0.2


def test_the_page_and_what_it_needs_are_served(stack: LocalStack) -> None:
    page = stack.request("GET", "/")
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert stack.s3_url in page.headers["Content-Security-Policy"]
    by_prefix = stack.request("GET", "/api/images?collection=samples&limit=1").json()["items"][0]
    assert by_prefix["url"].startswith(f"{stack.url}/api/images/")


@pytest.mark.parametrize("words", ["a lion", "a cheetah", "a clock", "a page of text", "a tower"])
def test_what_is_there_matches_and_only_that_is_answered(stack: LocalStack, words: str) -> None:
    answer = stack.get("/search", q=words, collection="samples")
    assert answer["matched"] is True
    assert answer["items"][0]["name"] in FIRST[words]
    assert len(answer["items"]) < 8
    assert answer["items"][0]["why"][0] == "meaning"
    assert answer["items"][0]["confidence"] > 0.5


@pytest.mark.parametrize("words", ["zzgrwq blorft", "kxqv 99 wrp"])
def test_nothing_matches_what_means_nothing(stack: LocalStack, words: str) -> None:
    answer = stack.get("/search", q=words, collection="samples")
    assert (answer["matched"], answer["items"]) == (False, [])
    assert answer["rest"] == len(SAMPLES)


def test_what_is_left_out_is_excluded_by_its_words_and_turned_away_from(
    stack: LocalStack,
) -> None:
    query = {"filters": {"collection": "samples"}, "closest": True, "limit": 200}

    def ranked(**asked: Any) -> list[str]:
        return [item["name"] for item in stack.post("/search", query | asked)["items"]]

    plain = ranked(text="a cat")
    assert plain.index("cheetah-running.jpg") < plain.index("lion.jpg")
    without = ranked(text="a cat -cheetah")
    assert without[0] == "chelsea-the-cat.png"
    assert {*plain} - {*without} == {"cheetah.jpg", "cheetah-running.jpg"}
    less = ranked(parts=[{"text": "a cat"}, {"text": "a cheetah", "weight": -0.4}])
    assert less[0] == "chelsea-the-cat.png"
    assert less.index("cheetah-running.jpg") > less.index("lion.jpg")


def test_a_file_of_that_name_comes_first_and_says_so(stack: LocalStack) -> None:
    first = stack.get("/search", q="motorcycle-left.png", collection="samples")["items"][0]
    assert first["name"] == "motorcycle-left.png"
    assert "name" in first["why"]
    assert first["words"]["name"] == ["motorcycle", "left", "png"]


@pytest.mark.parametrize(("left", "found"), [(0.0, "lion.jpg"), (0.5, "clock.png")])
def test_a_part_of_an_image_is_looked_for(
    stack: LocalStack, samples: Path, left: float, found: str
) -> None:
    both = Image.new("RGB", (600, 300))
    for place, name in ((0, "lion.jpg"), (300, "clock.png")):
        with Image.open(samples / name) as opened:
            both.paste(opened.convert("RGB").resize((300, 300)), (place, 0))
    image = stack.known(stack.put("collages/both.jpg", encoded(both)))
    body = {"region": [left, 0, 0.5, 1], "filters": {"collection": "samples"}, "limit": 1}
    for asked in ({"id": image["id"]}, {"image": base64.b64encode(encoded(both)).decode()}):
        answer = stack.post("/search", {**asked, **body})
        assert [item["name"] for item in answer["items"]] == [found]


def test_a_picture_and_words_are_looked_for_together(stack: LocalStack) -> None:
    by_name = {image["name"]: image["id"] for image in stack.images(collection="samples")}
    parts = [{"id": by_name["cheetah.jpg"]}, {"text": "a lion", "weight": 0.8}]
    body = {"parts": parts, "filters": {"collection": "samples"}, "closest": True, "limit": 2}
    names = {item["name"] for item in stack.post("/search", body)["items"]}
    assert names == {"cheetah-running.jpg", "lion.jpg"}
