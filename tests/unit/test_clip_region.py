"""A region of a picture in place of the whole: the same as if it had been cut out and saved."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from chalicelib import images
from chalicelib.clip.decode import decode
from chalicelib.clip.pixels import PixelSpec, to_pixels
from chalicelib.clip.region import Region, check_region
from chalicelib.decoding import DecoderPool
from tests.unit.pictures import encoded, exif, scene, stored_as

HALF = (0.5, 0.5, 0.5)
SPEC = PixelSpec("shortest", 32, 32, "bicubic", HALF, HALF)
LARGE = scene(1000, 700)
PARTS = {
    "top left": (0.0, 0.0, 0.25, 0.5),
    "middle": (0.3, 0.4, 0.5, 0.3),
    "bottom right": (0.7, 0.6, 0.3, 0.4),
    "whole": (0.0, 0.0, 1.0, 1.0),
}


def cut_out(image: Image.Image, region: Region) -> Image.Image:
    x, y, width, height = region
    across, down = image.size
    return image.crop(
        (
            round(x * across),
            round(y * down),
            round((x + width) * across),
            round((y + height) * down),
        )
    )


@pytest.mark.parametrize("name", PARTS)
def test_exact_pixels_are_those_of_the_part_saved_by_itself(name: str) -> None:
    picture, pixels = decode(encoded(LARGE, "PNG"), SPEC, exact=True, region=PARTS[name])
    assert np.array_equal(pixels, to_pixels(cut_out(LARGE, PARTS[name]), SPEC))
    assert (picture.width, picture.height) == picture.image.size == LARGE.size


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_scaled_decoding_leaves_the_part_as_many_pixels_as_the_model_needs(
    name: str, format: str
) -> None:
    data = encoded(LARGE, format)
    picture, pixels = decode(data, SPEC, exact=False, region=PARTS[name])
    exact = decode(data, SPEC, exact=True, region=PARTS[name])[1]
    shorter = min(PARTS[name][2] * picture.image.width, PARTS[name][3] * picture.image.height)
    assert round(shorter) >= images.side_to_keep(SPEC.size)
    assert np.abs(pixels.astype(int) - exact).mean() < 3


def test_a_region_is_counted_on_the_upright_picture() -> None:
    stored = encoded(stored_as(LARGE, 6), "PNG", exif=exif({0x0112: 6}))
    turned = decode(stored, SPEC, exact=True, region=PARTS["middle"])[1]
    assert np.array_equal(turned, to_pixels(cut_out(LARGE, PARTS["middle"]), SPEC))


@pytest.mark.parametrize("exact", [True, False])
def test_the_smallest_part_holds_a_pixel(exact: bool) -> None:
    for region in ((1 - 1e-9, 1 - 1e-9, 1e-9, 1e-9), (0.0, 0.0, 5e-324, 5e-324)):
        pixels = decode(encoded(LARGE, "PNG"), SPEC, exact=exact, region=region)[1]
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) == 1


def test_children_cut_too_and_tell_of_the_whole_picture() -> None:
    pool = DecoderPool(1)
    try:
        data = encoded(LARGE, "JPEG")
        part, whole = (pool.prepare(data, SPEC, region=r) for r in (PARTS["middle"], None))
    finally:
        pool.close()
    assert np.array_equal(part.pixels, decode(data, SPEC, exact=True, region=PARTS["middle"])[1])
    assert not np.array_equal(part.pixels, whole.pixels)
    assert (part.width, part.height) == LARGE.size
    assert (part.thumbnail, part.perceptual_hash) == (whole.thumbnail, whole.perceptual_hash)


@pytest.mark.parametrize(
    "region",
    [
        (0.0, 0.0, 0.0, 1.0),
        (0.0, 0.0, 1.0, -0.5),
        (-0.1, 0.0, 0.5, 0.5),
        (0.6, 0.0, 0.5, 0.5),
        (0.0, 0.6, 0.5, 0.5),
        (math.nan, 0.0, 0.5, 0.5),
        (0.0, 0.0, math.inf, 0.5),
    ],
)
def test_what_is_no_part_of_a_picture_is_refused_before_a_child_is_asked(region: Region) -> None:
    with pytest.raises(ValueError, match="is no part of a picture"):
        check_region(region)
    pool = DecoderPool(1)
    with pytest.raises(ValueError, match="is no part of a picture"):
        pool.prepare(encoded(scene(), "PNG"), SPEC, region=region)
    assert not pool._all
