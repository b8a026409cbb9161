"""A part of a picture, in place of the whole.

Importing this loads neither Pillow nor numpy: whoever asks for a region need not decode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

    from chalicelib.images import Picture

Region = tuple[float, float, float, float]
"""Left, top, width and height of a part of the upright picture, as shares (0 to 1) of its sides."""


def check_region(region: Region) -> None:
    """Raises ValueError where `region` is no part of a picture."""
    left, top, width, height = region
    # Shares that a page reckons from pixels may add up to a rounding error more than one.
    inside = left >= 0 and top >= 0 and left + width <= 1 + 1e-6 and top + height <= 1 + 1e-6
    # What is not a number fails every comparison.
    if not (inside and width > 0 and height > 0):
        raise ValueError(f"{region} is no part of a picture whose sides are 1 long")


def cut(picture: Picture, region: Region) -> Image:
    """That part of the picture's pixels: whole ones, and at least one of them."""
    left, top, right, bottom = picture.box
    x0, x1 = _span(left, right - left, region[0], region[2], picture.image.width)
    y0, y1 = _span(top, bottom - top, region[1], region[3], picture.image.height)
    return picture.image.crop((x0, y0, x1, y1))


def _span(origin: float, length: float, start: float, share: float, pixels: int) -> tuple[int, int]:
    first = min(round(origin + start * length), pixels - 1)
    last = min(round(origin + (start + share) * length), pixels)
    return first, max(first + 1, last)
