"""How large a picture is read, and in which bands a long one is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

AT_LEAST = 1080
"""Pixels that decoding leaves of the shorter side: a page on a phone's photo of 12 megapixels is
then still legible, and a phone's screenshot is whole."""

_LONGEST = 2200
_SHORTEST_OF_LONG = 1200
_MOST_PIXELS = 8_000_000
"""A screenshot of 1,080 × 7,400 pixels; one still longer is read smaller."""

_BAND = 2.2
"""A picture more times as high as wide is looked at in bands of about that shape."""

_NARROWEST = 200
"""Bands are as high as those of a picture of this width at least."""

_OVERLAP = 0.04
"""Share of a band that the next one holds again, for the line that the cut goes through."""


def to_read(image: Image) -> Image:
    """`image` (RGB), made smaller where it is larger than reading needs."""
    from PIL.Image import Resampling

    long, short = max(image.size), min(image.size)
    scale = 1.0
    if long > _LONGEST:
        scale = max(_LONGEST / long, min(1.0, _SHORTEST_OF_LONG / short))
    scale = min(scale, math.sqrt(_MOST_PIXELS / (long * short)))
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Resampling.BICUBIC, reducing_gap=2.0)


def to_look(image: Image, side: int) -> tuple[Image, float]:
    """`image` with its longer side at most `side`, and how many times larger `image` is."""
    from PIL.Image import Resampling

    scale = max(image.size) / side
    if scale <= 1:
        return image, 1.0
    width, height = (max(1, round(length / scale)) for length in image.size)
    return image.resize((width, height), Resampling.BICUBIC, reducing_gap=2.0), scale


def bands(width: int, height: int) -> list[tuple[int, int]]:
    """Top and bottom of each band that a picture is looked at in, from the top down."""
    number = max(1, math.ceil(height / (max(width, _NARROWEST) * _BAND)))
    step = height / number
    more = step * _OVERLAP
    return [
        (max(0, round(n * step - more)), min(height, round((n + 1) * step + more)))
        for n in range(number)
    ]
