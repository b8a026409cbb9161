"""The text in pictures on one machine: read when they come, kept when nothing reads any more."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from chalicelib import wiring
from chalicelib.config import Settings
from chalicelib.records import ImageRecord
from local.data import SETTINGS
from tests.integration.local_stack import LocalStack, running
from tests.integration.pictures import encoded, jpeg
from tests.integration.processes import eventually

WORDS = "Invoice 4711 Lisbon"


def with_words() -> bytes:
    picture = Image.new("RGB", (900, 300), "white")
    font = ImageFont.load_default(size=64)
    ImageDraw.Draw(picture).text((60, 100), WORDS, fill="black", font=font)
    return encoded(picture, "PNG")


def record(stack: LocalStack, id: str) -> ImageRecord:
    """Read past the API, from the index itself."""
    settings = Settings.load(json.loads((stack.data / SETTINGS).read_bytes()))
    with closing(wiring.index_of(settings, wiring.clip_of(settings))) as index:
        return index.read([id])[id].record


@pytest.mark.timeout(600)
def test_text_is_read_once_and_stays_where_reading_is_turned_off(
    tiny: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with running(data, tiny, "--no-ocr") as stack:
        words, plain = stack.put("a/words.png", with_words()), stack.put("a/plain.jpg", jpeg(1))
        eventually(lambda: len(stack.records()), lambda seen: seen == 2)
        eventually(stack.reports)
        assert (record(stack, words).text, record(stack, words).text_model) == ("", "")
    with running(data, tiny) as stack:
        eventually(stack.reports, lambda reports: len(reports) == 2)
        assert stack.reports()[-1]["causes"] == {"text": 2}
        assert record(stack, words).text.split() == WORDS.split()
        assert record(stack, plain).text == ""
        reader = record(stack, plain).text_model
        assert reader
        later = stack.put("a/later.png", with_words())
        eventually(lambda: len(stack.records()), lambda seen: seen == 3)
        assert record(stack, later).text.split() == WORDS.split()
        stack.at_rest()
        told = {x["image_id"]: x["characters"] for x in stack.log("worker") if "characters" in x}
        assert (told[words], told[plain]) == (len(record(stack, words).text), 0)
    for number, arguments in enumerate([["--no-ocr"], []], 3):
        with running(data, tiny, *arguments) as stack:
            eventually(stack.reports, lambda reports, n=number: len(reports) == n)  # type: ignore[misc]
            assert stack.reports()[-1]["causes"] == {}
            assert (record(stack, words).text_model, record(stack, plain).text_model) == (
                reader,
                reader,
            )
            assert record(stack, words).text.split() == WORDS.split()
