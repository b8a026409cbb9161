"""Bytes → checked, upright sRGB pixels; thumbnails.

The one place that decodes. It runs in a child process (`chalicelib/decoding`), because a decoder
may abort, hang or eat memory whatever is checked first.
"""

from __future__ import annotations

import io
import threading
import warnings
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pi_heif
from PIL import Image, ImageCms, UnidentifiedImageError

from chalicelib import exif
from chalicelib.config import MAX_PIXELS
from chalicelib.errors import Permanent, TooLarge, UnreadableImage
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
# The limit is checked against the header by `_check_size`; Pillow's own must not fire before it.
Image.MAX_IMAGE_PIXELS = None


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
    with _contained(), _open(data) as opened:
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
    with _contained(), _open(data) as opened:
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
            image=_to_srgb(exif.upright(decoded, facts), profile),
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
    small(image).save(out, "JPEG", quality=75, optimize=True)
    return out.getvalue()


def perceptual_hash(image: Image.Image) -> str:
    """The 64-bit difference hash of `image`, as 16 hex digits: near copies differ in few bits.

    Records hold that of a picture's `small`, which costs next to nothing.

    Neal Krawetz, "Kind of Like That" (2013): is each of 8 x 8 grey pixels brighter than the next?
    """
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    bits = np.packbits(grey[:, 1:] > grey[:, :-1])
    return bytes(bits).hex()


class _Quiet:
    """No warnings while any thread decodes.

    `warnings.catch_warnings` changes the whole process and, left by two threads in another order
    than they came in, leaves it changed; so the first one in does it and the last one out
    undoes it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._warnings = warnings.catch_warnings()

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside > 1:
                return
            self._warnings = warnings.catch_warnings()
            self._warnings.__enter__()
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._warnings.__exit__(None, None, None)


_quiet = _Quiet()


class _contained:
    """The decode boundary: whatever goes wrong in here is the image's fault, and permanent."""

    def __enter__(self) -> None:
        _quiet.enter()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        _quiet.leave()
        if error is None or isinstance(error, Permanent) or not isinstance(error, Exception):
            return
        if isinstance(error, MemoryError):
            raise TooLarge("Decoding this image needs more memory than is allowed.") from error
        if isinstance(error, UnidentifiedImageError):
            raise UnreadableImage(
                "The file is not an image in a format we read "
                "(JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF)."
            ) from error
        # What decoders say is for programmers ("could not create decoder object").
        if "truncated" in str(error).lower():
            raise UnreadableImage("The image is incomplete: the file ends too early.") from error
        raise UnreadableImage("The image is damaged or incomplete.") from error


def _open(data: bytes) -> ImageFile:
    if not data:
        raise UnreadableImage("The file is empty.")
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


# --- colour -----------------------------------------------------------------------------------

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_ICC_MODES = {"RGB": "RGB ", "CMYK": "CMYK", "L": "GRAY"}


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    image, alpha = _split_alpha(_to_eight_bits(image))
    if image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    image = _apply_profile(image, profile) if profile else image
    image = image if image.mode == "RGB" else image.convert("RGB")
    if alpha is None:
        return image
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image, mask=alpha)
    return white


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits or of floats → 8 bits. Pillow's own conversion clips at 255."""
    if image.mode.startswith("I;16") or image.mode == "I":
        values = np.asarray(image).astype(np.int64)
        if image.mode == "I" and int(values.max(initial=0)) <= 255:
            return Image.fromarray(values.clip(0, 255).astype(np.uint8))
        grey = Image.fromarray((values.clip(0, 65535) >> 8).astype(np.uint8))
        clear = image.info.get("transparency")
        if not isinstance(clear, int):
            return grey
        alpha = np.where(values == clear, 0, 255).astype(np.uint8)
        return Image.merge("LA", (grey, Image.fromarray(alpha)))
    if image.mode == "F":
        floats = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
        top = float(floats.max(initial=0.0))
        scale = 255.0 if top <= 1.0 else 255.0 / top if top > 255.0 else 1.0
        return Image.fromarray((floats * scale).clip(0, 255).astype(np.uint8))
    return image


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    if image.mode == "P" or "transparency" in image.info:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode in ("RGBa", "La", "PA"):
        image = image.convert("RGBA")
    if image.mode not in ("RGBA", "LA"):
        return image, None
    alpha = image.getchannel("A")
    return image.convert("RGB" if image.mode == "RGBA" else "L"), alpha


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """To sRGB by the embedded profile; a broken or unfitting profile changes nothing."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space != _ICC_MODES[image.mode]:
            return image
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return image if converted is None else converted
