"""What EXIF says, and that nothing it says can spoil the picture."""

from __future__ import annotations

import io
import struct
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from chalicelib import images
from chalicelib.facts import Exposure, Location
from chalicelib.images import Picture
from tests.unit.heic import heic
from tests.unit.pictures import encoded, exif, quarters

MAKE, MODEL, DATE_TIME, ORIENTATION = 0x010F, 0x0110, 0x0132, 0x0112
EXIF_PART, GPS_PART = 0x8769, 0x8825
ORIGINAL, DIGITIZED = 0x9003, 0x9004
OFFSET, OFFSET_ORIGINAL, OFFSET_DIGITIZED = 0x9010, 0x9011, 0x9012

ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 2, 3, 4, 5, 7


def photo(tags: dict[int, Any] | None = None, **parts: dict[int, Any]) -> Picture:
    """A JPEG with these tags, opened; `taken` and `gps` go to their own parts."""
    ifds = {{"taken": EXIF_PART, "gps": GPS_PART}[name]: part for name, part in parts.items()}
    return images.open_upright(encoded(quarters(), "JPEG", exif=exif(tags or {}, ifds=ifds)))


def raw_photo(*entries: tuple[int, int, int, bytes]) -> bytes:
    """A JPEG whose EXIF is written byte by byte: (tag, type, count, value) as they stand."""
    ifd, rest = struct.pack("<H", len(entries)), b""
    start = 8 + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in entries:
        if len(value) > 4:
            rest, value = rest + value, struct.pack("<I", start + len(rest))
        ifd += struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
    block = b"Exif\0\0II*\0" + struct.pack("<I", 8) + ifd + bytes(4) + rest
    return encoded(quarters(), "JPEG", exif=block)


# --- when -------------------------------------------------------------------------------------


def test_the_time_keeps_the_offset_the_camera_wrote() -> None:
    picture = photo(taken={ORIGINAL: "2019:05:04 12:30:00", OFFSET_ORIGINAL: "+02:00"})
    assert picture.taken_at == datetime(2019, 5, 4, 12, 30, tzinfo=timezone(timedelta(hours=2)))
    assert picture.taken_at.isoformat() == "2019-05-04T12:30:00+02:00"


@pytest.mark.parametrize(
    ("offset", "minutes"),
    [("-03:30", -210), ("+14:00", 840), ("-12:00", -720), ("+00:00", 0), ("+05:45\0", 345)],
)
def test_offsets_of_all_the_world_are_read(offset: str, minutes: int) -> None:
    picture = photo(taken={ORIGINAL: "2019:05:04 12:30:00", OFFSET_ORIGINAL: offset})
    assert picture.taken_at is not None
    assert picture.taken_at.utcoffset() == timedelta(minutes=minutes)


