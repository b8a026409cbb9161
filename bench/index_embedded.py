"""How much the embedded index adds to the bare matrix product it is made of.

python bench/index_embedded.py --n 100000 --dim 512
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import product
from pathlib import Path
from random import Random
from statistics import median

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chalicelib.index.base import Write
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.records import Filters, ImageRecord, image_id
from chalicelib.relevance import Cut
from chalicelib.words import parse

NOW = datetime(2024, 6, 1, tzinfo=timezone.utc)
BATCH = 500


def vectors(n: int, dim: int, seed: int = 0) -> NDArray[np.float32]:
    found = np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


LEXICON = ["".join(letters) for letters in product("bdfgklmnprst", "aeiou", "bdfgklmn", "aeo")]


def words_of(number: int, count: int) -> str:
    """The same for the same number; each word stands in a few images of a thousand."""
    return " ".join(Random(number).choices(LEXICON, k=count))


def record(number: int, vector: NDArray[np.float32]) -> ImageRecord:
    key = f"{'even' if number % 2 == 0 else 'odd'}/{number:08}.jpg"
    return ImageRecord(
        id=image_id("photos", key),
        bucket="photos",
        key=key,
        name=f"Photo {number} {words_of(number, 2)}",
        text=words_of(number + 10**9, 40) if number % 3 == 0 else "",
        collection=key.split("/")[0],
        owner="rare" if number % 100 == 0 else "common",
        state="ready",
        format="jpeg",
        etag=f"{number:032x}",
        indexed_at=NOW,
        uploaded_at=NOW,
        vector=vector,
    )


def fill(index: EmbeddedIndex, matrix: NDArray[np.float32]) -> float:
    start = time.perf_counter()
    for first in range(0, len(matrix), BATCH):
        rows = matrix[first : first + BATCH]
        index.write([Write(record(first + i, row), None) for i, row in enumerate(rows)])
    return time.perf_counter() - start


def alternate(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median of each call in milliseconds, all of them in turn: noise hits them alike."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(rounds + 2):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if round_ >= 2:
                times[name].append((time.perf_counter() - start) * 1000)
    return {name: median(values) for name, values in times.items()}


def measure(index: EmbeddedIndex, matrix: NDArray[np.float32], rounds: int) -> dict[str, float]:
    query = vectors(1, matrix.shape[1], seed=1)[0]

    def search(filters: Filters) -> Callable[[], object]:
        return lambda: index.search(query, filters, limit=20, ranked=1000)

    def forgetful(filters: Filters) -> Callable[[], object]:
        """As if something had been written since: the filter is asked of SQL again."""

        def call() -> None:
            index._masks.clear()
            index.search(query, filters, limit=20, ranked=1000)

        return call

    def worded(text: str | None, cut: Cut | None, *, forget: bool = True) -> Callable[[], object]:
        wording = None if text is None else parse(text).wording

        def call() -> None:
            if forget:
                index._words.clear()
            index.search(query, Filters(), limit=20, ranked=1000, wording=wording, cut=cut)

        return call

    # Random vectors are all far from the query: a low threshold keeps some 30 of 10,000.
    cut = Cut(0.1)
    half, rare = Filters(collection="even"), Filters(owner="rare")
    calls: dict[str, Callable[[], object]] = {
        "bare": lambda: matrix @ query,
        "ours": search(Filters()),
        "cut": worded(None, cut),
        "words": worded("baba tone", None),
        "both": worded("baba tone", cut),
        "both again": worded("baba tone", cut, forget=False),
        "common": worded("photo tone", cut),
        "common again": worded("photo tone", cut, forget=False),
        "half": forgetful(half),
        "half again": search(half),
        "rare": forgetful(rare),
        "rare again": search(rare),
    }
    return alternate(calls, rounds)


def one_write_then_search(index: EmbeddedIndex, row: NDArray[np.float32], n: int) -> list[float]:
    times = []
    for i in range(15):
        index.write([Write(record(n + i, row), None)])
        start = time.perf_counter()
        index.search(row, Filters(), limit=20, ranked=1000)
        times.append((time.perf_counter() - start) * 1000)
    return times


def report(n: int, dim: int, rounds: int) -> str:
    """Prints the row of a plain search; gives that of words and the cut-off."""
    matrix = vectors(n, dim)
    with tempfile.TemporaryDirectory() as folder:
        index = EmbeddedIndex(Path(folder), dim=dim, model="bench")
        index.ensure()
        filling = fill(index, matrix)
        start = time.perf_counter()
        index.search(matrix[0], Filters(), limit=20, ranked=1000)
        first = (time.perf_counter() - start) * 1000
        t = measure(index, matrix, rounds)
        fresh = median(one_write_then_search(index, matrix[0], n))
        size = index.path.stat().st_size / 2**20
        index.close()
    print(
        f"| {n:,} | {t['bare']:.2f} | {t['ours']:.2f} | {t['ours'] / t['bare']:.2f} |"
        f" {t['half']:.2f} | {t['half again']:.2f} | {t['rare']:.2f} | {t['rare again']:.2f} |"
        f" {fresh:.2f} | {first:.0f} | {n / filling:,.0f} | {size:,.0f} |"
    )
    more = ("cut", "words", "both", "both again", "common", "common again")
    return (
        f"| {n:,} | {t['ours']:.2f} | "
        + " | ".join(f"{t[name] - t['ours']:+.2f}" for name in more)
        + " |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=31)
    args = parser.parse_args()
    print(
        f"{args.dim}-d, {os.cpu_count()} cores, Python {sys.version.split()[0]},"
        f" numpy {np.__version__}, SQLite {sqlite3.sqlite_version}; milliseconds, medians of"
        f" {args.rounds}; a page of 20 out of 1,000 ranked\n"
    )
    print(
        "| images | bare product | search | ratio | 50 % filter | next page | 1 % filter |"
        " next page | after a write | first search | writes/s | file MiB |"
    )
    print("|--:" * 12 + "|")
    rows = [report(n, args.dim, args.rounds) for n in args.n]
    print("\nWhat words and the cut-off add to a search:\n")
    print(
        "| images | search | cut-off | two words | both | again | both, a word of every name |"
        " again |"
    )
    print("|--:" * 8 + "|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
