"""Preprocessing gives the pixels that Hugging Face's image processor gives."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from chalicelib.clip import pixels as pixels_module
from chalicelib.clip.pixels import PixelSpec, normalise, to_pixels
from chalicelib.errors import ModelError

SPEC = PixelSpec(
    mode="shortest",
    size=36,
    crop=32,
    interpolation="bicubic",
    mean=(0.48145466, 0.4578275, 0.40821073),
    std=(0.26862954, 0.26130258, 0.27577711),
)


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Smooth noise, so that resampling has something to get wrong."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (max(1, height // 3), max(1, width // 3), 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR)


def reference(image: Image.Image, spec: PixelSpec) -> np.ndarray:
    """CLIPImageProcessor's resize and center_crop (transformers 4, PIL), written out."""
    width, height = image.size
    short, long = (width, height) if width <= height else (height, width)
    longer = int(spec.size * long / short)
    size = (spec.size, longer) if width <= height else (longer, spec.size)
    resized = np.asarray(image.resize(size, Image.Resampling.BICUBIC))
    top, left = (size[1] - spec.crop) // 2, (size[0] - spec.crop) // 2
    return resized[top : top + spec.crop, left : left + spec.crop]


@pytest.mark.parametrize(
    "size",
    [(32, 32), (36, 36), (100, 80), (80, 101), (37, 149), (640, 481), (7, 9), (1, 1), (401, 60)],
)
def test_ordinary_pictures_become_exactly_the_reference_pixels(size: tuple[int, int]) -> None:
    image = picture(*size)
    assert np.array_equal(to_pixels(image, SPEC), reference(image, SPEC))


@pytest.mark.parametrize(
    ("width", "floor", "even"), [(36, 2, 2), (37, 2, 2), (38, 3, 3), (39, 3, 4), (41, 4, 4)]
)
def test_an_odd_rest_is_halved_as_each_reference_does(width: int, floor: int, even: int) -> None:
    """`(side − crop) // 2` of Hugging Face, `int(round((side − crop) / 2))` of torchvision."""
    image = picture(width, 36)
    whole = np.asarray(image)
    spec = replace(SPEC, halving="even")
    assert np.array_equal(to_pixels(image, SPEC), whole[2:34, floor : floor + 32])
    assert np.array_equal(to_pixels(image, spec), whole[2:34, even : even + 32])


@pytest.mark.parametrize("size", [(900, 13), (13, 900), (333, 5), (2, 150), (1501, 29)])
def test_long_pictures_are_cut_first_and_differ_by_one_level_at_most(size: tuple[int, int]) -> None:
    image = picture(*size)
    got = to_pixels(image, SPEC).astype(int)
    assert np.abs(got - reference(image, SPEC)).max() <= 1


@pytest.mark.parametrize("size", [(20_000, 1), (1, 20_000), (60_000, 3)])
def test_a_hair_line_of_a_picture_needs_no_huge_picture_between(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, int]] = []
    resize = Image.Image.resize

    def noted(self: Image.Image, to: tuple[int, int], *rest: Any, **more: Any) -> Image.Image:
        made.append(to)
        return resize(self, to, *rest, **more)

    monkeypatch.setattr(Image.Image, "resize", noted)
    got = to_pixels(Image.new("RGB", size, (10, 200, 30)), replace(SPEC, size=224, crop=224))
    assert made == [(224, 224)]
    assert got.shape == (224, 224, 3)
    assert (got == (10, 200, 30)).all()


def test_squash_brings_both_sides_to_the_size() -> None:
    spec = replace(SPEC, mode="squash", size=32)
    image = picture(90, 40)
    wanted = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC))
    assert np.array_equal(to_pixels(image, spec), wanted)


@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 700), height=st.integers(1, 700))
def test_every_shape_gives_the_square_the_model_takes(width: int, height: int) -> None:
    got = to_pixels(Image.new("RGB", (width, height), (255, 0, 7)), SPEC)
    assert got.shape == (32, 32, 3)
    assert got.dtype == np.uint8
    assert (got == (255, 0, 7)).all()


def test_only_rgb_pictures_are_taken() -> None:
    with pytest.raises(ValueError, match="RGB"):
        to_pixels(Image.new("L", (40, 40)), SPEC)


def test_normalising_gives_channels_first_and_the_reference_numbers() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    got = normalise(pixels, SPEC)
    wanted = ((pixels / 255 - SPEC.mean) / SPEC.std).transpose(0, 3, 1, 2)
    assert got.dtype == np.float32
    assert got.shape == (2, 3, 32, 32)
    assert np.abs(got - wanted).max() < 1e-6


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((1, 32, 32, 3), np.float32), np.zeros((32, 32, 3), np.uint8)],
    ids=["floats", "no batch"],
)
def test_normalising_refuses_other_arrays(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        normalise(pixels, SPEC)


@pytest.mark.parametrize("interpolation", pixels_module.INTERPOLATIONS)
def test_a_specification_survives_json(interpolation: pixels_module.Interpolation) -> None:
    spec = replace(SPEC, interpolation=interpolation, halving="even")
    assert PixelSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "stretch"},
        {"halving": "up"},
        {"interpolation": "magic"},
        {"crop": 37},
        {"crop": 0},
        {"size": 10_000},
        {"mean": [0.5]},
        {"mean": [0.5, 0.5, float("nan")]},
        {"std": [0.5, 0.5, 0]},
        {"size": "wide"},
        {"size": None},
    ],
    ids=str,
)
def test_a_specification_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        PixelSpec.from_json({**SPEC.to_json(), **change})


def test_decoding_children_load_no_runtime_with_this_module() -> None:
    code = (
        "import sys, chalicelib.clip.pixels; "
        "assert not {'onnxruntime', 'tokenizers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
