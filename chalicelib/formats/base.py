"""What every format offers: `Source`, and the picture it decodes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from chalicelib.errors import TooLarge, UnreadableImage

Before = Callable[[int], object]
"""Called with the number of pixels that will be in memory, before they are decoded."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The first picture of a file as it is stored, neither turned nor brought to sRGB.

    It may hold fewer pixels than the whole picture; then `box` (left, top, right, bottom) is what
    the whole fills of it: where a side is not a multiple of the factor, the outermost pixels
    stand for less than the others. `exif` says how to turn it, and the rest.
    """

    image: Image.Image
    box: tuple[float, float, float, float]
    exif: Image.Exif | None
    profile: bytes | None


class Source(Protocol):
    """A file whose header was read. `width` and `height` are the whole picture's as stored."""

    @property
    def format(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...

    def decode(self, at_least: int | None, before: Before | None) -> Decoded:
        """The pixels; with `at_least` maybe fewer, though no side shorter than that."""


def check_size(width: int, height: int, max_pixels: int) -> None:
    if width <= 0 or height <= 0:
        raise UnreadableImage("The image has no pixels.")
    if width * height > max_pixels:
        raise TooLarge(
            f"The image has {width} x {height} pixels; "
            f"the limit is {max_pixels / 1e6:g} megapixels."
        )


_REDUCIBLE = ("RGB", "RGBA", "L", "LA", "CMYK")


def reduced(image: Image.Image, at_least: int) -> tuple[Image.Image, int]:
    """Means of whole squares of pixels, where that leaves both sides at least so long; and how
    many pixels a side those squares have.

    Colours that stand for something else (a palette's, one that is transparent) have no mean.
    """
    factor = min(image.size) // at_least
    if factor < 2 or image.mode not in _REDUCIBLE or "transparency" in image.info:
        return image, 1
    return image.reduce(factor), factor
