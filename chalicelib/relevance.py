"""What belongs in an answer, and in which order: pure rules over candidates. docs/adr/0032.

ρ, the meaning of an image for a query, is the inner product of the query's vector with the stored
one: about 1 where the picture answers to the query as strongly as to the nouns that fit it best.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Order = Literal["best", "newest", "oldest"]

Field = Literal["name", "collection", "camera", "text"]
FIELDS: tuple[Field, ...] = ("name", "collection", "camera", "text")
"""Where words are looked for; `text` is the text in the picture."""

WEIGHTS: dict[Field, float] = {"name": 1.0, "collection": 1.0, "camera": 1.0, "text": 0.7}

WORDS_COUNT = 0.5
"""What all words found add to ρ."""

EXACT_NAME = 10.0
"""What having the very name asked for adds: more than any ρ."""

NULL_PERCENTILE = 95.0
MARGIN = 0.10
"""A library's threshold is so much above this percentile of the best ρ of queries that mean
nothing."""

KEPT_BELOW = 0.25
KEPT_SHARE = 0.70
"""Kept is what is at most so far below the threshold, and at least this share of the best."""


SHARE_DECIMALS = 6
"""Shares are rounded, so that it does not matter in which way a store adds them up."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What the words of a query ask, all as tokens (`chalicelib.words`). `words` count where they
    are found; each of `phrases` must stand in one field, as it is; none of `without` may.
    `whole` is the whole query: an image of that very name, with or without its ending, comes
    first."""

    words: tuple[str, ...] = ()
    phrases: tuple[tuple[str, ...], ...] = ()
    without: tuple[tuple[str, ...], ...] = ()
    whole: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Which of a query's words stand in which field of an image. `share` is what part of the
    query they are, 0 to 1, rare words counting for more; `every` whether all are there."""

    words: Mapping[Field, tuple[str, ...]]
    share: float = 0.0
    every: bool = False
    exact_name: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """Where answers end. `closest` asks for all that was ranked, and says only what is within."""

    threshold: float
    closest: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image as `decide` sees it; `score` and `within` are its to say."""

    id: str
    meaning: float
    found: Found | None = None
    score: float = 0.0
    within: bool = True


@dataclass(frozen=True, slots=True)
class Decided:
    """`kept` from the best; `rest` counts those that were ranked and not kept; `matched` says
    whether anything matches, None where there was no cut."""

    kept: list[Candidate]
    matched: bool | None
    rest: int


def weights_of(
    words: Iterable[str], frequencies: Mapping[str, int], images: int
) -> dict[str, float]:
    """The weight of each word, rare ones more: ln(1 + images / (1 + frequency)).

    `frequencies` says in how many of the `images` that take part a word stands.
    """
    return {word: math.log(1 + images / (1 + frequencies.get(word, 0))) for word in words}


def words_of(wording: Wording) -> tuple[str, ...]:
    """All words that count, each once: those of phrases too."""
    return tuple(
        dict.fromkeys((*wording.words, *(word for phrase in wording.phrases for word in phrase)))
    )


def found_of(
    wording: Wording,
    places: Mapping[Field, frozenset[str] | set[str]],
    weights: Mapping[str, float],
    *,
    exact_name: bool = False,
) -> Found | None:
    """What is found of `wording` in an image that has the words `places` says, by field; None for
    nothing. An image that takes part has all phrases, so their words are found too."""
    asked = words_of(wording)
    words: dict[Field, tuple[str, ...]] = {
        field: those
        for field in FIELDS
        if (those := tuple(word for word in asked if word in places.get(field, ())))
    }
    if not words and not exact_name:
        return None
    total = sum(weights[word] for word in asked)
    share = sum(
        weights[word] * max((WEIGHTS[f] for f, those in words.items() if word in those), default=0)
        for word in asked
    )
    every = bool(asked) and all(any(word in those for those in words.values()) for word in asked)
    share = round(share / total, SHARE_DECIMALS) if total else 0.0
    return Found(words, share, every, exact_name)


def score_of(meaning: float, found: Found | None) -> float:
    """What an image is ranked by, rounded to 6 decimals."""
    if found is None:
        return round(meaning, 6) + 0.0
    return round(meaning + WORDS_COUNT * found.share + EXACT_NAME * found.exact_name, 6) + 0.0


def floor_of(threshold: float, best: float) -> float:
    """The least ρ that is kept where the best is `best`; infinite where nothing matches."""
    if best < threshold:
        return math.inf
    return max(threshold - KEPT_BELOW, KEPT_SHARE * best)


def decide(candidates: Sequence[Candidate], cut: Cut | None, ranked: int) -> Decided:
    """The best `ranked` of `candidates` that belong in the answer, by falling score, then id."""
    scored = [replace(one, score=score_of(one.meaning, one.found)) for one in candidates]
    scored.sort(key=lambda one: (-one.score, one.id))
    scored = scored[: max(0, ranked)]
    if cut is None:
        return Decided(scored, None, 0)
    floor = floor_of(cut.threshold, max((one.meaning for one in scored), default=-math.inf))
    within = [replace(one, within=_is_within(one, floor)) for one in scored]
    kept = [one for one in within if one.within]
    matched = bool(kept)
    if cut.closest:
        # What is within comes first, whatever the words of the rest add to it.
        return Decided(kept + [one for one in within if not one.within], matched, 0)
    return Decided(kept, matched, len(within) - len(kept))


def _is_within(one: Candidate, floor: float) -> bool:
    found = one.found
    return one.meaning >= floor or (found is not None and (found.every or found.exact_name))


def threshold_of(texts: float, images: float, share_of_images: float) -> float:
    """The threshold of a query of which `share_of_images` (0 to 1) are pictures, from those of
    texts alone and of pictures alone."""
    return texts + (images - texts) * share_of_images


def confidence(meaning: float, threshold: float, found: Found | None = None) -> float:
    """About how likely it is that the image is what was asked for, 0 to 1."""
    if found is not None and (found.every or found.exact_name):
        return 1.0
    return 1 / (1 + math.exp(-6 * (meaning - threshold)))
