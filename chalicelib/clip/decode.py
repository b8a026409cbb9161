"""Bytes → a picture and the numbers a vision tower takes: exactly, or as fast as may be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from chalicelib import images
from chalicelib.clip.pixels import PixelSpec, Whole, to_pixels
from chalicelib.clip.region import Region, cut
from chalicelib.config import MAX_PIXELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


class Reader(Protocol):
    """Somebody who wants to see the picture in more detail than the model needs."""

    at_least: int
    """Pixels that a side may not fall below, where it has them."""

    def look(self, image: Image, /) -> None: ...


def decode(
    data: bytes,
    spec: PixelSpec,
    *,
    exact: bool,
    thumbnail: bool = False,
    region: Region | None = None,
    max_pixels: int = MAX_PIXELS,
    before_decoding: Callable[[int], object] | None = None,
    reader: Reader | None = None,
) -> tuple[images.Picture, NDArray[np.uint8]]:
    """The upright picture in `data`, and its pixels for the model: uint8 [crop, crop, 3].

    `exact` gives the reference's pixels. Without it large pictures are decoded smaller, though no
    smaller than the model needs, and with `thumbnail` no smaller than a thumbnail is; the pixels
    are then nearly the reference's. With `region` the pixels are those of that part, as if it had
    been cut out to whole pixels and saved as a picture; the picture is whole all the same. A
    `reader` is shown the upright RGB picture as large as it wants it. Raises as
    `images.open_upright`, which calls `before_decoding`.
    """
    keep = None if exact else images.side_to_keep(spec.size, thumbnail=thumbnail)
    if keep is not None and region is not None:
        keep = math.ceil(min(keep / min(region[2:]), max_pixels))
    at_least = keep if keep is None or reader is None else max(keep, reader.at_least)
    picture = images.open_upright(
        data, max_pixels=max_pixels, at_least=at_least, before_decoding=before_decoding
    )
    if reader is not None:
        reader.look(picture.image)
        picture = picture if keep is None else images.shrunk(picture, keep)
    if region is not None:
        part = cut(picture, region)
        as_it_is = None if exact else Whole(*part.size, (0, 0, *part.size))
        return picture, to_pixels(part, spec, as_it_is)
    whole = None if exact else Whole(picture.width, picture.height, picture.box)
    return picture, to_pixels(picture.image, spec, whole)
