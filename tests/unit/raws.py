"""Camera RAW files for tests, made from a picture by the published descriptions.

DNG by Adobe's DNG Specification 1.4; the TIFFs of Canon, Nikon and Sony and Canon's CR3 as
https://exiftool.org/TagNames and https://github.com/lclevy describe them, with a sensor's data in
a form of their shape that none of these cameras writes: uncompressed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.unit.pictures import encoded

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL = 1, 2, 3, 4, 5, 7, 10
_PACKED = {BYTE: "B", SHORT: "H", LONG: "I", RATIONAL: "I", SRATIONAL: "i"}

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 0xFE, 0x100, 0x101, 0x102, 0x103, 0x106
MAKE, MODEL, STRIPS, ORIENTATION, SAMPLES, ROWS, STRIP_BYTES = (
    0x10F,
    0x110,
    0x111,
    0x112,
    0x115,
    0x116,
    0x117,
)
PLANAR, SUB_IFDS, JPEG, JPEG_BYTES, EXIF_IFD, GPS_IFD = 0x11C, 0x14A, 0x201, 0x202, 0x8769, 0x8825


@dataclass(frozen=True)
class Blob:
    """Bytes that stand elsewhere in the file; the entry says where."""

    data: bytes


@dataclass(frozen=True)
class Blobs:
    """The same, for several."""

    each: tuple[bytes, ...]


Tags = dict[int, Any]
"""tag → (type, numbers), text, bytes, a Blob, or directories below this one."""


def tiff_of(*chain: Tags, order: str = "<", magic: bytes = b"", head: bytes = b"") -> bytes:
    """A TIFF of these directories, one after the other; `head` stands behind the first eight
    bytes."""
    out = bytearray((magic or (b"II*\0" if order == "<" else b"MM\0*")) + bytes(4) + head)
    link = 4
    for tags in chain:
        start, end = _write(out, tags, order)
        struct.pack_into(f"{order}I", out, link, start)
        link = end
    return bytes(out)


def _write(out: bytearray, tags: Tags, order: str) -> tuple[int, int]:
    """Where the directory stands, and where it names the next one."""
    start = len(out)
    end = start + 2 + 12 * len(tags)
    out += bytes(2 + 12 * len(tags) + 4)
    struct.pack_into(f"{order}H", out, start, len(tags))
    for number, (tag, value) in enumerate(sorted(tags.items())):
        kind, count, data = _packed(out, value, order)
        if len(data) > 4:
            data, place = struct.pack(f"{order}I", len(out)), data
            out += place + bytes(len(place) % 2)
        at = start + 2 + 12 * number
        struct.pack_into(f"{order}HHI4s", out, at, tag, kind, count, data.ljust(4, b"\0"))
    return start, end


def _packed(out: bytearray, value: Any, order: str) -> tuple[int, int, bytes]:
    if isinstance(value, str):
        return ASCII, len(value) + 1, value.encode() + b"\0"
    if isinstance(value, bytes):
        return UNDEFINED, len(value), value
    if isinstance(value, Blob | Blobs):
        places = []
        for data in value.each if isinstance(value, Blobs) else (value.data,):
            places.append(len(out))
            out += data + bytes(len(data) % 2)
        return LONG, len(places), struct.pack(f"{order}{len(places)}I", *places)
    if isinstance(value, dict):
        value = [value]
    if isinstance(value, list):
        places = [_write(out, below, order)[0] for below in value]
        return LONG, len(places), struct.pack(f"{order}{len(places)}I", *places)
    kind, numbers = value
    count = len(numbers) // 2 if kind in (RATIONAL, SRATIONAL) else len(numbers)
    return kind, count, struct.pack(f"{order}{len(numbers)}{_PACKED[kind]}", *numbers)


# --- what a sensor sees -----------------------------------------------------------------------

_FROM_XYZ = (32406, -15372, -4986, -9689, 18758, 415, 557, -2040, 10570)
"""XYZ → linear sRGB, in ten thousandths (IEC 61966-2-1): a camera that sees as sRGB does."""


def light(image: Image.Image) -> NDArray[np.uint16]:
    """sRGB → light, 0 to 65,535: [H, W, 3]."""
    values = np.asarray(image.convert("RGB")).astype(np.float64) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return (linear * 65535).round().astype(np.uint16)


def mosaic(image: Image.Image) -> NDArray[np.uint16]:
    """What is left behind a filter of red, green / green, blue: [H, W]."""
    full = light(image)
    seen = full[:, :, 1].copy()
    seen[::2, ::2] = full[::2, ::2, 0]
    seen[1::2, 1::2] = full[1::2, 1::2, 2]
    return seen


def sensor_ifd(image: Image.Image, *, linear: bool = False, order: str = "<") -> Tags:
    """A directory of the sensor's data, whole and uncompressed."""
    values = light(image) if linear else mosaic(image)
    samples = 3 if linear else 1
    tags: Tags = {
        SUBFILE: (LONG, [0]),
        WIDTH: (LONG, [image.width]),
        HEIGHT: (LONG, [image.height]),
        BITS: (SHORT, [16] * samples),
        COMPRESSION: (SHORT, [1]),
        PHOTOMETRIC: (SHORT, [34892 if linear else 32803]),
        STRIPS: Blob(values.astype(f"{order}u2").tobytes()),
        SAMPLES: (SHORT, [samples]),
        ROWS: (LONG, [image.height]),
        STRIP_BYTES: (LONG, [values.nbytes]),
        PLANAR: (SHORT, [1]),
        0xC61D: (LONG, [65535] * samples),
    }
    if not linear:
        tags |= {
            0x828D: (SHORT, [2, 2]),
            0x828E: (BYTE, [0, 1, 1, 2]),
            0xC616: (BYTE, [0, 1, 2]),
            0xC617: (SHORT, [1]),
        }
    return tags


