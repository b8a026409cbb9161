"""Screenshots, signs, receipts and pages, sent through the running stack, are found by their words.

Their names say nothing of what they hold. Fonts and scripts differ.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.local_stack import LocalStack
from tests.unit import written

pytestmark = pytest.mark.model

COLLECTION = "readable"
MESSAGES = ["see you at the lighthouse", "breakfast at nine?", "bring the umbrella"] * 12
PICTURES = {
    "0001.jpg": written.as_file(
        written.sign("PHARMACY", font="sans", tilt=6, seed=1), "JPEG", quality=80
    ),
    "0002.jpg": written.as_file(
        written.receipt([("Strawberry jam", "4.20"), ("Cinnamon rolls", "3.10")]),
        "JPEG",
        quality=85,
    ),
    "0003.png": written.as_file(
        written.page(["Minutes of the quarterly meeting", "held in the harbour library"])
    ),
    "0004.png": written.as_file(
        written.desktop(["Preferences", "Keyboard shortcuts", "Screen saver"], size=18)
    ),
    "0005.png": written.as_file(written.chat(MESSAGES)),
    "0006.png": written.as_file(written.line("Grüße aus Köln", font="italic", size=40)),
    "0007.png": written.as_file(written.line("请勿吸烟", font="uni", size=60)),
    "0008.webp": written.as_file(
        written.line("東京駅 ありがとう", font="uni", size=48), "WEBP", quality=80
    ),
}
QUERIES = {
    "pharmacy": "0001.jpg",
    "cinnamon rolls": "0002.jpg",
    '"quarterly meeting"': "0003.png",
    "keyboard shortcuts": "0004.png",
    "umbrella": "0005.png",
    "grusse koln": "0006.png",
    "Grüße": "0006.png",
    "吸烟": "0007.png",
    "東京": "0008.webp",
}


@pytest.fixture(scope="module")
def library(stack: LocalStack) -> dict[str, dict[str, Any]]:
    """The pictures as the API tells of them, once each is indexed."""
    ids = {name: stack.upload(name, data, collection=COLLECTION) for name, data in PICTURES.items()}
    return {name: stack.known(ids[name]) for name in ids}


@pytest.mark.parametrize("words", QUERIES)
def test_a_picture_is_found_by_words_that_it_shows(
    stack: LocalStack, library: dict[str, dict[str, Any]], words: str
) -> None:
    answer = stack.post("/search", {"text": words, "filters": {"collection": COLLECTION}})
    first = answer["items"][0]
    assert first["name"] == QUERIES[words]
    assert "text" in first["why"]
    assert first["words"]["text"]
    assert first["within"]


def test_an_image_tells_the_whole_text_line_by_line_and_a_hit_the_words_around(
    stack: LocalStack, library: dict[str, dict[str, Any]]
) -> None:
    receipt = library["0002.jpg"]
    assert receipt["text"].splitlines() == ["Strawberry jam 4.20", "Cinnamon rolls 3.10"]
    assert library["0005.png"]["text"].splitlines() == MESSAGES
    body = {"text": "umbrella", "filters": {"collection": COLLECTION}}
    snippet = stack.post("/search", body)["items"][0]["text"]
    assert "umbrella" in snippet
    assert len(snippet) <= 200


def test_what_was_not_written_in_any_is_not_found_by_its_words(
    stack: LocalStack, library: dict[str, dict[str, Any]]
) -> None:
    answer = stack.post("/search", {"text": '"zeppelin"', "filters": {"collection": COLLECTION}})
    assert answer["items"] == []
