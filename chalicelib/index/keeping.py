"""Which images of the embedded index a search keeps: what `chalicelib.relevance.decide` says of
each candidate, here of all at once, and most of them without their exact scores."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chalicelib.index.embedded_words import Worded
from chalicelib.index.ranking import Scored, Scores, best_page, in_order, is_few
from chalicelib.relevance import Cut, floor_of

Mask = NDArray[np.bool_]


class Kept(NamedTuple):
    """`items` from the first; `rest` counts those that were ranked and not kept; `matched` is None
    where there was no cut."""

    items: list[Scored]
    matched: bool | None = None
    rest: int = 0


def kept_set(scores: Scores, taking: Mask | None, cut: Cut | None, ranked: int) -> Kept:
    """What `cut` admits of the best `ranked` among the candidates `taking` (None: all)."""
    if cut is not None and not cut.closest:
        kept = _cut_at_once(scores, taking, cut, ranked)
        if kept is not None:
            return kept
    best, _ = best_page(scores, taking, limit=ranked, ranked=ranked)
    return Kept(best) if cut is None else _cut(best, scores.worded, cut)


def candidates(scores: Scores, taking: Mask | None, ranked: int) -> Mask | None:
    """Which of `taking` (None: all) can be in a ranked set, bool [size]: the best by meaning, and
    of those that have any word the best by words."""
    worded = scores.worded
    if worded is None:
        return taking
    having = worded.share > 0 if taking is None else (worded.share > 0) & taking
    if int(np.count_nonzero(having)) <= ranked:
        # Each of these is a candidate, and what has no word and is not among the best by meaning
        # has all of those before it.
        return taking
    wordless = scores.wordless()
    best, _ = best_page(wordless, taking, limit=ranked, ranked=ranked)
    slots = np.flatnonzero(having)
    levels = worded.share[slots] + 2.0 * worded.called[slots]
    nth = np.partition(levels, len(levels) - ranked)[len(levels) - ranked]
    mask = np.zeros(scores.snapshot.size, dtype=np.bool_)
    mask[slots[levels == nth]] = True
    missing = ranked - int(np.count_nonzero(levels > nth))
    equal, _ = best_page(wordless, mask, limit=missing, ranked=missing)
    mask[:] = False
    mask[slots[levels > nth]] = True
    mask[[one.slot for one in (*best, *equal)]] = True
    return mask


def _cut(best: list[Scored], worded: Worded | None, cut: Cut) -> Kept:
    floor = floor_of(cut.threshold, max((one.meaning for one in best), default=-math.inf))
    within: list[Scored] = []
    beyond: list[Scored] = []
    for one in best:
        if one.meaning >= floor or (worded is not None and worded.answers(one.slot)):
            within.append(one)
        else:
            beyond.append(one._replace(within=False))
    if cut.closest:
        return Kept(within + beyond, bool(within), 0)
    return Kept(within, bool(within), len(beyond))


def _cut_at_once(scores: Scores, taking: Mask | None, cut: Cut, ranked: int) -> Kept | None:
    """What is kept where that is surely among the best `ranked`; None where it may not be, or
    where few take part."""
    count = scores.snapshot.size if taking is None else int(np.count_nonzero(taking))
    if is_few(scores.snapshot, count) or ranked < 1:
        return None
    meanings = scores.about_meanings()
    if taking is not None:
        meanings = np.where(taking, meanings, -np.inf)
    nearly_best = np.flatnonzero(meanings >= meanings.max() - 2 * scores.error)
    floor = floor_of(cut.threshold, float(scores.exact_meanings(nearly_best).max()))
    keeping = meanings >= floor - scores.error
    about: NDArray[np.floating] = meanings
    if scores.worded is not None:
        answering = scores.worded.every | scores.worded.called
        keeping |= answering if taking is None else answering & taking
        about = scores.worded.scores(meanings.astype(np.float64))
    slots = np.flatnonzero(keeping)
    lowest = min(about[slots].min(initial=np.inf), about[nearly_best].min()) - 2 * scores.error
    if int(np.count_nonzero(about >= lowest)) > ranked:
        return None
    exact, exact_meanings = scores.exact(slots)
    within = exact_meanings >= floor
    if scores.worded is not None:
        within |= answering[slots]
    items = in_order(scores, slots[within], exact[within], exact_meanings[within])
    return Kept(items, bool(items), min(ranked, count) - len(items))
