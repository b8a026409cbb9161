"""Bytes → a picture and the numbers a vision tower takes: exactly, or as fast as may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib import images
from chalicelib.clip.pixels import PixelSpec, Whole, to_pixels
from chalicelib.config import MAX_PIXELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def decode(
    data: bytes,
    spec: PixelSpec,
    *,
    exact: bool,
    thumbnail: bool = False,
    max_pixels: int = MAX_PIXELS,
    before_decoding: Callable[[int], object] | None = None,
) -> tuple[images.Picture, NDArray[np.uint8]]:
    """The upright picture in `data`, and its pixels for the model: uint8 [crop, crop, 3].

    `exact` gives the reference's pixels. Without it large pictures are decoded smaller, though no
    smaller than the model needs, and with `thumbnail` no smaller than a thumbnail is; the pixels
    are then nearly the reference's. Raises as `images.open_upright`, which calls
    `before_decoding`.
    """
    keep = None if exact else images.side_to_keep(spec.size, thumbnail=thumbnail)
    picture = images.open_upright(
        data, max_pixels=max_pixels, at_least=keep, before_decoding=before_decoding
    )
    whole = None if exact else Whole(picture.width, picture.height, picture.box)
    return picture, to_pixels(picture.image, spec, whole)
