"""Which images a page shows: exactly the best, in an order that never depends on BLAS.

A float32 matrix product finds the finalists; they are scored again in float64, one row at a time,
and ordered by falling score (rounded to 6 decimals), then id. The float32 scores decide nothing:
every image they could be wrong about is a finalist.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chalicelib.index.checks import LENGTH_TOLERANCE
from chalicelib.index.vectors import Snapshot

_FEW = 256
_CHUNK = 2048
_LOWEST = -4.0

Scored = tuple[int, float]
"""(slot, score)"""


def score_error(dim: int) -> float:
    """How far a float32 inner product of two unit vectors [dim] can be from its exact score.

    The classic bound dim · u on any order of summation, and half a unit of the sixth decimal.
    """
    lengths = (1 + LENGTH_TOLERANCE) ** 2
    return dim * 2.0**-24 * 1.01 * lengths + 0.5e-6 + 0.5e-6


def exact_scores(rows: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores as answers show them, [len(rows)]: each depends on its own row and `query` alone."""
    scores = np.empty(len(rows), dtype=np.float64)
    wide = query.astype(np.float64)
    for first in range(0, len(rows), _CHUNK):
        part = rows[first : first + _CHUNK].astype(np.float64)
        part *= wide
        scores[first : first + _CHUNK] = part.sum(axis=1)
    return np.round(scores, 6) + 0.0


def best_page(
    snapshot: Snapshot,
    query: NDArray[np.float32],
    taking: NDArray[np.bool_] | None,
    *,
    limit: int,
    ranked: int,
    after: tuple[float, str] | None,
) -> tuple[list[Scored], int]:
    """The page behind `after` of the best `ranked` slots among `taking` (None: all), and the
    size of that whole ranked set."""
    count = snapshot.size if taking is None else int(np.count_nonzero(taking))
    total = max(0, min(ranked, count))
    if total == 0 or limit <= 0:
        return [], total
    before = 0
    if count <= max(_FEW, snapshot.size // 16):
        slots = np.arange(count) if taking is None else np.flatnonzero(taking)
    else:
        scores: NDArray[np.floating] = snapshot.products(query)
        if taking is not None:
            scores[~taking] = -np.inf
        slots, before = _finalists(scores, limit, total, after, score_error(len(query)))
    exact = exact_scores(snapshot.rows(slots), query) if len(slots) else np.empty(0)
    places, sure = _finalists(exact.copy(), limit, total - before, after, 0.0)
    ids = [snapshot.ids[slot] for slot in slots[places].tolist()]
    order = sorted(zip((-exact[places]).tolist(), ids, places.tolist(), strict=True))
    order = order[: total - before - sure]
    if after is not None:
        order = [item for item in order if item[:2] > (-after[0], after[1])]
    return [(int(slots[place]), -score + 0.0) for score, _, place in order[:limit]], total


def page_behind(
    snapshot: Snapshot, best: list[Scored], *, limit: int, after: tuple[float, str] | None
) -> list[Scored]:
    """The page behind `after` of a ranked set that is known as a whole."""
    if after is not None:
        place = (-after[0], after[1])
        best = [(slot, score) for slot, score in best if (-score, snapshot.ids[slot]) > place]
    return best[: max(0, limit)]


def _finalists(
    scores: NDArray[np.floating],
    limit: int,
    ranked: int,
    after: tuple[float, str] | None,
    error: float,
) -> tuple[NDArray[np.int64], int]:
    """(every place that may be on the page, how many places surely come before those).

    `scores` are within `error` of the exact ones, -inf for what takes no part, and are used up.
    """
    before = 0
    if after is not None:
        sure = scores > after[0] + error
        before = int(np.count_nonzero(sure))
        scores[sure] = -np.inf
        limit += int(np.count_nonzero(scores >= after[0] - error))
    wanted = min(limit, ranked - before)
    if wanted <= 0:
        return np.empty(0, dtype=np.int64), before
    lowest = _LOWEST
    if wanted < len(scores):
        nth = len(scores) - wanted
        lowest = max(lowest, float(np.partition(scores, nth)[nth]) - 2 * error)
    return np.flatnonzero(scores >= lowest), before
