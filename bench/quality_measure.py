"""What one model finds among labelled photos, through the product's own index and rules."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

import numpy as np

from bench.quality_library import Rows, Seen, filled, id_of, seconds_to_calibrate
from bench.quality_photos import Word, words_of
from bench.quality_queries import ABSTRACT, nonsense
from chalicelib import thresholds
from chalicelib.clip import Clip
from chalicelib.clip.calibration import Calibration
from chalicelib.index.base import ALL, Index, RankedSet
from chalicelib.relevance import Candidate, Cut, confidence, decide, threshold_above
from chalicelib.thresholds import UNMEASURED

RANKED = 1000
"""As a search ranks at most."""

MOST = 500
"""So many specific words are asked at most, and once more with their photos gone."""

PAGE = 20
TENTHS = 10


@dataclass(slots=True)
class Figures:
    """Shares from 0 to 1, seconds, and counts of what was asked; None where nothing was."""

    model: str
    photos: int
    threshold: float | None = None
    figures: dict[str, float | None] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)

    def note(self, name: str, values: Sequence[float]) -> None:
        """The mean of `values`, one of each query."""
        self.figures[name] = fmean(values) if values else None
        self.asked[name] = len(values)


def measure(name: str, clip: Clip, seen: Seen, outside: list[str]) -> Figures:
    """Everything about one model. Without a calibration only what raw cosine finds."""
    found = Figures(name, len(seen.photos))
    specific, general = words_of(seen.photos)
    chance = random.Random(0)
    if len(specific) > MOST:
        specific = sorted(chance.sample(specific, MOST), key=lambda word: word.text)
    vectors = _vectors(clip, [word.text for word in (*specific, *general)])
    with filled(seen.rows, None) as raw:
        ranks = [_rank(raw, vectors[word.text], word) for word in specific]
        found.note("R@1 raw", [rank == 0 for rank in ranks])
        found.note("R@10 raw", [rank < 10 for rank in ranks])
        if clip.calibration is None:
            return found
        with filled(seen.rows, clip.calibration) as index:
            search = _Search(clip.calibration, index, vectors, found.photos)
            found.threshold = search.threshold
            _words(found, search, specific, general)
            _nothing(found, search, clip, outside)
            _removed(found, search, seen, specific, general)
            _times(found, search, raw, seen)
    return found


def _vectors(clip: Clip, texts: list[str]) -> dict[str, Rows]:
    return dict(zip(texts, clip.embed_texts(texts), strict=True))


def _rank(index: Index, query: Rows, word: Word) -> int:
    """The place of the best right photo, 10 for none among the first ten."""
    right = {id_of(number) for number in word.right}
    hits = index.search(query, ALL, limit=10, ranked=RANKED).hits
    return next((place for place, hit in enumerate(hits) if hit.record.id in right), 10)


class _Search:
    """A search by one text, as the product does it: calibrated, and cut off."""

    def __init__(
        self, calibration: Calibration, index: Index, vectors: dict[str, Rows], photos: int
    ) -> None:
        self.calibration = calibration
        self.index = index
        self.vectors = vectors
        self.threshold = (thresholds.measure(index, calibration, photos) or UNMEASURED).texts

    def query(self, vector: Rows) -> Rows:
        one: Rows = self.calibration.of_texts(vector[None])[0]
        return one

    def answer(self, vector: Rows, limit: int = RANKED) -> RankedSet:
        cut = Cut(self.threshold)
        return self.index.search(self.query(vector), ALL, limit=limit, ranked=RANKED, cut=cut)


def _words(found: Figures, search: _Search, specific: list[Word], general: list[Word]) -> None:
    sure: list[tuple[float, bool]] = []
    for kind, words in (("specific", specific), ("general", general)):
        precisions, recalls, missed = [], [], []
        for word in words:
            answer = search.answer(search.vectors[word.text])
            right, doubtful = _ids(word.right), _ids(word.doubtful)
            kept = [hit for hit in answer.hits if hit.record.id not in doubtful]
            good = sum(hit.record.id in right for hit in kept)
            missed.append(not answer.matched)
            recalls.append(good / len(right))
            if kept:
                precisions.append(good / len(kept))
            sure += [
                (confidence(hit.meaning, search.threshold), hit.record.id in right) for hit in kept
            ]
        found.note(f"missed, {kind}", missed)
        found.note(f"precision, {kind}", precisions)
        found.note(f"recall, {kind}", recalls)
    ranks = [
        _rank(search.index, search.query(search.vectors[word.text]), word) for word in specific
    ]
    found.note("R@1", [rank == 0 for rank in ranks])
    found.note("R@10", [rank < 10 for rank in ranks])
    found.figures["confidence off by"] = _off(sure)
    found.asked["confidence off by"] = len(sure)


def _ids(numbers: frozenset[int]) -> set[str]:
    return {id_of(number) for number in numbers}


def _off(sure: list[tuple[float, bool]]) -> float | None:
    """How far the mean confidence of each tenth of the kept pictures is from the share of right
    ones there, on average."""
    ordered = sorted(sure)
    size = len(ordered) / TENTHS
    parts = [ordered[round(n * size) : round((n + 1) * size)] for n in range(TENTHS)]
    gaps = [
        len(part) * abs(fmean(one[0] for one in part) - fmean(one[1] for one in part))
        for part in parts
        if part
    ]
    return sum(gaps) / len(ordered) if ordered else None


def _nothing(found: Figures, search: _Search, clip: Clip, outside: list[str]) -> None:
    for kind, texts in (
        ("nonsense", nonsense()),
        ("abstract", list(ABSTRACT)),
        ("outside", outside),
    ):
        answers = [search.answer(row, limit=1) for row in clip.embed_texts(texts)]
        found.note(f"answered, {kind}", [bool(answer.matched) for answer in answers])


def _removed(
    found: Figures, search: _Search, seen: Seen, specific: list[Word], general: list[Word]
) -> None:
    """What is asked for when its photos are gone: those it may be true of as well."""
    stored = search.calibration.stored(seen.rows)[0]
    nulls = search.calibration.null_texts @ stored.T
    siblings = [word for word in specific if word.siblings]
    for kind, words in (("removed category", general), ("absent sibling", siblings)):
        answered = []
        for word in words:
            gone = sorted(word.right | word.doubtful)
            left = np.delete(stored, gone, axis=0)
            if len(left):
                threshold = threshold_above(np.delete(nulls, gone, axis=1).max(axis=1).tolist())
                meanings = (left @ search.query(search.vectors[word.text])).tolist()
                candidates = [Candidate(str(n), meaning) for n, meaning in enumerate(meanings)]
                answered.append(bool(decide(candidates, Cut(threshold), RANKED).matched))
        found.note(f"answered, {kind}", answered)


def _times(found: Figures, search: _Search, raw: Index, seen: Seen) -> None:
    """Medians of a page of 20: raw cosine and calibrated with its cut, in turn."""
    plain: list[float] = []
    cut: list[float] = []
    for vector in list(search.vectors.values())[:MOST]:
        started = time.perf_counter()
        raw.search(vector, ALL, limit=PAGE, ranked=RANKED)
        between = time.perf_counter()
        search.answer(vector, limit=PAGE)
        plain.append(between - started)
        cut.append(time.perf_counter() - between)
    calibrating = seconds_to_calibrate(seen.rows, search.calibration)
    found.figures |= {
        "query, raw": median(plain),
        "query": median(cut),
        "query, added": median(b - a for a, b in zip(plain, cut, strict=True)),
        "image": seen.seconds,
        "image, added": calibrating,
    }
