"""What belongs in an answer, and in which order: pure rules over candidates. docs/adr/0032.

ρ, the meaning of an image for a query, is the inner product of the query's vector with the stored
one: about 1 where the picture answers to the query as strongly as to the nouns that fit it best.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal, NamedTuple

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
MARGIN = 0.20
"""A library's threshold is so much above this percentile of the best ρ of queries that mean
nothing."""

IMAGES_APART = 1.6
"""Photos of one kind are so many times as alike as all but 5 of 100 pairs of others are."""

KEPT_OF_THRESHOLD = 0.75
KEPT_SHARE = 0.70
"""Kept is what has at least these shares of the threshold and of the best. Both are shares, since
thresholds of pictures and of small libraries are on other scales."""

EVEN_AT = 1.1
STEEPNESS = 6.0
"""At so many times the threshold every second picture is what was asked for; how fast that
grows. Rounded from fits to the halves of 1,000 labelled photos; within 3 % in libraries of 40 to
1,000 of them."""

SURE_BY_WORDS = 0.9
"""How likely a picture that has every word asked for is what was meant, whatever it shows."""


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


class Candidate(NamedTuple):
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


def threshold_above(bests: Sequence[float]) -> float:
    """The threshold of a library in which queries that mean nothing find `bests` at best, one
    each: `MARGIN` above their `NULL_PERCENTILE`, by linear interpolation. Infinite where there is
    nothing to go by: no query, or no image."""
    ordered = sorted(filter(math.isfinite, bests))
    if not ordered:
        return math.inf
    place = (len(ordered) - 1) * NULL_PERCENTILE / 100
    below = ordered[math.floor(place)]
    above = ordered[math.ceil(place)]
    return below + (above - below) * (place % 1) + MARGIN


def floor_of(threshold: float, best: float) -> float:
    """The least ρ that is kept where the best is `best`; infinite where nothing matches."""
    if best < threshold:
        return math.inf
    return min(best, max(least_kept(threshold), KEPT_SHARE * best))


def least_kept(threshold: float) -> float:
    """Nothing is ever kept for a ρ below this."""
    return KEPT_OF_THRESHOLD * threshold


_Place = tuple[bool, float, str, float, Found | None]
_place = itemgetter(0, 1, 2)


def decide(candidates: Sequence[Candidate], cut: Cut | None, ranked: int) -> Decided:
    """The best `ranked` of `candidates` that belong in the answer, by falling score, then id.

    What is within the cut comes before all else, whatever the words of the rest add to it: so
    none that has every word asked for is lost to the many that mean a little of it.
    """
    floor = -math.inf
    if cut is not None:
        floor = floor_of(cut.threshold, max((one.meaning for one in candidates), default=-math.inf))
    places: list[_Place] = []
    for name, meaning, found, _, _ in candidates:
        if found is None:
            places.append((meaning < floor, 0.0 - round(meaning, 6), name, meaning, None))
        else:
            outside = meaning < floor and not (found.every or found.exact_name)
            places.append((outside, 0.0 - score_of(meaning, found), name, meaning, found))
    places.sort(key=_place)
    places = places[: max(0, ranked)]
    if cut is None:
        return Decided(_candidates(places), None, 0)
    count = sum(not place[0] for place in places)
    if cut.closest:
        return Decided(_candidates(places), count > 0, 0)
    return Decided(_candidates(places[:count]), count > 0, len(places) - count)


def _candidates(places: list[_Place]) -> list[Candidate]:
    return [
        Candidate(name, meaning, found, 0.0 - minus, not outside)
        for outside, minus, name, meaning, found in places
    ]


def image_threshold(alike: float) -> float:
    """The threshold of a search by a picture. `alike`: the ρ that 95 of 100 pairs of different
    photos are below (`Calibration.alike`). A figure of the model, not of the library: what is
    nearest to a photo in a large library is like it indeed."""
    return IMAGES_APART * alike


def threshold_of(texts: float, images: float, share_of_images: float, length: float = 1.0) -> float:
    """The threshold of a query of which `share_of_images` (0 to 1) are pictures, from those of
    texts alone and of pictures alone.

    `length` (above 0, at most 1) is that of the weighted mean of the parts' unit vectors. Pictures
    that have little in common make a short one, which is then made a unit: whatever has a
    little of each would be found. Texts are more particular, and get no correction.
    """
    mean = texts + (images - texts) * share_of_images
    return mean * float(min(1.0, length) ** (-share_of_images / 2))


def confidence(meaning: float, threshold: float, found: Found | None = None) -> float:
    """About how likely it is that the image is what was asked for, 0 to 1."""
    if found is not None and found.exact_name:
        return 1.0
    # Far below any threshold that is measured; keeps the division sane.
    beside = meaning / max(threshold, 0.1) - EVEN_AT
    chance = 1 / (1 + math.exp(-STEEPNESS * max(-50.0, min(50.0, beside))))
    if found is not None and found.every:
        chance = 1 - (1 - SURE_BY_WORDS) * (1 - chance)
    return chance
