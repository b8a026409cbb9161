"""A cheap look at a picture: whether it may hold text, and whether it was drawn by a machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.ocr.sizes import bands

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_SIDE = 640
_CLOSER = 1280
"""Pixels of the longer side that is looked at; of drawn pictures the second too, since letters of
12 pixels on a screen of 1,920 are but 4 high in the first, and grey."""

_LEAST = 0.085
"""What the most text-like place must reach. Of 1,000 photos an eighth stay below it, 3 of the 187
with words among them; of pictures made to be read, none (`make bench-ocr`)."""

_BLOCK = 16
_EDGE = 24
"""Grey levels between two neighbours that make an edge."""
_STROKE = 5
"""Pixels between the two edges of a stroke, at most."""
_STEP_BACK = 3
_EVEN = 0.5
"""Share of pixels just like both neighbours above which a picture is drawn; photos have noise."""


class Glance(NamedTuple):
    may_hold_text: bool
    drawn: bool
    """A screenshot or graphic: its letters may be of a few pixels, sharp all the same."""


def glance(image: Image) -> Glance:
    """Look at `image` (RGB); some milliseconds.

    Text is strokes: an edge up and an edge down within a few pixels, many of them beside each
    other, in two tones. So, for blocks of 16 × 16 pixels: the share of pixels where a stroke ends,
    times the share near the block's darkest or brightest; the mean of three blocks in a row.
    """
    pieces = list(_pieces(image))
    greys = [_grey(piece, _SIDE) for piece in pieces]
    drawn = sum(map(_evenness, greys)) / len(greys) >= _EVEN
    # Large letters have strokes that are too wide for the eye; it steps back.
    found = any(_like_text(grey) or _like_text(_coarser(grey)) for grey in greys)
    if drawn and not found:
        found = any(_like_text(_grey(piece, _CLOSER)) for piece in pieces)
    return Glance(found, drawn)


def _pieces(image: Image) -> Iterator[Image]:
    """Of a long picture its bands: as a whole it would be too small to see anything in."""
    for first, last in bands(min(image.size), max(image.size)):
        upright = image.height >= image.width
        box = (0, first, image.width, last) if upright else (first, 0, last, image.height)
        yield image.crop(box)


def _evenness(grey: NDArray[np.int16]) -> float:
    """The share of pixels that are just like those before and above them."""
    import numpy as np

    across, down = np.abs(np.diff(grey, axis=1)), np.abs(np.diff(grey, axis=0))
    return float(((across[1:] <= 1) & (down[:, 1:] <= 1)).mean())


def text_area(image: Image) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the least box around all of `image` (RGB) that looks faintly like
    text, with room around; the whole where nothing does."""
    import numpy as np

    grey = _grey(image, _CLOSER)
    rows, columns = np.nonzero(_likeness(grey) >= _LEAST / 4)
    if not len(rows):
        return 0, 0, image.width, image.height
    pixels = max(1.0, max(image.size) / _CLOSER)
    left, right = (int(n * _BLOCK * pixels) for n in (columns.min() - 2, columns.max() + 3))
    top, bottom = (int(n * _BLOCK * pixels) for n in (rows.min() - 2, rows.max() + 3))
    return max(0, left), max(0, top), min(image.width, right), min(image.height, bottom)


def _like_text(grey: NDArray[np.int16]) -> bool:
    """Whether some place is."""
    return float(_likeness(grey).max()) >= _LEAST


def _likeness(grey: NDArray[np.int16]) -> NDArray[np.float64]:
    """How much like text each block is, with those beside it."""
    import numpy as np

    across = np.zeros_like(grey)
    np.subtract(grey[:, 1:], grey[:, :-1], out=across[:, 1:])
    blocks = np.pad(_block_means(_stroke_ends(across)) * _two_tones(grey), ((0, 0), (1, 1)))
    likeness: NDArray[np.float64] = (blocks[:, :-2] + blocks[:, 1:-1] + blocks[:, 2:]) / 3
    return likeness


def _coarser(grey: NDArray[np.int16]) -> NDArray[np.int16]:
    """A third as many pixels along each side."""
    import numpy as np

    height, width = (side // _STEP_BACK * _STEP_BACK for side in grey.shape)
    squares = grey[:height, :width].reshape(-1, _STEP_BACK, width // _STEP_BACK, _STEP_BACK)
    return _padded(squares.mean((1, 3)).astype(np.int16))


def _grey(image: Image, side: int) -> NDArray[np.int16]:
    """Grey levels [height, width], each side a multiple of the block."""
    import numpy as np
    from PIL.Image import Resampling

    scale = side / max(image.size)
    grey = image.convert("L")
    if scale < 1:
        width, height = (max(1, round(length * scale)) for length in image.size)
        grey = grey.resize((width, height), Resampling.BILINEAR, reducing_gap=2.0)
    return _padded(np.asarray(grey).astype(np.int16))


def _padded(grey: NDArray[np.int16]) -> NDArray[np.int16]:
    import numpy as np

    return np.pad(grey, [(0, -side % _BLOCK) for side in grey.shape], mode="edge")


def _stroke_ends(across: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Where an edge follows one the other way, by at most a stroke's width."""
    up, down = across > _EDGE, across < -_EDGE
    after_up, after_down = up.copy(), down.copy()
    for n in range(1, _STROKE + 1):
        after_up[:, n:] |= up[:, :-n]
        after_down[:, n:] |= down[:, :-n]
    ends: NDArray[np.bool_] = (after_up & down) | (after_down & up)
    return ends


def _two_tones(grey: NDArray[np.int16]) -> NDArray[np.float64]:
    """For each block the share of pixels in the lowest or highest quarter of its range."""
    import numpy as np

    blocks = _blocks(grey)
    low, high = blocks.min((1, 3), keepdims=True), blocks.max((1, 3), keepdims=True)
    quarter = np.maximum(high - low, 1) / 4
    share: NDArray[np.float64] = ((blocks - low < quarter) | (high - blocks < quarter)).mean((1, 3))
    return share


def _block_means(values: NDArray[np.bool_]) -> NDArray[np.float64]:
    means: NDArray[np.float64] = _blocks(values).mean((1, 3))
    return means


def _blocks(values: NDArray[np.generic]) -> NDArray[np.generic]:
    height, width = values.shape
    return values.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
