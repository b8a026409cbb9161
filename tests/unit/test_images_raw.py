"""Camera RAW: never the thumbnail, always the whole picture, upright, with its facts."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
import rawpy
from PIL import Image

from chalicelib import images
from chalicelib.errors import Permanent, TooLarge, UnreadableImage
from chalicelib.facts import Exposure, Location
from chalicelib.formats.raw_kinds import kind_of
from chalicelib.formats.raw_previews import jpeg_size, told
from tests.unit import raws
from tests.unit.pictures import alike, encoded, quarters, scene, tiff
from tests.unit.raws import Shot
from tests.unit.sentences import faults
from tests.unit.test_images import stored_as

SCENE = scene(1200, 800)
OTHER = scene(1200, 800, seed=9)

Maker = Callable[[Shot], bytes]

SHAPES: dict[str, tuple[Maker, str]] = {
    "dng": (raws.dng, "Adobe"),
    "cr2": (raws.cr2, "Canon"),
    "cr3": (raws.cr3, "Canon"),
    "nef": (raws.nef, "NIKON CORPORATION"),
    "arw": (raws.arw, "SONY"),
    "rw2": (raws.rw2, "Panasonic"),
    "raf": (raws.raf, "FUJIFILM"),
    "pef": (raws.nef, "RICOH IMAGING COMPANY, LTD."),
    "orf": (raws.nef, "OLYMPUS CORPORATION"),
    "raw": (raws.nef, "Hasselblad"),
}


def shot(kind: str, **more: object) -> bytes:
    """A file of that kind: a large preview and one of 160 pixels."""
    make, maker = SHAPES[kind]
    values = {"image": SCENE, "make": maker, "model": "One", "previews": (160, 1200)}
    return make(Shot(**(values | more)))  # type: ignore[arg-type]


def refusal(data: bytes, **limits: int) -> Permanent:
    with pytest.raises(Permanent) as caught:
        images.open_upright(data, **limits)
    assert faults(caught.value.message) == []
    return caught.value


# --- which files are camera RAW ---------------------------------------------------------------


@pytest.mark.parametrize("kind", SHAPES)
def test_every_kind_is_known_and_opens_as_its_whole_picture(kind: str) -> None:
    data = shot(kind)
    assert kind_of(data) == kind
    assert images.read_header(data) == images.Header(kind, 1200, 800)
    picture = images.open_upright(data)
    assert (picture.format, picture.width, picture.height) == (kind, 1200, 800)
    assert picture.image.mode == "RGB"
    assert alike(picture.image, SCENE) > 0.97
    assert min(picture.image.size) >= 800


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["dng", "nef", "arw"])
def test_both_orders_of_bytes_are_read(kind: str, order: str) -> None:
    picture = images.open_upright(shot(kind, order=order), at_least=400)
    assert (picture.width, picture.height) == (1200, 800)
    assert alike(picture.image, SCENE) > 0.97


@pytest.mark.parametrize(
    "data",
    [
        encoded(SCENE, "TIFF"),
        encoded(SCENE, "TIFF", save_all=True, append_images=[OTHER]),
        encoded(SCENE, "TIFF", compression="jpeg"),
        encoded(SCENE.convert("CMYK"), "TIFF"),
        tiff(8, 8, strip=bytes(64)),
        raws.tiff_of(raws.strip_preview(bytes(12), (2, 2), compression=1) | {0x10F: "NIKON"}),
    ],
    ids=["plain", "of two pages", "with JPEG inside", "CMYK", "grey", "of a scanner by Nikon"],
)
def test_a_plain_tiff_is_no_camera_raw(data: bytes) -> None:
    assert kind_of(data) is None
    assert images.read_header(data).format == "tiff"


@pytest.mark.parametrize(
    "data",
    [
        encoded(SCENE, "JPEG"),
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff" + bytes(100),
        b"",
        b"MM\0*\0\0\0\x08\0\0" + bytes(4),
    ],
)
def test_other_bytes_are_no_camera_raw(data: bytes) -> None:
    assert kind_of(data) is None


def test_directories_that_go_in_a_circle_come_to_an_end() -> None:
    data = bytearray(raws.tiff_of({0x14A: (raws.LONG, [8]), 0x10F: "NIKON"}))
    data[8 + 2 + 24 : 8 + 2 + 28] = (8).to_bytes(4, "little")
    assert kind_of(bytes(data)) is None


# --- preview or sensor ------------------------------------------------------------------------


@pytest.mark.parametrize("linear", [False, True], ids=["mosaic", "linear"])
def test_libraw_opens_the_dng_that_is_made_here(linear: bool) -> None:
    """Not our own idea of a DNG: the sensor's values come back as they went in."""
    data = raws.dng(Shot(SCENE), linear=linear)
    expected = raws.light(SCENE) if linear else raws.mosaic(SCENE)
    with rawpy.imread(io.BytesIO(data)) as raw:
        assert (raw.sizes.width, raw.sizes.height) == (1200, 800)
        assert np.array_equal(raw.raw_image_visible[..., : expected.shape[-1]], expected)


