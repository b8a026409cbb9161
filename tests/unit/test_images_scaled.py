"""Pictures decoded smaller than they are: the same facts, nearly the same pixels."""

from __future__ import annotations

import io
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms

from chalicelib import exif as exif_module
from chalicelib import images
from chalicelib.clip.decode import decode
from chalicelib.clip.pixels import PixelSpec, to_pixels
from chalicelib.decoding import DecoderPool
from chalicelib.errors import TooLarge, UnreadableImage
from tests.unit.pictures import distance, encoded, exif, quarters, scene

HALF = (0.5, 0.5, 0.5)
SPEC = PixelSpec("shortest", 32, 32, "bicubic", HALF, HALF)
SQUASH = PixelSpec("squash", 32, 32, "bicubic", HALF, HALF)
LARGE = scene(1003, 701)
ORIENTATIONS = range(1, 9)
Box = tuple[float, float, float, float]


def turned(orientation: int) -> Image.Exif:
    return exif({ExifTags.Base.Orientation: orientation})


def levels(data: bytes, spec: PixelSpec = SPEC) -> int:
    """The largest difference between the exact and the other pixels of `data`."""
    one, other = (decode(data, spec, exact=exact)[1].astype(int) for exact in (True, False))
    return int(np.abs(one - other).max())


