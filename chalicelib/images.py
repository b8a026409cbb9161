"""Bytes → checked, upright sRGB pixels; thumbnails and placeholders.

The one place that decodes. It runs in a child process (`chalicelib/decoding`), because a decoder
may abort, hang or eat memory whatever is checked first.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from chalicelib import bounds, exif
from chalicelib.boundary import contained
from chalicelib.colour import to_srgb
from chalicelib.config import MAX_PIXELS
from chalicelib.errors import UnreadableImage
from chalicelib.facts import Exposure, Location
from chalicelib.formats.base import Source, check_size, reduced
from chalicelib.formats.jxl import JxlSource, is_jxl
from chalicelib.formats.pillow import PillowSource
from chalicelib.formats.raw_kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

THUMBNAIL_SIDE = 512

PLACEHOLDER = (4, 3)
"""Pixels along its longer side and along the other: 36 bytes, which base64 leaves without "=".
BlurHash, too, advises 4 x 3 (https://github.com/woltapp/blurhash, "good values")."""

SCALED_MARGIN = 2
"""Pixels along a side that scaled decoding leaves for each that a model takes; measured in
docs/adr/0012-decoding-speed.md."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes promise; width and height as stored, before EXIF rotation."""

    format: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image, upright, RGB, sRGB, and the facts that came with it.

    `width` and `height` are the upright image's at its full size. `image` may hold fewer pixels;
    then `box` (left, top, right, bottom) is what the whole picture fills of it: where a side is
    not a multiple of the factor, the outermost pixels stand for less than the others.
    """

    image: Image.Image
    width: int
    height: int
    box: tuple[float, float, float, float]
    format: str
    taken_at: datetime | None
    camera: str
    lens: str
    exposure: Exposure | None
    location: Location | None


def read_header(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Header:
    """Format and size without decoding pixels.

    Raises `UnreadableImage` when the bytes are no image we read, `TooLarge` over `max_pixels`.
    """
    with contained(max_pixels):
        source = _source(data, max_pixels)
        return Header(source.format, source.width, source.height)


def side_to_keep(size: int, *, thumbnail: bool = False) -> int:
    """`at_least` of `open_upright` for a model that takes `size` pixels a side (before its crop),
    and for a thumbnail of the same picture."""
    return max(SCALED_MARGIN * size, THUMBNAIL_SIDE if thumbnail else 0)


def open_upright(
    data: bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    at_least: int | None = None,
    before_decoding: Callable[[int], object] | None = None,
) -> Picture:
    """Decode the first frame of `data` to upright RGB pixels in sRGB; alpha falls on white.

    With `at_least` a large picture comes out smaller, by a whole factor and as fast as its format
    allows; no side is then shorter than that many pixels. Facts are those of the whole picture.
    `before_decoding` is called with the number of pixels that will be in memory.

    Raises `UnreadableImage` for anything that is not a whole image in one of our formats and
    `TooLarge` over `max_pixels`; nothing else, whatever a decoder throws.
    """
    with contained(max_pixels):
        source = _source(data, max_pixels)
        decoded = source.decode(at_least, before_decoding)
        image, facts = decoded.image, decoded.exif
        width, height = source.width, source.height
        turned = exif.orientation(facts) in exif.SIDEWAYS
        return Picture(
            image=to_srgb(exif.upright(image, facts), decoded.profile),
            width=height if turned else width,
            height=width if turned else height,
            box=exif.upright_box(decoded.box, image.size, facts),
            format=source.format,
            taken_at=exif.taken_at(facts),
            camera=exif.camera(facts),
            lens=exif.lens(facts),
            exposure=exif.exposure(facts),
            location=exif.location(facts),
        )


def shrunk(picture: Picture, at_least: int) -> Picture:
    """`picture` with as few pixels as `open_upright` would have left it with this `at_least`, or
    not many more."""
    image, factor = reduced(picture.image, at_least)
    left, top, right, bottom = (length / factor for length in picture.box)
    return replace(picture, image=image, box=(left, top, right, bottom))


def small(image: Image.Image, *, side: int = THUMBNAIL_SIDE) -> Image.Image:
    """`image` (RGB) with its longest side at most `side` pixels; itself where it is no longer.

    Most of the way by means of whole squares: three times as fast as the filter alone, and to the
    eye the same.
    """
    longest = max(image.size)
    if longest <= side:
        return image
    width, height = (max(1, round(length * side / longest)) for length in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)


def thumbnail(image: Image.Image) -> bytes:
    """`small` of `image` (RGB) as a JPEG file."""
    out = io.BytesIO()
    # WebP would save a fifth of the bytes and take six times as long (docs/adr/0020).
    # Pillow would write the file's own comment again, of whatever length and content.
    small(image).save(out, "JPEG", quality=75, optimize=True, comment=b"")
    return out.getvalue()


def placeholder(image: Image.Image, *, higher: bool) -> str:
    """What a page shows where `image` (RGB) will be, as 48 characters of base64: `PLACEHOLDER`
    pixels, 4 x 3, or 3 x 4 where the whole picture is `higher` than wide, row by row, three bytes
    each.

    Each pixel is the mean of its part of the picture. Records hold that of a picture's `small`.
    """
    long, short = PLACEHOLDER
    size = (short, long) if higher else (long, short)
    return base64.b64encode(image.resize(size, Image.Resampling.BOX).tobytes()).decode()


def perceptual_hash(image: Image.Image) -> str:
    """The 128-bit difference hash of `image`, as 32 hex digits: near copies differ in few bits.

    Records hold that of a picture's `small`, which costs next to nothing.

    Neal Krawetz, "Kind of Like That" (2013): is each of 8 x 8 grey pixels brighter than the one
    to its left? Then, of other 8 x 8, than the one above it? docs/adr/0019 says why both.
    """
    grey = image.convert("L")
    rows = np.asarray(grey.resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    columns = np.asarray(grey.resize((8, 9), Image.Resampling.BOX), dtype=np.int16)
    brighter = (rows[:, 1:] > rows[:, :-1], columns[1:] > columns[:-1])
    return "".join(bytes(np.packbits(bits)).hex() for bits in brighter)


def _source(data: bytes, max_pixels: int) -> Source:
    """The file's header, read. RAW first: most of them are TIFFs too, of a thumbnail."""
    if not data:
        raise UnreadableImage("The file is empty.")
    bounds.check(data)
    source: Source
    if kind := kind_of(data):
        from chalicelib.formats.raw import RawSource

        source = RawSource(data, kind, max_pixels)
    elif is_jxl(data):
        source = JxlSource(data)
    else:
        source = PillowSource(data)
    check_size(source.width, source.height, max_pixels)
    return source
