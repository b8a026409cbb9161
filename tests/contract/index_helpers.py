"""Records and vectors for the index tests, and the plainest true answer to a search."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.index.base import Index, Version, Write
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
    index: Index, query: NDArray[np.float32], filters: Filters = ANY, *, limit: int, ranked: int
) -> list[Hit]:
    """Every page, one after the other."""
    hits: list[Hit] = []
    after = None
    while page := index.search(query, filters, limit=limit, ranked=ranked, after=after).hits:
        hits += page
        after = (page[-1].score, page[-1].record.id)
    return hits


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
