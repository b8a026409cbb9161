"""Pictures for tests, drawn, and the files made of them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

QUARTERS = ((200, 30, 40), (30, 160, 60), (40, 60, 190), (220, 200, 60))
"""Top left, top right, bottom left, bottom right of `quarters`."""


def scene(width: int = 192, height: int = 128, *, seed: int = 0) -> Image.Image:
    """Something photo-like: soft colours, hard edges; each seed another one."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (4, 6, 3), dtype=np.uint8))
    image = coarse.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(4):
        x, y, radius = (int(n) for n in random.integers(0, [width, height, height // 3 + 1]))
        colour = tuple(int(c) for c in random.integers(0, 256, 3))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return image


def quarters(width: int = 64, height: int = 48) -> Image.Image:
    """Four quarters of four colours: no two ways of turning it look the same."""
    image = Image.new("RGB", (2, 2))
    image.putdata(QUARTERS)
    return image.resize((width, height), Image.Resampling.NEAREST)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    """The file that Pillow writes; of copies, since it leaves its settings on what it saves."""
    if "append_images" in options:
        options["append_images"] = [frame.copy() for frame in options["append_images"]]
    out = io.BytesIO()
    image.copy().save(out, format, **options)
    return out.getvalue()


def exif(tags: dict[int, Any], *, ifds: dict[int, dict[int, Any]] | None = None) -> Image.Exif:
    """EXIF with `tags` at the top and those of `ifds` in its parts."""
    made = Image.Exif()
    for tag, value in tags.items():
        made[tag] = value
    for number, part in (ifds or {}).items():
        made.get_ifd(number).update(part)
    return made


def distance(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two RGB pictures' samples, 0 to 255; infinite where sizes differ."""
    if one.size != other.size:
        return float("inf")
    first, second = (np.asarray(p.convert("RGB"), dtype=np.float64) for p in (one, other))
    return float(np.abs(first - second).mean())


def png(
    width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]
) -> bytes:
    """A PNG as its specification has it, for what Pillow does not write.

    `rows` as they are before compression, each with its filter byte; `chunks` go before them.
    """
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def bmp(width: int, height: int, rows: bytes) -> bytes:
    """A BMP of 24 bits a pixel; `rows` from the bottom up, each padded to four bytes."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(rows), 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + info + rows


def tiff(
    width: int, height: int, *, strip: bytes = b"", tags: dict[int, int] | None = None
) -> bytes:
    """A small-endian TIFF of 8-bit grey in one strip; `tags` (as LONG) are put in or replaced."""
    entries = {
        256: width,
        257: height,
        258: 8,
        259: 1,
        262: 1,
        277: 1,
        278: height,
        279: len(strip),
    }
    entries |= {273: 0} | (tags or {})
    start = 8 + 2 + 12 * len(entries) + 4
    entries[273] = entries[273] or start
    ifd = struct.pack("<H", len(entries))
    for tag, value in sorted(entries.items()):
        ifd += struct.pack("<HHII", tag, 4, 1, value)
    return b"II*\0" + struct.pack("<I", 8) + ifd + bytes(4) + strip


FIRST_ROW_AND_COLUMN = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
"""Where the stored row 0 and column 0 belong (EXIF 2.32, tag 274)."""


def stored_as(image: Image.Image, orientation: int) -> Image.Image:
    """What a camera that was held so would have stored."""
    row, column = FIRST_ROW_AND_COLUMN[orientation]
    values = np.asarray(image)
    if row in ("left", "right"):
        values = values.transpose(1, 0, 2)
    if row in ("bottom", "right"):
        values = values[::-1]
    if column in ("bottom", "right"):
        values = values[:, ::-1]
    return Image.fromarray(np.ascontiguousarray(values))


def alike(one: Image.Image, other: Image.Image) -> float:
    """How alike two pictures are, however bright each is: 1 for the same."""
    first, second = (
        np.asarray(p.convert("RGB").resize((60, 40)), dtype=np.float64).ravel()
        for p in (one, other)
    )
    return float(np.corrcoef(first, second)[0, 1])
