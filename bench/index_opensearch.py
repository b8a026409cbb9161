"""OpenSearch as we use it, beside the embedded index: speed, recall, size, memory.

python bench/index_opensearch.py --n 100000 [--stores lucene lucene-4x embedded] [--data DIR]

Starts an OpenSearch of its own, or uses OPENSEARCH_URL. What `--data` keeps is filled once and
measured as often as you like. Every search is one of the product's: the
best 1,000 ranked, a page of 20 with its records.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.clusters import Clusters
from chalicelib.index.base import Index, Write
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.index.opensearch import Client, OpenSearchIndex, Shape
from chalicelib.records import MAX_RANKED, Filters, ImageRecord, image_id
from local.opensearch.node import OpenSearchNode

NOW = datetime(2024, 6, 1, tzinfo=timezone.utc)
BATCH = 500
PAGE = 20
NEAREST = 10
WRITES_PER_SECOND = 200

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Place:
    """Where the indexes are; `kept`: also afterwards."""

    url: str
    data: Path
    kept: bool


@dataclass(frozen=True)
class Slice:
    """A filter, and which images it keeps."""

    name: str
    filters: Filters
    keeps: Callable[[NDArray[np.int64]], NDArray[np.bool_]]


SLICES = (
    Slice("none", Filters(), lambda n: n >= 0),
    Slice("50 %", Filters(collection="even"), lambda n: n % 2 == 0),
    Slice("1 %", Filters(owner="rare"), lambda n: n % 100 == 0),
    Slice("0.01 %", Filters(camera="rarest"), lambda n: n % 10_000 == 1),
)


def record(number: int, vector: Rows) -> ImageRecord:
    collection = "even" if number % 2 == 0 else "odd"
    key = f"{collection}/{number:08}.jpg"
    return ImageRecord(
        id=image_id("photos", key),
        bucket="photos",
        key=key,
        name=f"Photo {number} of the day",
        collection=collection,
        owner="rare" if number % 100 == 0 else "common",
        camera="rarest" if number % 10_000 == 1 else "Canon EOS 80D",
        state="ready",
        format="jpeg",
        etag=f"{number:032x}",
        width=4000,
        height=3000,
        indexed_at=NOW,
        uploaded_at=NOW,
        vector=vector,
    )


class Store(Protocol):
    index: Index

    def settle(self) -> None: ...
    def size(self) -> int: ...
    def hot(self) -> int: ...
    def heap(self) -> str: ...


class OpenSearch:
    def __init__(self, url: str, compression: Any) -> None:
        self.client = Client(url, patience_s=600)
        self.name = f"images-bench-{compression}"
        shape = Shape(replicas="0", compression=compression)
        self.index: Index = OpenSearchIndex(
            self.client, name=self.name, dim=DIM, model="bench", bucket="photos", shape=shape
        )

    def settle(self) -> None:
        """Until no merge runs: what is measured is the index as it rests."""
        self.client.call("POST", f"/{self.name}/_refresh")
        quiet = 0
        while quiet < 5:
            time.sleep(1)
            merges = self.client.call("GET", f"/{self.name}/_stats/merge")
            quiet = 0 if merges["_all"]["total"]["merges"]["current"] else quiet + 1
        self.client.call("POST", f"/{self.name}/_flush")

    def size(self) -> int:
        """Of the segments themselves: the index statistics lag behind."""
        found = self.client.call("GET", f"/_cat/segments/{self.name}?format=json&bytes=b")
        note(f"  {len(found)} segments")
        return sum(int(segment["size"]) for segment in found)

    def hot(self) -> int:
        """Bytes that searches touch: the graph, and the vectors that are searched."""
        path = f"/{self.name}/_stats/segments?include_segment_file_sizes=true"
        files = self.client.call("GET", path)["_all"]["total"]["segments"]["file_sizes"]
        searched = "veq" if "veq" in files else "vec"
        return sum(int(files[name]["size_in_bytes"]) for name in (searched, "vex"))

    def heap(self) -> str:
        """The least that was in use over a few seconds, after a collection or two."""
        used = []
        for _ in range(10):
            nodes = self.client.call("GET", "/_nodes/stats/jvm")["nodes"].values()
            used.append(sum(node["jvm"]["mem"]["heap_used_in_bytes"] for node in nodes))
            time.sleep(0.5)
        return f"{min(used) / 2**20:,.0f}"

    def drop(self) -> None:
        self.client.call("DELETE", f"/{self.name}")


class Embedded:
    def __init__(self, data: Path) -> None:
        self.folder = data / "embedded"
        self.index: Index = EmbeddedIndex(self.folder, dim=DIM, model="bench")

    def settle(self) -> None:
        """The first search of a process reads all vectors."""
        self.index.search(np.eye(1, DIM, dtype=np.float32)[0], Filters(), limit=1, ranked=1)

    def size(self) -> int:
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def hot(self) -> int:
        """All vectors are in memory."""
        return int(self.index.counts()["ready"]) * DIM * 4

    def heap(self) -> str:
        return "–"

    def drop(self) -> None:
        shutil.rmtree(self.folder)


DIM = 512


@contextmanager
def opened(kind: str, place: Place) -> Iterator[Any]:
    store: Any
    if kind == "embedded":
        store = Embedded(place.data)
    else:
        store = OpenSearch(place.url, COMPRESSIONS[kind])
    store.index.ensure()
    try:
        yield store
    finally:
        store.index.close()
        if not place.kept:
            store.drop()


COMPRESSIONS = {"lucene": "1x", "lucene-4x": "4x", "lucene-32x": "32x"}


def fill(
    index: Index,
    images: Rows,
    kind: str,
    made: Callable[[int, Rows], ImageRecord] = record,
) -> float:
    """Seconds; two writers, as two functions would."""

    def write(first: int) -> None:
        rows = images[first : first + BATCH]
        writes = [Write(made(first + i, row), None) for i, row in enumerate(rows)]
        assert set(index.write(writes)) == {"written"}
        bar.update(len(rows))

    start = time.perf_counter()
    with (
        tqdm(total=len(images), desc=f"Filling {kind}", unit=" images", file=sys.stderr) as bar,
        ThreadPoolExecutor(2) as pool,
    ):
        list(pool.map(write, range(0, len(images), BATCH)))
    return time.perf_counter() - start


def nearest(images: Rows, queries: Rows) -> dict[str, list[set[str]]]:
    """The true ten nearest of each query, by slice."""
    numbers = np.arange(len(images))
    ids = np.array([record(n, images[n]).id for n in range(len(images))])
    kept = {part.name: np.flatnonzero(part.keeps(numbers)) for part in SLICES}
    found: dict[str, list[set[str]]] = {part.name: [] for part in SLICES}
    for query in tqdm(queries, desc="The true answers", unit=" queries", file=sys.stderr):
        scores = images @ query
        for name, among in kept.items():
            least = min(NEAREST, len(among))
            best = among[np.argpartition(-scores[among], least - 1)[:least]]
            found[name].append(set(ids[best].tolist()))
    return found


def measure(
    index: Index, queries: Rows, part: Slice, truth: list[set[str]], least: int
) -> tuple[list[float], float]:
    """(milliseconds of each search, recall@10). The first pass warms and is not timed."""
    for query in queries:
        index.search(query, part.filters, limit=PAGE, ranked=MAX_RANKED)
    times, shares = [], []
    for query, true in zip(queries, truth, strict=True):
        start = time.perf_counter()
        found = index.search(query, part.filters, limit=PAGE, ranked=MAX_RANKED)
        times.append((time.perf_counter() - start) * 1000)
        assert found.total == least, f"{part.name}: {found.total} instead of {least}"
        got = {hit.record.id for hit in found.hits[:NEAREST]}
        shares.append(len(got & true) / len(true))
    return times, float(np.mean(shares))


def while_writing(index: Index, images: Rows, queries: Rows) -> list[float]:
    """Milliseconds of each search while images are overwritten, ten in a call."""
    done = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        rng = np.random.default_rng(3)
        start = time.perf_counter()
        while not done.is_set():
            numbers = rng.choice(len(images), 10, replace=False).tolist()
            records = [record(n, images[n]) for n in numbers]
            held = index.read([r.id for r in records])
            index.write([Write(r, held[r.id].version) for r in records])
            written += 10
            time.sleep(max(0.0, start + written / WRITES_PER_SECOND - time.perf_counter()))

    thread = threading.Thread(target=write)
    began = time.perf_counter()
    thread.start()
    times = []
    try:
        time.sleep(2)
        for query in queries:
            start = time.perf_counter()
            index.search(query, Filters(), limit=PAGE, ranked=MAX_RANKED)
            times.append((time.perf_counter() - start) * 1000)
            # Idle between searches: what is measured is one person's search, not a queue's.
            time.sleep(0.05)
    finally:
        done.set()
        thread.join()
    note(f"  {written / (time.perf_counter() - began):.0f} writes/s meanwhile")
    return times


def report(kind: str, place: Place, images: Rows, queries: Rows, truth: Any) -> None:
    numbers = np.arange(len(images))
    with opened(kind, place) as store:
        filled = "filled before"
        if store.index.counts()["ready"] != len(images):
            seconds = fill(store.index, images, kind)
            filled = f"{len(images) / seconds:,.0f} writes/s"
        store.settle()
        size = store.size()
        print(
            f"\n**{kind}**, {len(images):,} images: {filled},"
            f" {size / 2**20:,.0f} MiB on disk ({size / len(images):,.0f} bytes an image,"
            f" {store.hot() / len(images):,.0f} of them for searching),"
            f" heap {store.heap()} MiB\n\n| filter keeps | p50 ms | p95 | p99 | recall@10 |\n"
            "|---|--:|--:|--:|--:|",
            flush=True,
        )
        idle = 0.0
        for part in SLICES:
            least = min(MAX_RANKED, int(np.count_nonzero(part.keeps(numbers))))
            times, recall = measure(store.index, queries, part, truth[part.name], least)
            idle = idle or float(np.median(times))
            row(part.name if part.name != "none" else "all", times, f"{recall:.4f}")
        busy = while_writing(store.index, images, queries)
        ratio = float(np.median(busy)) / idle
        row(f"all, {WRITES_PER_SECOND} writes/s", busy, f"{ratio:.2f}× its idle p50")


def row(name: str, times: list[float], last: str) -> None:
    p50, p95, p99 = np.percentile(times, [50, 95, 99])
    print(f"| {name} | {p50:.1f} | {p95:.1f} | {p99:.1f} | {last} |", flush=True)


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def at(data: Path | None, heap: str) -> Iterator[Place]:
    with contextlib.ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        url = os.environ.get("OPENSEARCH_URL")
        if not url:
            url = stack.enter_context(OpenSearchNode(folder / "opensearch", heap=heap)).url
        yield Place(url, folder, kept=data is not None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--heap", default="2g")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep what was filled here")
    parser.add_argument("--stores", nargs="+", default=["lucene", "lucene-4x", "embedded"])
    args = parser.parse_args()
    clusters = Clusters(DIM)
    images, queries = clusters.images(args.n), clusters.queries(args.queries)
    truth = nearest(images, queries)
    print(f"{DIM}-d, {os.cpu_count()} cores, OpenSearch heap {args.heap}, {args.queries} queries")
    with at(args.data, args.heap) as place:
        for kind in args.stores:
            report(kind, place, images, queries, truth)


if __name__ == "__main__":
    main()