def test_a_time_without_an_offset_is_taken_as_utc() -> None:
    picture = photo(taken={ORIGINAL: "2019:05:04 12:30:00"})
    assert picture.taken_at == datetime(2019, 5, 4, 12, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize("offset", ["", "Z", "+2", "+25:00", "+05:99", "02:00", "+²²:00", "~~~~~~"])
def test_a_broken_offset_leaves_the_time_in_utc(offset: str) -> None:
    value = offset.encode("latin-1") + b"\0"
    stamp = b"2019:05:04 12:30:00\0"
    part = struct.pack("<H", 2)
    at = 26 + 2 + 24 + 4
    part += struct.pack("<HHII", ORIGINAL, ASCII, len(stamp), at)
    if len(value) > 4:
        part += struct.pack("<HHII", OFFSET_ORIGINAL, ASCII, len(value), at + len(stamp))
    else:
        part += struct.pack("<HHI", OFFSET_ORIGINAL, ASCII, len(value)) + value.ljust(4, b"\0")
    top = struct.pack("<HHHII", 1, EXIF_PART, LONG, 1, 26) + bytes(4)
    block = b"Exif\0\0II*\0" + struct.pack("<I", 8) + top + part + bytes(4) + stamp + value
    picture = images.open_upright(encoded(quarters(), "JPEG", exif=block))
    assert picture.taken_at == datetime(2019, 5, 4, 12, 30, tzinfo=timezone.utc)


def test_the_first_good_stamp_of_three_counts() -> None:
    picture = photo(
        {DATE_TIME: "2021:01:01 00:00:00"},
        taken={
            ORIGINAL: "0000:00:00 00:00:00",
            OFFSET_ORIGINAL: "+09:00",
            DIGITIZED: "2020:02:29 23:59:59",
            OFFSET_DIGITIZED: "-01:00",
        },
    )
    assert picture.taken_at is not None
    assert picture.taken_at.isoformat() == "2020-02-29T23:59:59-01:00"


def test_the_time_of_the_file_is_the_last_resort_with_its_own_offset() -> None:
    picture = photo({DATE_TIME: "2021:01:01 08:00:00"}, taken={OFFSET: "+01:00"})
    assert picture.taken_at is not None
    assert picture.taken_at.isoformat() == "2021-01-01T08:00:00+01:00"


@pytest.mark.parametrize(
    "stamp",
    [
        "0000:00:00 00:00:00",
        "    :  :     :  :  ",
        "2019:13:04 12:30:00",
        "2019:02:30 12:30:00",
        "2019:05:04 24:00:00",
        "2019:05:04",
        "2019-05-04T12:30:00",
        "yesterday",
        "0001:01:01 00:00:00",
        "9999:12:31 23:59:59",
        "\0" * 19,
    ],
)
def test_a_stamp_that_is_no_time_is_no_time(stamp: str) -> None:
    assert photo(taken={ORIGINAL: stamp}).taken_at is None


def test_a_picture_without_exif_has_no_facts() -> None:
    picture = images.open_upright(encoded(quarters(), "PNG"))
    assert (picture.taken_at, picture.camera, picture.location) == (None, "", None)


# --- with what --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS 80D", "Canon EOS 80D"),
        ("NIKON CORPORATION", "NIKON D850", "NIKON D850"),
        ("Apple", "iPhone 12", "Apple iPhone 12"),
        ("OLYMPUS IMAGING CORP.", "E-M1", "OLYMPUS IMAGING CORP. E-M1"),
        ("SONY\0\0\0", "ILCE-7M3   ", "SONY ILCE-7M3"),
        ("", "Pixel 8", "Pixel 8"),
        ("Google", "", "Google"),
        ("", "", ""),
        ("  ", "\0", ""),
        ("A\x07B\nC", "D\x1b[2J", "ABC D[2J"),
        ("M" * 500, "x", "M" * 100 + " x"),
    ],
)
def test_the_camera_is_maker_and_model_once(make: str, model: str, camera: str) -> None:
    assert photo({MAKE: make, MODEL: model}).camera == camera


def test_a_maker_that_is_no_text_is_left_out() -> None:
    data = raw_photo((MAKE, UNDEFINED, 5, b"Canon"), (MODEL, ASCII, 4, b"80D\0"))
    assert images.open_upright(data).camera == "80D"


LENS_SPECIFICATION, LENS_MODEL = 0xA432, 0xA434
SECONDS, F_NUMBER, ISO, FOCAL = 0x829A, 0x829D, 0x8827, 0x920A
RECOMMENDED_INDEX, ISO_SPEED = 0x8832, 0x8833
UNKNOWN = IFDRational(0, 0)


@pytest.mark.parametrize(
    ("model", "specification", "lens"),
    [
        ("EF50mm f/1.8 STM", None, "EF50mm f/1.8 STM"),
        ("  XF23mmF2\0", (23.0, 23.0, 2.0, 2.0), "XF23mmF2"),
        ("", (24.0, 70.0, 2.8, 2.8), "24-70mm f/2.8"),
        (None, (18.0, 55.0, 3.5, 5.6), "18-55mm f/3.5-5.6"),
        (None, (50.0, 50.0, 1.8, 1.8), "50mm f/1.8"),
        (None, (IFDRational(50, 1), UNKNOWN, UNKNOWN, UNKNOWN), "50mm"),
        (None, (UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN), ""),
        (None, (0.0, 0.0, 0.0, 0.0), ""),
        (None, (1e9, 1e9, 1.0, 1.0), ""),
        (None, None, ""),
        ("L" * 500, None, "L" * 100),
    ],
)
def test_the_lens_is_its_name_or_else_its_reach(
    model: str | None, specification: tuple[Any, ...] | None, lens: str
) -> None:
    said = {LENS_MODEL: model, LENS_SPECIFICATION: specification}
    assert (
        photo(taken={tag: value for tag, value in said.items() if value is not None}).lens == lens
    )


def test_the_exposure_is_told_in_seconds_f_number_iso_and_millimetres() -> None:
    taken = {SECONDS: IFDRational(10, 2500), F_NUMBER: 2.8, ISO: 100, FOCAL: IFDRational(85, 2)}
    assert photo(taken=taken).exposure == Exposure(0.004, 2.8, 100, 42.5)


def test_a_part_of_the_exposure_may_be_missing() -> None:
    assert photo(taken={SECONDS: 30.0}).exposure == Exposure(seconds=30.0)


