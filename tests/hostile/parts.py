"""What hostile files are made of: segments, chunks, boxes, directories, and honest files."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Literal, NamedTuple

from PIL import Image, ImageCms

from tests.unit.heic import heic
from tests.unit.pictures import encoded, scene

Verdict = Literal["refused", "read", "either"]


class Hostile(NamedTuple):
    """One file. `refused`: nothing whole is in it. `read`: the picture is good, and what is wrong
    is beside it. `either`: a decoder may pass over what is wrong, or may not."""

    name: str
    data: bytes
    verdict: Verdict


def refused(name: str, data: bytes) -> Hostile:
    return Hostile(name, data, "refused")


def read(name: str, data: bytes) -> Hostile:
    return Hostile(name, data, "read")


def either(name: str, data: bytes) -> Hostile:
    return Hostile(name, data, "either")


def noise(seed: object, length: int) -> bytes:
    return random.Random(str(seed)).randbytes(length)


# --- honest files -----------------------------------------------------------------------------

FORMATS = {
    "jpg": ("JPEG", {"quality": 90}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {"quality": 80}),
    "gif": ("GIF", {}),
    "bmp": ("BMP", {}),
    "tif": ("TIFF", {"compression": "tiff_lzw"}),
    "avif": ("AVIF", {"quality": 80}),
}


@cache
def whole(width: int = 160, height: int = 120) -> dict[str, bytes]:
    """One honest picture in every format, by the ending of its name."""
    picture = scene(width, height)
    saved = {ending: encoded(picture, kind, **o) for ending, (kind, o) in FORMATS.items()}
    return saved | {"heic": heic(picture)}


@cache
def small_jpeg() -> bytes:
    return encoded(scene(16, 16), "JPEG")


@cache
def srgb_profile() -> bytes:
    """Little CMS writes the time into its profiles; this one is of no time."""
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    made[24:36] = bytes(12)
    return bytes(made)


# --- JPEG -------------------------------------------------------------------------------------


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def after_start(jpeg: bytes, *segments: bytes) -> bytes:
    """With more segments put behind the two bytes that every JPEG starts with."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def segments_of(jpeg: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment of `jpeg`; a scan's data belongs to its SOS."""
    at = 2
    while at < len(jpeg):
        marker, start = jpeg[at + 1], at
        if marker == 0xD9:
            return
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        while marker == 0xDA and not (jpeg[at] == 0xFF and jpeg[at + 1] not in _IN_SCANS):
            at += 1
        yield marker, start, at


_IN_SCANS = (0, *range(0xD0, 0xD8))


def jpeg_of_size(width: int, height: int, *, progressive: bool = False) -> bytes:
    """A small JPEG whose header says another size."""
    data = bytearray(encoded(Image.new("RGB", (16, 16)), "JPEG", progressive=progressive))
    at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


# --- PNG and RIFF -----------------------------------------------------------------------------

PNG_START = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def riff_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def webp(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@cache
def vp8l(width: int = 1, height: int = 1) -> bytes:
    """The lossless bitstream of a picture of that size, as a chunk."""
    image = Image.new("RGBA", (width, height), (9, 99, 199, 255))
    data = encoded(image, "WEBP", lossless=True)
    return data[data.index(b"VP8L") :]


def vp8x(width: int, height: int, flags: int = 0) -> bytes:
    """The header chunk of an extended WebP; flags: 2 animation, 4 XMP, 8 EXIF, 32 ICC."""
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return riff_chunk(b"VP8X", bytes((flags, 0, 0, 0)) + sizes)


# --- ISO media (HEIF, AVIF) -------------------------------------------------------------------


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + kind + body


def full_box(kind: bytes, version: int, *parts: bytes, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def find_box(data: bytes, kind: bytes) -> bytes:
    """The first box of that kind, found by its letters."""
    at = data.index(kind) - 4
    return data[at : at + int.from_bytes(data[at : at + 4], "big")]


# --- TIFF and EXIF ----------------------------------------------------------------------------


class Entry(NamedTuple):
    """One field of a TIFF directory. A `value` of bytes is put where it fits, a number stays
    what it is: a value of up to four bytes, or a place in the file."""

    tag: int
    kind: int
    count: int
    value: bytes | int


BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL, FLOAT, DOUBLE = (
    1,
    2,
    3,
    4,
    5,
    7,
    10,
    11,
    12,
)


def directory(entries: Sequence[Entry], at: int, following: int = 0) -> bytes:
    """A directory of little-endian TIFF that lies at `at`, and the values that do not fit in it."""
    beyond, values = at + 2 + 12 * len(entries) + 4, b""
    table = struct.pack("<H", len(entries))
    for tag, kind, count, value in entries:
        if isinstance(value, int):
            field = struct.pack("<I", value & 0xFFFFFFFF)
        elif len(value) <= 4:
            field = value.ljust(4, b"\0")
        else:
            field = struct.pack("<I", beyond + len(values))
            values += value + bytes(len(value) % 2)
        table += struct.pack("<HHI", tag, kind, count) + field
    return table + struct.pack("<I", following) + values


def tiff_file(entries: Sequence[Entry], *, rest: bytes = b"", following: int = 0) -> bytes:
    return b"II*\0\x08\0\0\0" + directory(entries, 8, following) + rest


def exif_of(entries: Iterable[Entry] = (), **parts: Sequence[Entry]) -> bytes:
    """An EXIF block with `entries` at the top; `parts`: `details`, `gps` and `interop`."""
    pointers = {"details": 0x8769, "gps": 0x8825, "interop": 0xA005}
    top = list(entries)
    # The top is laid out twice: its length does not depend on what the pointers say.
    empty = [*top, *(Entry(pointers[name], LONG, 1, 0) for name in parts)]
    at, out = 8 + len(directory(empty, 8)), b""
    for name, part in parts.items():
        top.append(Entry(pointers[name], LONG, 1, at + len(out)))
        out += directory(part, at + len(out))
    return b"Exif\0\0II*\0\x08\0\0\0" + directory(top, 8) + out


def rationals(*pairs: tuple[int, int], kind: str = "I") -> bytes:
    return b"".join(struct.pack(f"<2{kind}", *pair) for pair in pairs)
