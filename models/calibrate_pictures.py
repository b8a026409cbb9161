"""Pictures of nothing: what a search by picture finds with them says where nothing matches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NULL_PICTURES = 64

_SEED = 31
_GRIDS = (2, 4, 8, 16, 32, 64)
"""Cells a side of random colours: from broad washes of colour to fine grain."""


def null_pictures(side: int) -> NDArray[np.uint8]:
    """uint8 [64, side, side, 3], always the same: random colours on grids from coarse to fine,
    hard-edged or blended, some of one hue, some striped."""
    rng = np.random.default_rng(_SEED)
    return np.stack([_picture(rng, number, side) for number in range(NULL_PICTURES)])


def _picture(rng: np.random.Generator, number: int, side: int) -> NDArray[np.uint8]:
    grid = _GRIDS[number % len(_GRIDS)]
    high, wide = (grid, grid) if number % 4 else (grid, 1)
    cells = rng.random((high, wide, 3))
    if number % 3 == 0:
        cells = rng.random(3) * (0.5 + 0.5 * cells[..., :1])
    blended = number % 2 == 0
    for axis in (0, 1):
        cells = _stretched(cells, axis, side, blended=blended)
    return np.asarray(np.round(cells * 255), np.uint8)


def _stretched(
    cells: NDArray[np.float64], axis: int, side: int, *, blended: bool
) -> NDArray[np.float64]:
    """`cells` made `side` long along `axis`: straight lines between them, or each as it is."""
    count = cells.shape[axis]
    at = np.linspace(0, count - 1, side) if blended else np.arange(side) * count // side
    low = np.floor(at).astype(int)
    share = (at - low).reshape([-1 if axis == n else 1 for n in range(cells.ndim)])
    left = np.take(cells, low, axis)
    right = np.take(cells, np.minimum(low + 1, count - 1), axis)
    return np.asarray(left + (right - left) * share)