@pytest.mark.parametrize(
    ("tags", "iso"),
    [
        ({ISO: (200, 0)}, 200),
        ({ISO: 65535, RECOMMENDED_INDEX: 102400}, 102400),
        ({ISO: 65535, ISO_SPEED: 204800}, 204800),
        ({RECOMMENDED_INDEX: 64}, 64),
        ({ISO: 65535}, None),
        ({ISO: 0}, None),
        ({ISO: 100, RECOMMENDED_INDEX: 400}, 100),
    ],
)
def test_the_sensitivity_is_the_first_that_says_something(
    tags: dict[int, Any], iso: int | None
) -> None:
    exposure = photo(taken={**tags, F_NUMBER: 8.0}).exposure
    assert exposure == Exposure(f_number=8.0, iso=iso)


@pytest.mark.parametrize(
    "value",
    [0.0, -1.0, 1e9, UNKNOWN, IFDRational(5, 0), "fast", (1.0, 2.0)],
    ids=["0", "negative", "years", "0/0", "5/0", "text", "two"],
)
@pytest.mark.parametrize("tag", [SECONDS, F_NUMBER, FOCAL])
def test_an_exposure_that_cannot_be_is_none(tag: int, value: Any) -> None:
    assert photo(taken={tag: value}).exposure is None


# --- where ------------------------------------------------------------------------------------


def gps(lat: Any, lon: Any, lat_ref: Any = "N", lon_ref: Any = "E") -> Location | None:
    return photo(gps={1: lat_ref, 2: lat, 3: lon_ref, 4: lon}).location


def test_the_place_is_degrees_minutes_and_seconds() -> None:
    assert gps((48.0, 8.0, 14.5), (11.0, 34.0, 31.8)) == Location(48.137361, 11.5755)


@pytest.mark.parametrize(
    ("lat_ref", "lon_ref", "expected"),
    [
        ("S", "W", Location(-33.5, -70.25)),
        ("s", "w\0", Location(-33.5, -70.25)),
        ("N", "E", Location(33.5, 70.25)),
        ("", "", Location(33.5, 70.25)),
    ],
)
def test_south_and_west_are_negative(lat_ref: str, lon_ref: str, expected: Location) -> None:
    assert gps((33.0, 30.0, 0.0), (70.0, 15.0, 0.0), lat_ref, lon_ref) == expected


@pytest.mark.parametrize(
    ("lat", "lon"),
    [
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((91.0, 0.0, 0.0), (10.0, 0.0, 0.0)),
        ((10.0, 0.0, 0.0), (181.0, 0.0, 0.0)),
        ((48.0, 60_000.0, 0.0), (10.0, 0.0, 0.0)),
        ((IFDRational(0, 0), 0.0, 0.0), (10.0, 0.0, 0.0)),
        ((10.0, 0.0, 0.0), (10.0, 0.0, IFDRational(7, 0))),
        ((10.0, 0.0), (10.0, 0.0)),
        (10.0, 10.0),
    ],
    ids=[
        "0, 0",
        "beyond the pole",
        "round the world",
        "minutes of degrees",
        "0/0",
        "7/0",
        "two parts",
        "one part",
    ],
)
def test_a_place_that_cannot_be_is_no_place(lat: Any, lon: Any) -> None:
    assert gps(lat, lon) is None


def test_a_latitude_alone_is_no_place() -> None:
    assert photo(gps={1: "N", 2: (48.0, 0.0, 0.0)}).location is None


def test_a_place_on_the_equator_is_a_place() -> None:
    assert gps((0.0, 0.0, 0.0), (10.0, 0.0, 0.0)) == Location(0.0, 10.0)


# --- whatever it says, the picture is good ----------------------------------------------------

