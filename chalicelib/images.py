"""Bytes → checked, upright sRGB pixels; thumbnails.

The one place that decodes. It runs in a child process (`chalicelib/decoding`), because a decoder
may abort, hang or eat memory whatever is checked first.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pi_heif
from PIL import Image

from chalicelib import bounds, exif
from chalicelib.boundary import contained
from chalicelib.colour import to_srgb
from chalicelib.config import MAX_PIXELS
from chalicelib.errors import TooLarge, UnreadableImage
from chalicelib.facts import Exposure, Location

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.ImageFile import ImageFile

THUMBNAIL_SIDE = 512

SCALED_MARGIN = 2
"""Pixels along a side that scaled decoding leaves for each that a model takes; measured in
docs/adr/0012-decoding-speed.md."""

_PILLOW_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
_FORMAT_NAMES = {"MPO": "jpeg"}

pi_heif.register_heif_opener()


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
    with contained(max_pixels), _open(data) as opened:
        _check_size(opened, max_pixels)
        return Header(_format_name(opened), opened.width, opened.height)


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
    with contained(max_pixels), _open(data) as opened:
        _check_size(opened, max_pixels)
        format_name = _format_name(opened)
        width, height = opened.size
        scale = _draft(opened, at_least) if at_least else 1
        if before_decoding is not None:
            before_decoding(opened.width * opened.height)
        opened.load()
        facts = exif.read(opened)
        profile = opened.info.get("icc_profile")
        decoded, factor = _reduced(opened, at_least) if at_least else (opened, 1)
        scale *= factor
        turned = exif.orientation(facts) in exif.SIDEWAYS
        return Picture(
            image=to_srgb(exif.upright(decoded, facts), profile),
            width=height if turned else width,
            height=width if turned else height,
            box=exif.upright_box((0, 0, width / scale, height / scale), decoded.size, facts),
            format=format_name,
            taken_at=exif.taken_at(facts),
            camera=exif.camera(facts),
            lens=exif.lens(facts),
            exposure=exif.exposure(facts),
            location=exif.location(facts),
        )


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


def _open(data: bytes) -> ImageFile:
    if not data:
        raise UnreadableImage("The file is empty.")
    bounds.check(data)
    return Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS)


def _format_name(opened: ImageFile) -> str:
    name = opened.format or ""
    return _FORMAT_NAMES.get(name, name.lower())


def _check_size(opened: ImageFile, max_pixels: int) -> None:
    width, height = opened.size
    if width <= 0 or height <= 0:
        raise UnreadableImage("The image has no pixels.")
    if width * height > max_pixels:
        raise TooLarge(
            f"The image has {width} x {height} pixels; "
            f"the limit is {max_pixels / 1e6:g} megapixels."
        )


_REDUCIBLE = ("RGB", "RGBA", "L", "LA", "CMYK")


def _draft(opened: ImageFile, at_least: int) -> int:
    """Have a JPEG decoded to a half, quarter or eighth: libjpeg leaves out the frequencies that
    are not to be seen there. Returns 2, 4 or 8, or 1 where nothing is to be won."""
    width = opened.width
    drafted = opened.draft(None, (at_least, at_least))
    return round(width / drafted[1][2]) if drafted else 1


def _reduced(image: Image.Image, at_least: int) -> tuple[Image.Image, int]:
    """Means of whole squares of pixels, where that leaves both sides at least so long; and how
    many pixels a side those squares have.

    Colours that stand for something else (a palette's, one that is transparent) have no mean.
    """
    factor = min(image.size) // at_least
    if factor < 2 or image.mode not in _REDUCIBLE or "transparency" in image.info:
        return image, 1
    return image.reduce(factor), factor
