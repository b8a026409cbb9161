"""The sample photos, found by their words in the running stack."""

from __future__ import annotations

import pytest

from local.samples import SAMPLES
from tests.integration.local_stack import LocalStack

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
    scores = [
        item["score"] for item in stack.get("/search", q="a rocket", collection="samples")["items"]
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[-1] > 0.2


def test_the_page_and_what_it_needs_are_served(stack: LocalStack) -> None:
    page = stack.request("GET", "/")
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert stack.s3_url in page.headers["Content-Security-Policy"]
    by_prefix = stack.request("GET", "/api/images?collection=samples&limit=1").json()["items"][0]
    assert by_prefix["url"].startswith(f"{stack.url}/api/images/")