BROKEN = {
    "no TIFF": b"Exif\0\0no TIFF at all, only text",
    "nothing": b"Exif\0\0",
    "cut short": b"Exif\0\0II*\0\x08\0\0\0\x05\0",
    "points outside": b"Exif\0\0II*\0\xff\xff\xff\x7f",
    "points at itself": b"Exif\0\0II*\0\x08\0\0\0"
    + struct.pack("<HHHII", 1, EXIF_PART, LONG, 1, 8)
    + bytes(4),
    "65,535 tags": b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(100),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_leaves_the_picture_good(name: str, format: str) -> None:
    picture = images.open_upright(encoded(quarters(), format, exif=BROKEN[name]))
    assert picture.image.size == (64, 48)
    assert (picture.taken_at, picture.camera, picture.location) == (None, "", None)


@pytest.mark.parametrize(
    "entry",
    [
        (ORIENTATION, ASCII, 2, b"6\0"),
        (ORIENTATION, SHORT, 2, struct.pack("<HH", 6, 6)),
        (ORIENTATION, RATIONAL, 1, struct.pack("<II", 6, 0)),
        (ORIENTATION, UNDEFINED, 1, b"\x06"),
    ],
    ids=["text", "two numbers", "6/0", "bytes"],
)
def test_an_orientation_of_the_wrong_type_does_not_spoil_the_picture(
    entry: tuple[int, int, int, bytes],
) -> None:
    assert sorted(images.open_upright(raw_photo(entry)).image.size) == [48, 64]


@pytest.mark.parametrize(
    "entry",
    [
        (MAKE, 12, 1, struct.pack("<d", 1.5)),
        (MAKE, RATIONAL, 1, struct.pack("<II", 3, 2)),
        (0x0111, ASCII, 8, b"offsets\0"),
        (GPS_PART, 9, 1, struct.pack("<i", -12)),
    ],
    ids=["maker a float", "maker a fraction", "offset a text", "offset negative"],
)
def test_exif_that_cannot_be_written_back_does_not_keep_a_photo_from_being_turned(
    entry: tuple[int, int, int, bytes],
) -> None:
    data = raw_photo((ORIENTATION, SHORT, 1, struct.pack("<H", 6)), entry)
    assert images.open_upright(data).image.size == (48, 64)


def test_a_tag_whose_value_lies_outside_the_file_is_left_out() -> None:
    block = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2)
    block += struct.pack("<HHII", MAKE, ASCII, 100, 0x7FFFFFFF)
    block += struct.pack("<HHI4s", MODEL, ASCII, 4, b"80D\0") + bytes(4)
    picture = images.open_upright(encoded(quarters(), "JPEG", exif=block))
    assert picture.camera in ("", "80D")


def test_the_facts_of_a_heic_are_read() -> None:
    made = exif(
        {MAKE: "Apple", MODEL: "iPhone 12"}, ifds={EXIF_PART: {ORIGINAL: "2020:05:06 07:08:09"}}
    )
    block = made.tobytes().removeprefix(b"Exif\0\0")
    picture = images.open_upright(heic(quarters(), exif=block))
    assert picture.camera == "Apple iPhone 12"
    assert picture.taken_at == datetime(2020, 5, 6, 7, 8, 9, tzinfo=timezone.utc)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "AVIF"])
def test_the_facts_are_read_from_other_formats_too(format: str) -> None:
    tags = exif({MAKE: "Canon", MODEL: "80D"}, ifds={EXIF_PART: {ORIGINAL: "2020:05:06 07:08:09"}})
    picture = images.open_upright(encoded(quarters(), format, exif=tags))
    assert picture.camera == "Canon 80D"
    assert picture.taken_at == datetime(2020, 5, 6, 7, 8, 9, tzinfo=timezone.utc)


def test_the_facts_of_a_tiff_are_read_and_it_is_turned_once() -> None:
    tags = ImageFileDirectory_v2()
    tags[MAKE], tags[MODEL], tags[ORIENTATION] = "Canon", "80D", 6
    tags[EXIF_PART] = {ORIGINAL: "2020:05:06 07:08:09"}
    picture = images.open_upright(encoded(quarters(), "TIFF", tiffinfo=tags))
    assert (picture.camera, picture.image.size) == ("Canon 80D", (48, 64))
    assert picture.taken_at == datetime(2020, 5, 6, 7, 8, 9, tzinfo=timezone.utc)


_ENTRY = st.tuples(
    st.sampled_from([MAKE, MODEL, DATE_TIME, ORIENTATION, EXIF_PART, GPS_PART, ORIGINAL, 1, 2, 4]),
    st.integers(0, 14),
    st.one_of(st.integers(0, 8), st.integers(0, 2**32 - 1)),
    st.binary(max_size=24),
)


@given(st.lists(_ENTRY, max_size=8))
@settings(deadline=None, max_examples=200)
def test_no_exif_keeps_a_good_picture_from_being_read(
    entries: list[tuple[int, int, int, bytes]],
) -> None:
    turned = (ORIENTATION, SHORT, 1, struct.pack("<H", 6))
    assert images.open_upright(raw_photo(turned, *entries)).image.size in ((48, 64), (64, 48))


@given(st.binary(max_size=300))
@settings(deadline=None, max_examples=100)
def test_any_bytes_for_exif_leave_a_good_picture_readable(block: bytes) -> None:
    data = encoded(quarters(), "JPEG", exif=b"Exif\0\0II*\0" + block)
    assert sorted(images.open_upright(data).image.size) == [48, 64]


def test_the_thumbnail_of_a_turned_photo_stands_upright() -> None:
    data = encoded(quarters(800, 600), "JPEG", exif=exif({ORIENTATION: 6}))
    with Image.open(io.BytesIO(images.thumbnail(images.open_upright(data).image))) as small:
        assert small.size == (384, 512)
