"""Which images of the embedded index a search keeps: what `chalicelib.relevance.decide` says of
each candidate, here of all at once, and most of them without their exact scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chalicelib.index.ranking import Scored, Scores, best_page, best_slots, in_order, is_few
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
    size = scores.snapshot.size
    count = size if taking is None else int(np.count_nonzero(taking))
    total = max(0, min(ranked, count))
    if cut is None:
        return Kept(best_page(scores, taking, limit=ranked, ranked=ranked)[0])
    if not total:
        return Kept([], False)
    within = _within(scores, taking, cut, total, few=is_few(scores.snapshot, count))
    if not cut.closest:
        return Kept(within, bool(within), total - len(within))
    others = np.ones(size, dtype=np.bool_) if taking is None else taking.copy()
    others[[one.slot for one in within]] = False
    missing = total - len(within)
    beyond, _ = best_page(scores, others, limit=missing, ranked=missing)
    return Kept(within + [one._replace(within=False) for one in beyond], bool(within))


def candidates(scores: Scores, taking: Mask | None, ranked: int) -> Mask | None:
    """Which of `taking` (None: all) can be in a ranked set, bool [size]: the best by meaning, and
    of those that have any word the best by words."""
    worded = scores.worded
    if worded is None:
        return taking
    having = worded.slots if taking is None else worded.slots[taking[worded.slots]]
    if len(having) <= max(0, ranked):
        # Each of these is a candidate, and what has no word and is not among the best by meaning
        # has all of those before it.
        return taking
    wordless = scores.wordless()
    everyone = np.arange(scores.snapshot.size) if taking is None else np.flatnonzero(taking)
    levels = worded.share[having] + 2.0 * worded.called[having]
    nth = np.partition(levels, len(levels) - ranked)[len(levels) - ranked] if ranked > 0 else 4.0
    sure = having[levels > nth]
    mask = np.zeros(scores.snapshot.size, dtype=np.bool_)
    mask[best_slots(wordless, everyone, ranked)] = True
    mask[sure] = True
    mask[best_slots(wordless, having[levels == nth], ranked - len(sure))] = True
    return mask


def _within(
    scores: Scores, taking: Mask | None, cut: Cut, ranked: int, *, few: bool
) -> list[Scored]:
    """The best `ranked` of what is within the cut. `few` take part, or not."""
    if few:
        slots = np.arange(scores.snapshot.size) if taking is None else np.flatnonzero(taking)
        floor = floor_of(cut.threshold, float(scores.exact_meanings(slots).max()))
    else:
        meanings = scores.about_meanings()
        if taking is not None:
            meanings = np.where(taking, meanings, -np.inf)
        nearly_best = np.flatnonzero(meanings >= meanings.max() - 2 * scores.error)
        floor = floor_of(cut.threshold, float(scores.exact_meanings(nearly_best).max()))
        keeping = meanings >= floor - scores.error
        if int(np.count_nonzero(keeping)) > ranked:
            unsure = np.flatnonzero(keeping & (meanings <= floor + scores.error))
            keeping[unsure] = scores.exact_meanings(unsure) >= floor
        if scores.worded is not None:
            answers = scores.worded.answers
            keeping |= answers if taking is None else answers & taking
        slots = best_slots(scores, np.flatnonzero(keeping), ranked)
    exact, exact_meanings = scores.exact(slots)
    within = exact_meanings >= floor
    if scores.worded is not None:
        within |= scores.worded.answers[slots]
    return in_order(scores, slots[within], exact[within], exact_meanings[within])[:ranked]