def jpeg(image: Image.Image, width: int | None = None) -> bytes:
    """`image` as the JPEG of a camera, `width` wide where that is given."""
    if width is not None:
        size = (width, round(image.height * width / image.width))
        image = image.resize(size, Image.Resampling.LANCZOS)
    return encoded(image, "JPEG", quality=95)


def strip_preview(data: bytes, size: tuple[int, int], *, compression: int = 7) -> Tags:
    return {
        SUBFILE: (LONG, [1]),
        WIDTH: (LONG, [size[0]]),
        HEIGHT: (LONG, [size[1]]),
        BITS: (SHORT, [8, 8, 8]),
        COMPRESSION: (SHORT, [compression]),
        PHOTOMETRIC: (SHORT, [6]),
        STRIPS: Blob(data),
        SAMPLES: (SHORT, [3]),
        ROWS: (LONG, [size[1]]),
        STRIP_BYTES: (LONG, [len(data)]),
        PLANAR: (SHORT, [1]),
    }


def linked_preview(data: bytes) -> Tags:
    return {COMPRESSION: (SHORT, [6]), JPEG: Blob(data), JPEG_BYTES: (LONG, [len(data)])}


# --- facts ------------------------------------------------------------------------------------

TAKEN: Tags = {
    0x829A: (RATIONAL, [1, 250]),
    0x829D: (RATIONAL, [28, 10]),
    0x8827: (SHORT, [100]),
    0x9003: "2021:06:07 08:09:10",
    0x9011: "+02:00",
    0x920A: (RATIONAL, [50, 1]),
    0xA434: "Test Lens 50mm f/1.8",
}
PLACE: Tags = {
    1: "N",
    2: (RATIONAL, [48, 1, 8, 1, 0, 1]),
    3: "E",
    4: (RATIONAL, [11, 1, 34, 1, 0, 1]),
}


@dataclass(frozen=True)
class Shot:
    """A picture as a camera of `make` and `model` would keep it; `previews` are the widths of the
    JPEGs in it, from small to large."""

    image: Image.Image
    make: str = "Testmaker"
    model: str = "Testmaker One"
    orientation: int = 1
    previews: tuple[int, ...] = ()
    order: str = "<"
    shown: Image.Image | None = None
    """What the previews show, where that shall not be `image`."""
    facts: bool = True
    extra: Tags = field(default_factory=dict)

    def jpegs(self) -> list[bytes]:
        return [jpeg(self.shown or self.image, width) for width in self.previews]

    def top(self) -> Tags:
        tags: Tags = {
            MAKE: self.make,
            MODEL: self.model,
            ORIENTATION: (SHORT, [self.orientation]),
        }
        if self.facts:
            tags |= {EXIF_IFD: dict(TAKEN), GPS_IFD: dict(PLACE)}
        return tags | self.extra


def _size_of(image: Image.Image, width: int) -> tuple[int, int]:
    return width, round(image.height * width / image.width)


def _thumbnail_ifd(image: Image.Image) -> Tags:
    """160 pixels wide, uncompressed: what a TIFF reader takes for the picture."""
    small = image.resize(_size_of(image, 160)).tobytes()
    tags = strip_preview(small, _size_of(image, 160), compression=1)
    return tags | {PHOTOMETRIC: (SHORT, [2])}


def dng(shot: Shot, *, linear: bool = False) -> bytes:
    """Previews and sensor in SubIFDs below a thumbnail."""
    below = [sensor_ifd(shot.image, linear=linear, order=shot.order)]
    for width, data in zip(shot.previews, shot.jpegs(), strict=True):
        below.append(strip_preview(data, _size_of(shot.image, width)))
    matrix = [part for value in _FROM_XYZ for part in (value, 10_000)]
    top = _thumbnail_ifd(shot.shown or shot.image) | shot.top()
    top |= {
        SUB_IFDS: below,
        0xC612: (BYTE, [1, 4, 0, 0]),
        0xC614: shot.model,
        0xC621: (SRATIONAL, matrix),
        0xC628: (RATIONAL, [1, 1, 1, 1, 1, 1]),
        0xC65A: (SHORT, [21]),
    }
    return tiff_of(top, order=shot.order)


