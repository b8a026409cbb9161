"""Two models' indexes of one bucket: what each covers, and how alike their answers are.

For the moment before a change of model: coverage says whether the new index has everything, the
overlap how much searches will change. A low overlap is neither good nor bad by itself.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from chalicelib.errors import UnusableVector
from chalicelib.index.base import Index
from chalicelib.records import MAX_RANKED, Filters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.clip.calibration import Calibration

TOP = 10

_PAGE = 50
_KEYS = 10

_EVERYDAY = """
baby beach bicycle bird birthday boat book bridge building cake car cat child church city cloud
computer dog door face flower food forest friends garden grass group horse house kitchen lake lamp
market mountain night people portrait rain river road sea shoes sky snow street sunset table train
tree water
"""

WORDS = tuple(_EVERYDAY.split())
"""What to ask where nobody's query log is at hand."""


class TextEncoder(Protocol):
    """The part of `Clip` that a comparison needs."""

    @property
    def calibration(self) -> Calibration | None: ...
    def embed_texts(self, texts: list[str], /) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Side:
    """One model with its index; `name` is the index's."""

    name: str
    index: Index
    encoder: TextEncoder


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many images are searchable where. `rejected_in_new` are those that the old index has
    ready, with the first few of their keys."""

    ready_in_old: int
    ready_in_new: int
    in_both: int
    only_in_old: int
    only_in_new: int
    rejected_in_new: int
    rejected_in_new_keys: list[str]


@dataclass(frozen=True, slots=True)
class Overlap:
    """The mean share that the best ten of both have in common, from 0 to 1, and over how many
    queries; None where there was nothing to ask."""

    mean: float | None
    queries: int


@dataclass(frozen=True, slots=True)
class Comparison:
    old: str
    new: str
    coverage: Coverage
    overlap_by_words: Overlap
    overlap_by_images: Overlap


def compare(
    old: Side,
    new: Side,
    *,
    words: Sequence[str] = WORDS,
    sample: int = 200,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Comparison:
    """Ask both indexes the same: each of `words`, by each model's own vectors, and "more like
    this" for `sample` images, by each index's own vectors.

    Of each answer the best ten images that are ready in both indexes count, so that what one of
    them lacks is seen in the coverage alone. The sample is always the same for the same images.
    """
    coverage, common = _coverage(old.index, new.index)
    images = heapq.nsmallest(sample, common, key=_scattered)
    asked = 0
    shares: dict[str, list[float]] = {"words": [], "images": []}
    for kind, queries in (("words", words), ("images", images)):
        for query in queries:
            progress(asked, len(words) + len(images))
            by = _by_words if kind == "words" else _by_image
            share = _share(by(old, query, common), by(new, query, common))
            if share is not None:
                shares[kind].append(share)
            asked += 1
    progress(asked, asked)
    return Comparison(
        old.name, new.name, coverage, _overlap(shares["words"]), _overlap(shares["images"])
    )


def _coverage(old: Index, new: Index) -> tuple[Coverage, AbstractSet[str]]:
    """The coverage, and the ids of the images ready in both."""
    states = {summary.id: summary.state for summary in new.scan()}
    ready_in_new = sum(state == "ready" for state in states.values())
    ready_in_old = 0
    common: set[str] = set()
    rejected: list[str] = []
    for summary in old.scan():
        if summary.state != "ready":
            continue
        ready_in_old += 1
        state = states.get(summary.id)
        if state == "ready":
            common.add(summary.id)
        elif state == "rejected":
            rejected.append(summary.key)
    coverage = Coverage(
        ready_in_old=ready_in_old,
        ready_in_new=ready_in_new,
        in_both=len(common),
        only_in_old=ready_in_old - len(common),
        only_in_new=ready_in_new - len(common),
        rejected_in_new=len(rejected),
        rejected_in_new_keys=heapq.nsmallest(_KEYS, rejected),
    )
    return coverage, common


def _scattered(id: str) -> bytes:
    return hashlib.sha256(id.encode()).digest()


def _by_words(side: Side, text: str, common: AbstractSet[str]) -> set[str] | None:
    try:
        rows = side.encoder.embed_texts([text])
    except UnusableVector:
        return None
    if calibration := side.encoder.calibration:
        rows = calibration.of_texts(rows)
    return _best(side.index, rows[0], common)


def _by_image(side: Side, id: str, common: AbstractSet[str]) -> set[str] | None:
    vector = side.index.vector(id)
    if vector is None:
        # Deleted since it was sampled.
        return None
    # As it is stored, it is as much longer as its response is less than 1.
    unit = vector / math.sqrt(float(vector @ vector))
    return _best(side.index, unit, common, leave_out=frozenset([id]))


def _best(
    index: Index,
    vector: NDArray[np.float32],
    common: AbstractSet[str],
    leave_out: frozenset[str] = frozenset(),
) -> set[str]:
    """The ids of the best ten of `common`."""
    found: list[str] = []
    after = None
    while len(found) < TOP:
        hits = index.search(
            vector, Filters(), limit=_PAGE, ranked=MAX_RANKED, after=after, leave_out=leave_out
        ).hits
        found += [hit.record.id for hit in hits if hit.record.id in common]
        if len(hits) < _PAGE:
            break
        after = (hits[-1].score, hits[-1].record.id)
    return set(found[:TOP])


def _share(one: set[str] | None, other: set[str] | None) -> float | None:
    if not one or not other:
        return None
    return len(one & other) / max(len(one), len(other))


def _overlap(shares: Sequence[float]) -> Overlap:
    return Overlap(round(sum(shares) / len(shares), 4) if shares else None, len(shares))
