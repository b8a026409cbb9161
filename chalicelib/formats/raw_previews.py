"""The JPEGs in a camera RAW, and how large the whole picture is by what the file says."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.formats import raw_canon
from chalicelib.formats.raw_kinds import is_of_a_sensor
from chalicelib.formats.raw_tiff import Ifd, directories

_WIDTH, _HEIGHT, _COMPRESSION = 0x0100, 0x0101, 0x0103
_STRIPS, _STRIP_BYTES = 0x0111, 0x0117
_JPEG, _JPEG_BYTES = 0x0201, 0x0202
_JPEG_COMPRESSIONS = (6, 7, 34892)
_CROP_SIZE = 0xC620
_PANASONIC_JPEG = 0x002E
_PANASONIC_BORDERS = (0x0004, 0x0005, 0x0006, 0x0007)
_EXIF_IFD, _EXIF_WIDTH, _EXIF_HEIGHT = 0x8769, 0xA002, 0xA003


@dataclass(frozen=True, slots=True, order=True)
class Preview:
    """A JPEG of `width` x `height` pixels, at `start` to `end` of the file."""

    width: int
    height: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Told:
    """`previews` from small to large; `size` (width, height) of the whole as stored, or None."""

    previews: tuple[Preview, ...]
    size: tuple[int, int] | None


def told(data: bytes, kind: str) -> Told:
    """What the file says by itself; a JPEG without a header that can be read is left out."""
    ifds = [] if kind in ("raf", "cr3") else directories(data)
    if kind == "raf":
        start = int.from_bytes(data[84:88], "big")
        places = [(start, start + int.from_bytes(data[88:92], "big"))]
    elif kind == "cr3":
        places = raw_canon.jpegs(data)
    else:
        places = [place for ifd in ifds for place in _jpegs_of(ifd)]
    found = set()
    for start, end in places:
        if 0 < start < end <= len(data) and (size := jpeg_size(data, start, end)):
            found.add(Preview(*size, start, end))
    return Told(tuple(sorted(found)), _size(data, kind, ifds))


def _jpegs_of(ifd: Ifd) -> list[tuple[int, int]]:
    found = []
    for at, length in ((_JPEG, _JPEG_BYTES), (_STRIPS, _STRIP_BYTES)):
        starts, lengths = ifd.numbers(at), ifd.numbers(length)
        if at == _STRIPS and ifd.number(_COMPRESSION) not in _JPEG_COMPRESSIONS:
            continue
        if len(starts) == len(lengths) == 1 and not is_of_a_sensor(ifd):
            found.append((starts[0], starts[0] + lengths[0]))
    if _PANASONIC_JPEG in ifd:
        found.append(ifd.extent(_PANASONIC_JPEG))
    return found


def _size(data: bytes, kind: str, ifds: list[Ifd]) -> tuple[int, int] | None:
    """How the sensor is to be cropped, where that is said; else the largest size that is."""
    cropped = [(ifd, _CROP_SIZE, _CROP_SIZE) for ifd in ifds if is_of_a_sensor(ifd)]
    found = _sizes(cropped) or _sizes([(ifd, _WIDTH, _HEIGHT) for ifd in ifds])
    if kind == "cr3":
        start, end = raw_canon.canon_parts(data).get(b"CMT1", (0, 0))
        found = _sizes([(ifd, _WIDTH, _HEIGHT) for ifd in directories(data[start:end])])
    if kind == "cr2":
        # The sensor's directory gives no size; the picture's is in EXIF.
        order = "<" if data[:2] == b"II" else ">"
        links = [at for ifd in ifds for at in ifd.numbers(_EXIF_IFD)]
        found += _sizes([(Ifd(data, order, at), _EXIF_WIDTH, _EXIF_HEIGHT) for at in links[:4]])
    if kind == "rw2" and ifds:
        top, left, bottom, right = (ifds[0].number(tag) or 0 for tag in _PANASONIC_BORDERS)
        found = [(right - left, bottom - top)] if right > left and bottom > top else []
    return max(found, key=lambda size: size[0] * size[1], default=None)


def _sizes(places: list[tuple[Ifd, int, int]]) -> list[tuple[int, int]]:
    """(width, height) by each directory's two tags, which may be one tag with two numbers."""
    found = []
    for ifd, width, height in places:
        first, last = ifd.numbers(width)[:1], ifd.numbers(height)[-1:]
        if first and last and first[0] > 0 and last[0] > 0:
            found.append((first[0], last[0]))
    return found


_FRAMES = (0xC0, 0xC1, 0xC2)
"""Baseline, extended and progressive JPEG (ITU-T T.81, table B.1). Others, such as the lossless
one in which sensors are stored, are no previews."""


def jpeg_size(data: bytes, start: int = 0, end: int | None = None) -> tuple[int, int] | None:
    """(width, height) of the JPEG there; None where there is none that can be shown."""
    end = len(data) if end is None else end
    if data[start : start + 2] != b"\xff\xd8":
        return None
    at = start + 2
    while at + 9 <= end:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _FRAMES:
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            width = int.from_bytes(data[at + 7 : at + 9], "big")
            return (width, height) if width and height else None
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return None
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in (0xD8, 0xD9, 0xDA) or length < 2:
            return None
        at += 2 + length
    return None