@pytest.mark.parametrize("linear", [False, True], ids=["mosaic", "linear"])
def test_a_dng_without_previews_is_developed(linear: bool) -> None:
    data = raws.dng(Shot(SCENE), linear=linear)
    whole, small = images.open_upright(data), images.open_upright(data, at_least=300)
    assert whole.image.size == (1200, 800)
    assert small.image.size == (600, 400)
    assert (small.width, small.height, small.box) == (1200, 800, (0, 0, 600, 400))
    for picture in (whole, small):
        assert alike(picture.image, SCENE) > 0.97
        assert alike(picture.image, OTHER) < 0.8


@pytest.mark.parametrize("kind", ["dng", "nef", "arw"])
def test_a_preview_that_is_large_enough_is_taken_and_a_smaller_one_is_not(kind: str) -> None:
    """The previews show another picture here, so that it can be seen which one was taken."""
    data = shot(kind, previews=(160, 600), shown=OTHER)
    assert alike(images.open_upright(data, at_least=400).image, OTHER) > 0.98
    assert alike(images.open_upright(data, at_least=401).image, SCENE) > 0.97
    assert alike(images.open_upright(data).image, SCENE) > 0.97


def test_the_smallest_preview_that_does_is_taken() -> None:
    data = shot("nef", previews=(600, 1200))
    assert images.open_upright(data, at_least=400).image.size == (600, 400)
    assert images.open_upright(data, at_least=500).image.size == (1200, 800)


def test_a_preview_of_another_shape_is_not_the_picture() -> None:
    """Thumbnails are often filled up with black to 4:3, and some previews are cut out."""
    for shape in ((900, 900), (1200, 900), (800, 1200)):
        preview = raws.linked_preview(raws.jpeg(scene(*shape, seed=9)))
        top = raws.sensor_ifd(SCENE) | Shot(SCENE).top() | {raws.SUB_IFDS: preview}
        picture = images.open_upright(raws.tiff_of(top), at_least=400)
        assert alike(picture.image, SCENE) > 0.97


def test_a_raw_that_cannot_be_developed_is_shown_by_a_smaller_preview() -> None:
    data = shot("orf", previews=(480,))
    assert images.open_upright(data, at_least=520).image.size == (480, 320)


def test_a_preview_that_is_broken_gives_way_to_the_sensor() -> None:
    whole = shot("nef", previews=(1200,), shown=OTHER)
    preview = raws.jpeg(OTHER, 1200)
    assert preview in whole
    broken = preview[:2000] + bytes(len(preview) - 2000)
    picture = images.open_upright(whole.replace(preview, broken), at_least=400)
    assert alike(picture.image, SCENE) > 0.97


def test_a_camera_that_is_not_known_is_shown_by_what_preview_there_is() -> None:
    data = shot("cr3", previews=(160, 480))
    picture = images.open_upright(data, at_least=520)
    assert (picture.image.size, picture.width, picture.height) == ((480, 320), 1200, 800)


def test_the_thumbnail_of_a_camera_that_is_not_known_is_refused() -> None:
    error = refusal(shot("cr3", previews=(160, 160)))
    assert "camera we do not know" in error.message
    assert isinstance(error, UnreadableImage)


def test_the_sensor_of_a_canon_is_not_taken_for_a_jpeg() -> None:
    """It is one, of the lossless kind that no browser reads."""
    data = shot("cr2")
    at = data.index(b"\xff\xd8\xff\xc3")
    assert jpeg_size(data, at, len(data)) is None


@pytest.mark.parametrize("option", [{"progressive": True}, {"restart_marker_rows": 1}, {}])
def test_the_size_of_a_jpeg_is_read_from_its_header(option: dict[str, object]) -> None:
    data = b"before" + encoded(scene(30, 20), "JPEG", comment=b"x" * 500, **option)
    assert jpeg_size(data, 6, len(data)) == (30, 20)
    assert jpeg_size(data, 6, 100) is None
    assert jpeg_size(data, 0, len(data)) is None


