"""Which images answer best: exactly the best, in an order that never depends on BLAS.

A float32 matrix product finds the finalists; they are scored again in float64, one row at a time,
and ordered by falling score (rounded to 6 decimals), then id. The float32 scores decide nothing:
every image they could be wrong about is a finalist.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chalicelib.index.base import Place
from chalicelib.index.checks import LENGTH_TOLERANCE
from chalicelib.index.embedded_words import Worded
from chalicelib.index.vectors import Snapshot

_FEW = 256
_CHUNK = 2048
_LOWEST = float(np.finfo(np.float32).min)


class Scored(NamedTuple):
    """The image in `slot`: `score` is `meaning` and what words add to it."""

    slot: int
    score: float
    meaning: float
    within: bool = True


def score_error(dim: int, longest: float) -> float:
    """How far a float32 inner product of a unit query [dim] with a vector of at most the length
    `longest` can be from its exact score.

    The classic bound dim · u on any order of summation, and half a unit of the sixth decimal; a
    score with words is rounded once more.
    """
    lengths = (1 + LENGTH_TOLERANCE) * longest
    return dim * 2.0**-24 * 1.01 * lengths + 2 * 0.5e-6 + 0.5e-6


def exact_scores(rows: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores as answers show them, [len(rows)]: each depends on its own row and `query` alone."""
    scores = np.empty(len(rows), dtype=np.float64)
    wide = query.astype(np.float64)
    for first in range(0, len(rows), _CHUNK):
        part = rows[first : first + _CHUNK].astype(np.float64)
        part *= wide
        scores[first : first + _CHUNK] = part.sum(axis=1)
    return np.round(scores, 6) + 0.0


class Scores:
    """The scores of all slots of `snapshot` for one query, and of what `worded` found for it."""

    def __init__(
        self, snapshot: Snapshot, query: NDArray[np.float32], worded: Worded | None = None
    ) -> None:
        self.snapshot = snapshot
        self.worded = worded
        self.error = score_error(len(query), snapshot.longest)
        self._query = query
        self._meanings: NDArray[np.float32] | None = None

    def wordless(self) -> Scores:
        """The same of meaning alone."""
        other = Scores(self.snapshot, self._query)
        other._meanings = self.about_meanings()
        return other

    def about_meanings(self) -> NDArray[np.float32]:
        """Within `error` of the exact ones, [size]."""
        if self._meanings is None:
            self._meanings = self.snapshot.products(self._query)
        return self._meanings

    def about(self) -> NDArray[np.floating]:
        """Scores within `error` of the exact ones, [size]; the caller may use them up."""
        if self.worded is None:
            return self.about_meanings().copy()
        return self.worded.scores(self.about_meanings())

    def about_of(self, slots: NDArray[np.int64]) -> NDArray[np.floating]:
        """The same of `slots`."""
        meanings = self.about_meanings()[slots]
        if self.worded is None:
            return meanings
        return self.worded.scores_of(slots, meanings.astype(np.float64))

    def exact_meanings(self, slots: NDArray[np.int64]) -> NDArray[np.float64]:
        if not len(slots):
            return np.empty(0)
        return exact_scores(self.snapshot.rows(slots), self._query)

    def exact(self, slots: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(scores, meanings) as answers show them."""
        meanings = self.exact_meanings(slots)
        if self.worded is None:
            return meanings, meanings
        # As relevance.score_of rounds: numpy does halves otherwise.
        scores = self.worded.scores_of(slots, meanings).tolist()
        return np.array([round(score, 6) + 0.0 for score in scores]), meanings


def best_page(
    scores: Scores,
    taking: NDArray[np.bool_] | None,
    *,
    limit: int,
    ranked: int,
    after: Place | None = None,
) -> tuple[list[Scored], int]:
    """The page behind `after` of the best `ranked` slots among `taking` (None: all), and the
    size of that whole ranked set."""
    snapshot = scores.snapshot
    count = snapshot.size if taking is None else int(np.count_nonzero(taking))
    total = max(0, min(ranked, count))
    if total == 0 or limit <= 0:
        return [], total
    before = 0
    if is_few(snapshot, count):
        slots = np.arange(count) if taking is None else np.flatnonzero(taking)
    else:
        about = scores.about()
        if taking is not None:
            about[~taking] = -np.inf
        slots, before = _finalists(about, limit, total, after, scores.error)
    exact, meanings = scores.exact(slots)
    places, sure = _finalists(exact.copy(), limit, total - before, after, 0.0)
    order = in_order(scores, slots[places], exact[places], meanings[places])
    order = order[: total - before - sure]
    if after is not None:
        ids, end = snapshot.ids, (-after[0], after[1])
        order = [one for one in order if (-one.score, ids[one.slot]) > end]
    return order[:limit], total


def best_slots(scores: Scores, slots: NDArray[np.int64], ranked: int) -> NDArray[np.int64]:
    """The best `ranked` of `slots`, in no order. Only those at the end of the set are scored
    exactly."""
    if ranked >= len(slots):
        return slots
    if ranked < 1:
        return slots[:0]
    about = scores.about_of(slots)
    nth = float(np.partition(about, len(about) - ranked)[len(about) - ranked])
    # Fewer than `ranked` are above the nth, and what is by two errors above it is so exactly.
    sure = about > nth + 2 * scores.error
    unsure = slots[(about >= nth - 2 * scores.error) & ~sure]
    missing = ranked - int(np.count_nonzero(sure))
    last = in_order(scores, unsure, *scores.exact(unsure))[:missing]
    return np.concatenate([slots[sure], [one.slot for one in last]])


def is_few(snapshot: Snapshot, count: int) -> bool:
    """Whether scoring `count` slots one by one is cheaper than a product with all."""
    return count <= max(_FEW, snapshot.size // 16)


def in_order(
    scores: Scores,
    slots: NDArray[np.int64],
    exact: NDArray[np.float64],
    meanings: NDArray[np.float64],
) -> list[Scored]:
    """By falling score, then id."""
    ids = scores.snapshot.ids
    known = zip(slots.tolist(), exact.tolist(), meanings.tolist(), strict=True)
    order = sorted((-score, ids[slot], slot, meaning) for slot, score, meaning in known)
    return [Scored(slot, -score + 0.0, meaning) for score, _, slot, meaning in order]


def _finalists(
    scores: NDArray[np.floating],
    limit: int,
    ranked: int,
    after: Place | None,
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
