"""What a model sees of a picture does not depend on how the camera was held, or on the format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chalicelib import images
from chalicelib.clip import Clip, load_clip
from chalicelib.clip.decode import decode
from tests.unit import raws
from tests.unit.heic import heic
from tests.unit.pictures import alike, encoded, exif, stored_as
from tests.unit.raws import Shot
from tests.unit.test_images import jxl_of_jpeg

pytestmark = pytest.mark.model

ORIENTATION = 0x0112
TURNED_AS = {1: (0, None), 2: (0, 1), 3: (2, None), 4: (0, 0), 5: (1, 0), 6: (3, None),
             7: (3, 0), 8: (1, None)}  # fmt: skip
"""EXIF's orientation → quarter turns against the clock and mirror of a HEIC, as it applies them:
first the turn, then the mirror (0: top becomes bottom, 1: left becomes right)."""


@pytest.fixture(scope="module")
def model(starter: Path) -> Clip:
    return load_clip(starter)


@pytest.fixture(scope="module")
def photo(samples: Path) -> Image.Image:
    """One that the model takes for something else when it is turned."""
    with Image.open(samples / "quokka.jpg") as opened:
        return opened.convert("RGB").resize((640, 426)).crop((0, 0, 640, 416))


def _saved(format: str, **options: object) -> Callable[[Image.Image, int], bytes]:
    def make(image: Image.Image, orientation: int) -> bytes:
        return encoded(image, format, exif=exif({ORIENTATION: orientation}), **options)

    return make


def _jpeg(image: Image.Image, orientation: int) -> bytes:
    return encoded(image, "JPEG", quality=97, exif=exif({ORIENTATION: orientation}))


def _heic(image: Image.Image, orientation: int) -> bytes:
    turn, mirror = TURNED_AS[orientation]
    return heic(image, turn=turn, mirror=mirror)


def _dng(image: Image.Image, orientation: int) -> bytes:
    return raws.dng(Shot(image, orientation=orientation))


def _nef(image: Image.Image, orientation: int) -> bytes:
    shot = Shot(image, make="NIKON", orientation=orientation, previews=(160, 3 * image.width))
    return raws.nef(shot)


def _cr3(image: Image.Image, orientation: int) -> bytes:
    shot = Shot(image, make="Canon", orientation=orientation, previews=(160, 3 * image.width))
    return raws.cr3(shot)


def _jxl(image: Image.Image, orientation: int) -> bytes:
    return jxl_of_jpeg(_jpeg(image, orientation))


CASES = [("JPEG", _jpeg, orientation) for orientation in range(1, 9)] + [
    ("TIFF", _saved("TIFF"), 6),
    ("PNG", _saved("PNG"), 8),
    ("WebP", _saved("WEBP", quality=97), 3),
    ("AVIF", _saved("AVIF", quality=97), 5),
    ("HEIC", _heic, 6),
    ("HEIC", _heic, 3),
    ("HEIC", _heic, 7),
    ("JPEG XL", _jxl, 8),
    ("DNG, developed", _dng, 6),
    ("DNG, developed", _dng, 2),
    ("NEF, its preview", _nef, 8),
    ("CR3, its preview", _cr3, 4),
]


def embedding(model: Clip, data: bytes) -> np.ndarray:
    _, pixels = decode(data, model.pixel_spec, exact=True)
    vector: np.ndarray = model.embed_pixels(pixels[None])[0]
    return vector


@pytest.mark.parametrize(
    ("make", "orientation"),
    [(make, orientation) for _, make, orientation in CASES],
    ids=[f"{name}, {orientation}" for name, _, orientation in CASES],
)
def test_a_turned_file_is_embedded_as_its_upright_original(
    model: Clip,
    photo: Image.Image,
    make: Callable[[Image.Image, int], bytes],
    orientation: int,
) -> None:
    data = make(stored_as(photo, orientation), orientation)
    picture = images.open_upright(data)
    assert (picture.width, picture.height) == photo.size
    assert alike(picture.image, photo) > 0.98, "also where the model is blind to a mirror"
    original = embedding(model, encoded(photo, "PNG"))
    assert float(embedding(model, data) @ original) >= 0.99


@pytest.mark.parametrize("exact", [True, False])
def test_the_hash_is_that_of_the_upright_picture_in_every_format(
    model: Clip, photo: Image.Image, exact: bool
) -> None:
    """Developed sensors are left out: they are brighter, as no camera shows them."""
    original = int(images.perceptual_hash(photo), 16)
    for name, make, orientation in CASES:
        if "developed" not in name:
            data = make(stored_as(photo, orientation), orientation)
            picture, _ = decode(data, model.pixel_spec, exact=exact, thumbnail=True)
            apart = int(images.perceptual_hash(images.small(picture.image)), 16) ^ original
            assert apart.bit_count() <= 6, name


def test_the_model_would_notice(model: Clip, photo: Image.Image) -> None:
    original = embedding(model, encoded(photo, "PNG"))
    for orientation in (3, 6, 8):
        turned = embedding(model, encoded(stored_as(photo, orientation), "PNG"))
        assert float(turned @ original) < 0.95