def cr2(shot: Shot) -> bytes:
    """Canon: the large JPEG first, then a thumbnail, a small picture, and the sensor's data."""
    small, large = (shot.jpegs() * 2)[:2]
    first = strip_preview(large, _size_of(shot.image, shot.previews[-1]), compression=6)
    taken = TAKEN | {0xA002: (LONG, [shot.image.width]), 0xA003: (LONG, [shot.image.height])}
    first |= shot.top() | {EXIF_IFD: taken}
    del first[PHOTOMETRIC], first[SUBFILE]
    lossless = b"\xff\xd8\xff\xc3\0\x0b\x0e" + struct.pack(">HH", 3000, 3000) + b"\x01\x01\x11\0"
    sensor = {
        COMPRESSION: (SHORT, [6]),
        STRIPS: Blob(lossless + bytes(2000)),
        STRIP_BYTES: (LONG, [len(lossless) + 2000]),
        0xC640: (SHORT, [1, 2, 2]),
    }
    head = b"CR\x02\0" + bytes(4)
    return tiff_of(first, linked_preview(small), _thumbnail_ifd(shot.image), sensor, head=head)


def nef(shot: Shot) -> bytes:
    """Nikon: a thumbnail first; JPEG and sensor below it."""
    previews = [linked_preview(data) for data in shot.jpegs()]
    below = [*previews, sensor_ifd(shot.image, order=shot.order)]
    top = _thumbnail_ifd(shot.shown or shot.image) | shot.top() | {SUB_IFDS: below}
    return tiff_of(top, order=shot.order)


def arw(shot: Shot) -> bytes:
    """Sony: a preview first, the sensor below it, then a thumbnail."""
    small, large = (shot.jpegs() * 2)[:2]
    top = linked_preview(large) | shot.top()
    top |= {SUBFILE: (LONG, [1]), SUB_IFDS: sensor_ifd(shot.image, order=shot.order)}
    return tiff_of(top, linked_preview(small), order=shot.order)


# --- other shapes -----------------------------------------------------------------------------


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + kind + body


CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
PREVIEW = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")


def cr3(shot: Shot) -> bytes:
    """Canon's newer kind: facts in CMT boxes, a small preview by itself, a large one as a track."""
    small, large = (shot.jpegs() * 2)[:2]
    first = {
        WIDTH: (SHORT, [shot.image.width]),
        HEIGHT: (SHORT, [shot.image.height]),
        **{tag: v for tag, v in shot.top().items() if tag not in (EXIF_IFD, GPS_IFD)},
    }
    canon = box(
        b"uuid",
        CANON,
        box(b"CMT1", tiff_of(first)),
        box(b"CMT2", tiff_of(TAKEN)) if shot.facts else b"",
        box(b"CMT4", tiff_of(PLACE)) if shot.facts else b"",
    )
    width, height = _size_of(shot.image, shot.previews[0])
    head = bytes(4) + struct.pack(">HHHHI", 1, width, height, 1, len(small))
    preview = box(b"uuid", PREVIEW, bytes(7) + b"\x01", box(b"PRVW", head, small))

    def moov(at: int) -> bytes:
        sizes = box(b"stsz", bytes(4), struct.pack(">II", len(large), 1))
        places = box(b"co64", bytes(4), struct.pack(">IQ", 1, at))
        table = box(b"mdia", box(b"minf", box(b"stbl", sizes, places)))
        return box(b"moov", canon, box(b"trak", table))

    start = box(b"ftyp", b"crx \0\0\0\1crx isom")
    at = len(start) + len(moov(0)) + len(preview) + 8
    return start + moov(at) + preview + box(b"mdat", large)


def raf(shot: Shot) -> bytes:
    """Fujifilm: a header that says where the JPEG is, which has all the facts."""
    made = Image.Exif()
    made[MAKE], made[MODEL], made[ORIENTATION] = shot.make, shot.model, shot.orientation
    image = (shot.shown or shot.image).resize(_size_of(shot.image, shot.previews[-1]))
    data = encoded(image, "JPEG", quality=95, exif=made)
    head = b"FUJIFILMCCD-RAW 0201FF389501" + shot.model.encode().ljust(32, b"\0")
    head = head.ljust(84, b"\0") + struct.pack(">II", 160, len(data))
    return head.ljust(160, b"\0") + data


def rw2(shot: Shot) -> bytes:
    """Panasonic: a TIFF with a magic of its own and the JPEG in a tag."""
    borders = {4: 0, 5: 0, 6: shot.image.height, 7: shot.image.width}
    top: Tags = {tag: (SHORT, [value]) for tag, value in borders.items()}
    top |= shot.top() | {0x2E: shot.jpegs()[-1]}
    return tiff_of(top, magic=b"IIU\0")