FILES = {
    "jpeg": encoded(LARGE, "JPEG", quality=90),
    "progressive": encoded(LARGE, "JPEG", quality=90, progressive=True),
    "grey jpeg": encoded(LARGE.convert("L"), "JPEG", quality=90),
    "cmyk jpeg": encoded(LARGE.convert("CMYK"), "JPEG", quality=90),
    "two pictures in one jpeg": encoded(
        LARGE, "MPO", quality=90, save_all=True, append_images=[quarters()]
    ),
    "png": encoded(LARGE, "PNG"),
    "webp": encoded(LARGE, "WEBP", lossless=True),
    "png of grey and alpha": encoded(LARGE.convert("LA"), "PNG"),
    "cmyk tiff": encoded(LARGE.convert("CMYK"), "TIFF"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_large_picture_comes_out_smaller_and_with_its_own_size(name: str) -> None:
    picture = images.open_upright(FILES[name], at_least=64)
    assert (picture.width, picture.height) == LARGE.size
    assert 64 <= min(picture.image.size) < 128
    assert picture.image.mode == "RGB"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("spec", [SPEC, SQUASH], ids=["shortest", "squash"])
def test_its_pixels_are_within_a_few_levels_of_the_exact_ones(name: str, spec: PixelSpec) -> None:
    assert levels(FILES[name], spec) <= 8


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_turned_picture_is_upright_also_when_small(orientation: int, format: str) -> None:
    data = encoded(LARGE, format, exif=turned(orientation))
    whole, small = images.open_upright(data), images.open_upright(data, at_least=64)
    assert (small.width, small.height) == (whole.width, whole.height) == whole.image.size
    assert levels(data) <= 8


def test_a_picture_turned_half_round_has_its_partial_pixels_first() -> None:
    data = encoded(LARGE, "PNG", exif=turned(3))
    picture = images.open_upright(data, at_least=64)
    left, top, right, bottom = picture.box
    assert left > 0
    assert top > 0
    assert (right, bottom) == picture.image.size


@given(
    st.tuples(*[st.floats(0, 40), st.floats(0, 30), st.floats(41, 64), st.floats(31, 48)]),
    st.sampled_from(ORIENTATIONS),
)
def test_a_box_turns_with_its_picture(box: Box, orientation: int) -> None:
    facts = turned(orientation)
    whole = tuple(float(round(side)) for side in box)
    image = Image.new("L", (64, 48))
    image.paste(255, tuple(int(side) for side in whole))
    upright = exif_module.upright(image, facts)
    assert upright.getbbox() == exif_module.upright_box(whole, (64, 48), facts)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.integers(1, 200),
    st.sampled_from(["JPEG", "PNG"]),
    st.sampled_from(ORIENTATIONS),
)
def test_no_side_is_shorter_than_asked_unless_it_was(
    width: int, height: int, at_least: int, format: str, orientation: int
) -> None:
    data = encoded(scene(width, height), format, exif=turned(orientation))
    picture = images.open_upright(data, at_least=at_least)
    assert min(picture.image.size) >= min(at_least, width, height)
    left, top, right, bottom = picture.box
    assert 0 <= left < right <= picture.image.width
    assert 0 <= top < bottom <= picture.image.height
    across = picture.width / (right - left)
    assert across == pytest.approx(picture.height / (bottom - top))
    assert across == pytest.approx(round(across))


def test_a_picture_that_is_small_already_is_decoded_whole() -> None:
    data = encoded(scene(120, 90), "JPEG")
    whole, same = images.open_upright(data), images.open_upright(data, at_least=64)
    assert same.image.tobytes() == whole.image.tobytes()
    assert same.box == (0, 0, 120, 90)


@pytest.mark.parametrize("name", FILES)
def test_exactly_means_the_pixels_that_pillow_decodes(name: str) -> None:
    picture, pixels = decode(FILES[name], SPEC, exact=True)
    with Image.open(io.BytesIO(FILES[name])) as opened:
        plain = opened.convert("RGB")
    assert picture.image.size == LARGE.size
    if "alpha" not in name:
        assert picture.image.tobytes() == plain.tobytes()
    assert np.array_equal(pixels, to_pixels(picture.image, SPEC))


@pytest.mark.parametrize("space", ["sRGB", "XYZ"])
def test_a_colour_profile_is_applied_to_a_small_picture(space: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(space))
    assert levels(encoded(LARGE, "JPEG", quality=90, icc_profile=profile.tobytes())) <= 8


def test_transparent_colours_and_palettes_are_not_mixed() -> None:
    clear = LARGE.convert("P", palette=Image.Palette.ADAPTIVE)
    for data in (
        encoded(clear, "PNG", transparency=0),
        encoded(LARGE, "PNG", transparency=LARGE.getpixel((5, 5))),
        encoded(clear, "GIF"),
    ):
        picture = images.open_upright(data, at_least=64)
        assert picture.image.size == LARGE.size
        assert levels(data) <= 1


def test_alpha_still_falls_on_white() -> None:
    half = LARGE.copy()
    half.putalpha(Image.linear_gradient("L").resize(LARGE.size))
    assert levels(encoded(half, "PNG")) <= 8


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_the_limit_is_on_the_whole_picture(format: str) -> None:
    data = encoded(scene(200, 100), format)
    assert images.open_upright(data, max_pixels=20_000, at_least=8).width == 200
    with pytest.raises(TooLarge, match="200 x 100 pixels"):
        images.open_upright(data, max_pixels=19_999, at_least=8)


def test_an_incomplete_picture_is_refused_also_when_small() -> None:
    data = FILES["jpeg"]
    with pytest.raises(UnreadableImage, match="incomplete"):
        images.open_upright(data[: len(data) // 2], at_least=64)


@pytest.mark.parametrize(("at_least", "wanted"), [(None, 1003 * 701), (64, 126 * 88)])
def test_the_pixels_to_be_held_are_told_before_decoding(at_least: int | None, wanted: int) -> None:
    told: list[int] = []
    images.open_upright(FILES["jpeg"], at_least=at_least, before_decoding=told.append)
    assert told == [wanted]


def test_facts_and_thumbnail_of_a_child_are_those_of_the_whole_picture() -> None:
    large = scene(2400, 1650)
    data = encoded(large, "JPEG", quality=90, exif=turned(6))
    pool = DecoderPool(1)
    try:
        exact, scaled = (pool.prepare(data, SPEC, exact=exact) for exact in (True, False))
    finally:
        pool.close()
    assert (scaled.width, scaled.height) == (exact.width, exact.height) == (1650, 2400)
    assert np.abs(scaled.pixels.astype(int) - exact.pixels).max() <= 8
    thumbnails = [Image.open(io.BytesIO(made.thumbnail)) for made in (exact, scaled)]
    assert max(thumbnails[1].size) == images.THUMBNAIL_SIDE
    assert distance(*thumbnails) < 3
    different = int(exact.perceptual_hash, 16) ^ int(scaled.perceptual_hash, 16)
    assert different.bit_count() <= 6


def test_warnings_are_as_before_once_threads_have_decoded() -> None:
    before = list(warnings.filters)
    together = threading.Barrier(4)

    def work(_: int) -> None:
        together.wait(timeout=30)
        for _ in range(5):
            images.open_upright(FILES["jpeg"], at_least=64)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert warnings.filters == before
