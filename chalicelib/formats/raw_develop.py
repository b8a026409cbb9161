"""Pictures made from what a sensor saw, by LibRaw (rawpy). Only this room imports it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import rawpy
from PIL import Image

from chalicelib.errors import TooLarge, UnreadableImage


@dataclass(frozen=True, slots=True)
class Sensor:
    """The picture is `width` x `height`; the sensor has `pixels`, those at its border too."""

    width: int
    height: int
    pixels: int


def look(data: bytes) -> Sensor | None:
    """What LibRaw makes of the file, without its pixels; None for what it does not know."""
    try:
        with _opened(data) as raw:
            sizes = raw.sizes
            pixels = sizes.raw_width * sizes.raw_height
            return Sensor(sizes.width, sizes.height, max(pixels, sizes.width * sizes.height))
    except (rawpy.LibRawError, rawpy.NotSupportedError):
        return None


def develop(data: bytes, *, half: bool) -> Image.Image:
    """The whole picture, not turned, in sRGB; with `half` half as wide and high, and in a tenth
    of the time: each square of the colour filter is then one pixel."""
    try:
        with _opened(data) as raw:
            raw.unpack()
            pixels = raw.postprocess(
                half_size=half,
                demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,
                use_camera_wb=True,
                output_color=rawpy.ColorSpace.sRGB,
                output_bps=8,
                user_flip=0,
            )
            return Image.fromarray(pixels)
    except rawpy.LibRawUnsufficientMemoryError as error:
        raise TooLarge("Decoding this image needs more memory than is allowed.") from error
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        raise UnreadableImage("The camera RAW is damaged or incomplete.") from error


def largest_preview(data: bytes) -> bytes:
    """The JPEG that LibRaw finds where the file's own directories do not lead; b"" for none."""
    try:
        with _opened(data) as raw:
            found = raw.extract_thumb()
    except (rawpy.LibRawError, rawpy.NotSupportedError):
        return b""
    return found.data if isinstance(found.data, bytes) else b""


@contextmanager
def _opened(data: bytes) -> Iterator[rawpy.RawPy]:
    with rawpy.RawPy() as raw:
        raw.open_buffer(io.BytesIO(data))
        yield raw
