"""JPEG XL, by the encoder of the reference library."""

from __future__ import annotations

import sys
from datetime import datetime, timezone

import numpy as np
import pytest
from PIL import Image

from chalicelib import images
from chalicelib.errors import Permanent, TooLarge, UnreadableImage
from tests.unit.pictures import distance, encoded, exif, quarters, scene, stored_as
from tests.unit.sentences import faults
from tests.unit.test_images import jxl, jxl_of_jpeg, profile_with_red_and_blue_changed_over

MAKE, MODEL, ORIENTATION, EXIF_PART, ORIGINAL = 0x010F, 0x0110, 0x0112, 0x8769, 0x9003
SCENE = scene(200, 120)


def block(tags: dict[int, object], taken: dict[int, object] | None = None) -> bytes:
    made = exif(tags, ifds={EXIF_PART: taken} if taken else None)
    return made.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_grey_and_colour_and_what_is_transparent(mode: str) -> None:
    image = SCENE.convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image.convert("RGBA"))
    data = jxl(image, lossless=True)
    assert distance(images.open_upright(data).image, white.convert("RGB")) < 1


@pytest.mark.parametrize("data", [jxl(SCENE), jxl(SCENE, exif=block({MAKE: "Canon"}))])
def test_the_naked_stream_and_the_container_are_read(data: bytes) -> None:
    assert images.read_header(data) == images.Header("jxl", 200, 120)
    assert images.open_upright(data).format == "jxl"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_once(orientation: int) -> None:
    """libjxl takes a JPEG's orientation into its own stream and turns the picture itself."""
    tags = exif({ORIENTATION: orientation, MAKE: "Canon"})
    stored = encoded(stored_as(quarters(), orientation), "JPEG", quality=95, exif=tags)
    picture = images.open_upright(jxl_of_jpeg(stored))
    assert picture.image.size == (picture.width, picture.height) == (64, 48)
    assert distance(picture.image, quarters()) < 4
    assert picture.camera == "Canon"


def test_the_facts_are_read() -> None:
    data = jxl(SCENE, exif=block({MODEL: "EOS R5"}, {ORIGINAL: "2020:05:06 07:08:09"}))
    picture = images.open_upright(data)
    assert picture.camera == "EOS R5"
    assert picture.taken_at == datetime(2020, 5, 6, 7, 8, 9, tzinfo=timezone.utc)


@pytest.mark.parametrize("extra", [b"", b"no TIFF", b"II*\0" + b"\xff" * 40])
def test_broken_exif_leaves_the_picture_good(extra: bytes) -> None:
    assert images.open_upright(jxl(SCENE, exif=extra)).taken_at is None


@pytest.mark.parametrize("lossless", [False, True])
def test_colours_are_brought_to_srgb_by_the_profile(lossless: bool) -> None:
    red = Image.new("RGB", (16, 16), (255, 0, 0))
    data = jxl(red, icc=profile_with_red_and_blue_changed_over(), lossless=lossless)
    pixel = np.asarray(images.open_upright(data).image)[8, 8].astype(int)
    assert np.abs(pixel - [0, 0, 255]).max() < 12


def test_a_large_picture_may_come_out_smaller() -> None:
    picture = images.open_upright(jxl(scene(900, 600)), at_least=200)
    assert (picture.image.size, picture.width, picture.height) == ((300, 200), 900, 600)
    assert distance(picture.image, scene(900, 600).reduce(3)) < 4


def test_too_many_pixels_are_refused_by_the_header() -> None:
    with pytest.raises(TooLarge):
        images.read_header(jxl(SCENE), max_pixels=200 * 120 - 1)


def test_the_pixels_in_memory_are_told_before_they_are_decoded() -> None:
    asked: list[int] = []
    images.open_upright(jxl(SCENE), before_decoding=asked.append)
    assert asked == [200 * 120]


@pytest.mark.parametrize("data", [b"\xff\x0a", b"\xff\x0a" + bytes(90), jxl(SCENE)[:40]])
def test_what_is_no_whole_stream_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableImage) as caught:
        images.open_upright(data)
    assert faults(caught.value.message) == []


def test_any_byte_changed_gives_a_picture_or_a_sentence() -> None:
    data = jxl(SCENE, exif=block({MAKE: "Canon"}))
    random = np.random.default_rng(3)
    for _ in range(150):
        changed = bytearray(data)
        for at in random.integers(0, len(data), 3):
            changed[at] = random.integers(0, 256)
        try:
            found = images.open_upright(bytes(changed), max_pixels=1_000_000).image.mode
        except Permanent as error:
            found = " ".join(faults(error.message))
        assert found in ("RGB", "")


def test_where_there_is_no_decoder_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylibjxl", None)
    with pytest.raises(UnreadableImage, match="no package for this kind of machine") as caught:
        images.read_header(jxl(SCENE))
    assert faults(caught.value.message) == []