# --- which way is up, and the facts -----------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["dng", "cr2", "cr3", "nef", "arw", "rw2", "raf"])
def test_pictures_are_turned_as_the_raw_says(kind: str, orientation: int) -> None:
    upright = quarters(960, 640)
    data = shot(kind, image=stored_as(upright, orientation), orientation=orientation,
                previews=(320, 960) if orientation < 5 else (320, 640))  # fmt: skip
    picture = images.open_upright(data, at_least=300)
    assert (picture.width, picture.height) == (960, 640)
    assert alike(picture.image, upright) > 0.98


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_is_developed_is_turned_too(orientation: int) -> None:
    upright = quarters(96, 64)
    data = raws.dng(Shot(stored_as(upright, orientation), orientation=orientation))
    picture = images.open_upright(data)
    assert picture.image.size == (picture.width, picture.height) == (96, 64)
    assert alike(picture.image, upright) > 0.97


@pytest.mark.parametrize("kind", [kind for kind in SHAPES if kind != "raf"])
def test_the_facts_are_those_of_the_raw(kind: str) -> None:
    picture = images.open_upright(shot(kind), at_least=300)
    assert picture.camera == f"{SHAPES[kind][1]} One"
    assert picture.lens == "Test Lens 50mm f/1.8"
    assert picture.exposure == Exposure(0.004, 2.8, 100, 50.0)
    assert picture.location == Location(48.133333, 11.566667)
    zone = timezone(timedelta(hours=2))
    assert picture.taken_at == datetime(2021, 6, 7, 8, 9, 10, tzinfo=zone)


def test_a_raf_has_its_facts_in_its_jpeg() -> None:
    assert images.open_upright(shot("raf"), at_least=300).camera == "FUJIFILM One"


def test_a_raw_without_facts_is_a_picture_all_the_same() -> None:
    picture = images.open_upright(shot("cr3", facts=False), at_least=300)
    assert (picture.taken_at, picture.exposure, picture.location) == (None, None, None)


def test_what_a_dng_says_of_its_crop_is_its_size_where_libraw_does_not_know_better() -> None:
    tags = {0xC620: (raws.RATIONAL, [1180, 1, 790, 1])}
    ifd = raws.sensor_ifd(SCENE) | tags
    data = raws.tiff_of({0xC612: (raws.BYTE, [1, 4, 0, 0]), raws.SUB_IFDS: ifd})
    assert told(data, "dng").size == (1180, 790)


# --- limits and hostile bytes -----------------------------------------------------------------


@pytest.mark.parametrize("kind", SHAPES)
def test_too_many_pixels_are_refused_by_the_header(kind: str) -> None:
    with pytest.raises(TooLarge):
        images.read_header(shot(kind), max_pixels=1200 * 800 - 1)
    assert images.read_header(shot(kind), max_pixels=1200 * 800).width == 1200


def test_a_preview_larger_than_the_limit_is_refused_before_it_is_decoded() -> None:
    small = scene(300, 200)
    data = shot("nef", image=small, previews=(3000,), shown=scene(3000, 2000))
    with pytest.raises(TooLarge):
        images.open_upright(data, at_least=100, max_pixels=100_000)


def test_the_pixels_in_memory_are_told_before_they_are_decoded() -> None:
    asked: list[int] = []
    images.open_upright(shot("nef", previews=(600,)), at_least=400, before_decoding=asked.append)
    images.open_upright(shot("nef", previews=()), at_least=400, before_decoding=asked.append)
    assert asked == [600 * 400, 1200 * 800]


def read(data: bytes) -> Image.Image | list[str]:
    """The picture, or what is wrong with the sentence it is refused with; no other error."""
    try:
        return images.open_upright(data, at_least=100, max_pixels=2_000_000).image
    except Permanent as error:
        return faults(error.message)


@pytest.mark.parametrize("kind", SHAPES)
def test_a_raw_cut_short_anywhere_is_a_picture_or_a_sentence(kind: str) -> None:
    data = shot(kind, image=scene(480, 320), previews=(160, 480))
    for end in range(16, len(data), len(data) // 40):
        found = read(data[:end])
        assert found == [] or isinstance(found, Image.Image)


@pytest.mark.parametrize("kind", SHAPES)
def test_a_raw_with_any_byte_changed_is_a_picture_or_a_sentence(kind: str) -> None:
    data = shot(kind, image=scene(240, 160), previews=(160, 240))
    random = np.random.default_rng(7)
    for _ in range(60):
        changed = bytearray(data)
        for at in random.integers(0, min(len(data), 2000), 4):
            changed[at] = random.integers(0, 256)
        found = read(bytes(changed))
        assert found == [] or isinstance(found, Image.Image)
