"""Records and vectors for the index tests, and the plainest true answer to a search."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.index.base import (
    FACETS,
    MAX_FACET_VALUES,
    Facet,
    Facets,
    Index,
    Version,
    Write,
)
from chalicelib.records import Filters, Hit, ImageRecord

DIM = 8
NOW = datetime(2024, 5, 17, 12, 30, tzinfo=timezone.utc)
ANY = Filters()
ROOT = Path(__file__).resolve().parents[2]


def name_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def unit(values: Sequence[float] | NDArray[Any]) -> NDArray[np.float32]:
    array = np.asarray(values, dtype=np.float64)
    return (array / np.linalg.norm(array)).astype(np.float32)


def random_units(count: int, *, seed: int = 0, dim: int = DIM) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def toward(cosine: float) -> NDArray[np.float32]:
    """A vector whose inner product with `QUERY` is `cosine`."""
    return unit([cosine, math.sqrt(1 - cosine * cosine)] + [0.0] * (DIM - 2))


QUERY = toward(1.0)


def ready(number: int, vector: NDArray[np.float32] | None = None, **fields: Any) -> ImageRecord:
    values: dict[str, Any] = {
        "id": name_of(number),
        "bucket": "photos",
        "key": f"trips/{number}.jpg",
        "name": f"Photo {number}",
        "collection": "trips",
        "state": "ready",
        "format": "jpeg",
        "indexed_at": NOW,
        "uploaded_at": NOW,
        "vector": QUERY if vector is None else vector,
    }
    return ImageRecord(**(values | fields))


def bare(number: int, **fields: Any) -> ImageRecord:
    """A record without a vector, for states other than ready."""
    return replace(ready(number, **({"state": "rejected"} | fields)), vector=None)


def tombstone(number: int, **fields: Any) -> ImageRecord:
    return bare(number, state="deleted", **({"uploaded_at": None} | fields))


def put(index: Index, *records: ImageRecord) -> None:
    """Store `records` whatever is there, as a lone worker would."""
    held = index.read([record.id for record in records])
    writes = [Write(r, held[r.id].version if r.id in held else None) for r in records]
    assert index.write(writes) == ["written"] * len(records)


def version_of(index: Index, number: int) -> Version:
    return index.read([name_of(number)])[name_of(number)].version


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.record.id for hit in hits]


def search_ids(index: Index, filters: Filters = ANY, **options: Any) -> list[str]:
    found = index.search(QUERY, filters, **({"limit": 100, "ranked": 1000} | options))
    return ids(found.hits)


def walk(
    index: Index,
    query: NDArray[np.float32],
    filters: Filters = ANY,
    *,
    limit: int,
    ranked: int,
    **options: Any,
) -> list[Hit]:
    """Every page, one after the other."""
    hits: list[Hit] = []
    after = None
    while page := index.search(
        query, filters, limit=limit, ranked=ranked, after=after, **options
    ).hits:
        hits += page
        after = (page[-1].score, page[-1].record.id)
    return hits


def walk_on(index: Index, query: NDArray[np.float32] = QUERY, **options: Any) -> list[Hit]:
    """Every page, each from where the one before says that it starts."""
    hits: list[Hit] = []
    options = {"filters": ANY, "limit": 3, "ranked": 1000} | options
    after = None
    for _ in range(1000):
        found = index.search(query, after=after, **options)
        hits += found.hits
        after = found.next
        if after is None:
            return hits
    raise AssertionError("pages without an end")


def true_order(
    named: dict[str, NDArray[np.float32]], query: NDArray[np.float32]
) -> list[tuple[float, str]]:
    """(-score, id) of every vector, best first, added up without any rounding error."""
    scored = []
    for name, vector in named.items():
        pairs = zip(vector.tolist(), query.tolist(), strict=True)
        score = math.fsum(a * b for a, b in pairs)
        scored.append((-round(score, 6) + 0.0, name))
    return sorted(scored)


def scores_of(hits: Sequence[Hit]) -> list[float]:
    return [hit.score for hit in hits]


def close_to(scores: Sequence[float], tolerance: float) -> Any:
    """Equal to scores that are each at most `tolerance` off; to none but these where it is 0."""
    return pytest.approx(list(scores), rel=0, abs=tolerance)


def disagreements(
    hits: Sequence[Hit],
    truth: Sequence[tuple[float, str]],
    tolerance: float,
    *,
    ranked: int | None = None,
) -> list[str]:
    """What is wrong with `hits` as the best `ranked` (None: all) of `truth`, one sentence each.

    `truth` is the `true_order` of all that was admitted. Where `tolerance` is 0 the two must be
    the same to the last digit. Elsewhere each score may be off by it; the order is that of the
    store's own scores, and images may change places over the end of the ranked set whose scores
    are too near to it to tell, also between one page and the next, so that one or two may be
    there too many or too few.
    """
    cut = len(truth) if ranked is None else min(ranked, len(truth))
    given = [(-hit.score + 0.0, hit.record.id) for hit in hits]
    expected = list(truth[:cut])
    if tolerance == 0:
        return [] if given == expected else [f"{given} is not {expected}"]
    scores = {name: score for score, name in truth}
    wrong = [f"{name} has no place here" for _, name in given if name not in scores]
    wrong += [
        f"the score of {name} is {-score}, not {-scores[name]}"
        for score, name in given
        if name in scores and abs(score - scores[name]) > tolerance
    ]
    if abs(len(given) - cut) > (0 if cut == len(truth) else 2):
        wrong.append(f"{len(given)} images, not {cut}")
    if given != sorted(given):
        wrong.append("not in the order of their scores and ids")
    names, best = {name for _, name in given}, {name for _, name in expected}
    if len(names) != len(given):
        wrong.append("an image is there twice")
    # One may be too high by the tolerance while the other is too low by it.
    wrong += [
        f"{name} is on the wrong side of the end"
        for name in names ^ best
        if name in scores and abs(scores[name] - expected[-1][0]) > 2 * tolerance
    ]
    return wrong


def facet_values(record: ImageRecord) -> dict[Facet, str]:
    """What each facet counts `record` under."""
    values: dict[Facet, str] = {"collection": record.collection, "format": record.format}
    if record.camera:
        values["camera"] = record.camera
    if (moment := record.taken_at or record.uploaded_at) is not None:
        values["year"] = str(moment.astimezone(timezone.utc).year)
    return values


def true_facets(records: Iterable[ImageRecord]) -> dict[Facet, list[tuple[str, int]]]:
    """(value, how many have it) of each facet, in the order they must come in."""
    known = [facet_values(record) for record in records]
    facets: dict[Facet, list[tuple[str, int]]] = {}
    for facet in FACETS:
        values = [each[facet] for each in known if facet in each]
        counts = [(value, values.count(value)) for value in set(values)]
        facets[facet] = sorted(counts, key=lambda item: (-item[1], item[0]))[:MAX_FACET_VALUES]
    return facets


def in_order(facets: Facets | None) -> dict[Facet, list[tuple[str, int]]]:
    """`facets` so that comparing them compares their order too."""
    assert facets is not None
    return {facet: list(values.items()) for facet, values in facets.items()}


def later(**parts: int) -> datetime:
    return NOW + timedelta(**parts)


def start_worker(*arguments: object) -> subprocess.Popen[str]:
    """A second process at the same index: `index_worker.py`, spoken to in lines."""
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("index_worker.py")), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
