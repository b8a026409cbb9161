"""What words, a cut-off and vectors of any length cost a search in OpenSearch.

python bench/index_words.py --n 100000 [--stores lucene lucene-4x] [--data DIR]

Starts an OpenSearch of its own, or uses OPENSEARCH_URL. Every search ranks the best 1,000 and reads
a page of 20. Processor times say more than the clock where the machine does other things. Vectors
are as a calibration makes them: seen from their mean, and of different lengths.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from random import Random

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.clusters import Clusters
from bench.index_opensearch import (
    DIM,
    NEAREST,
    PAGE,
    OpenSearch,
    Place,
    Rows,
    at,
    fill,
    note,
    opened,
    record,
)
from chalicelib.records import MAX_RANKED, Filters, ImageRecord
from chalicelib.relevance import Cut
from chalicelib.words import parse

LEXICON = ["".join(letters) for letters in product("bdfgklmnprst", "aeiou", "bdfgklmn", "aeo")]
"""1,440 words; each stands in the names of about two images of a thousand."""

WAYS = {
    "the nearest alone": (None, False),
    "a cut-off": (None, True),
    "a word that no image has": ("zebra", True),
    "two rare words": ("baba tone", True),
    "the name of one image": ("photo 777", True),
    "a word that all images have": ("photo", True),
}
"""Words asked for, and whether there is a cut-off."""


def lengths(count: int, spread: float) -> Rows:
    """Of stored vectors, as a calibration makes them. Those of the starter model were 1.25 to 2.8
    over a thousand photos, their logarithms spread by 0.15."""
    drawn = np.exp(np.random.default_rng(7).normal(np.log(1.7), spread, count))
    return np.clip(drawn, 1, 6).astype(np.float32)


def seen_from_mean(rows: Rows, mean: Rows) -> Rows:
    rows = rows - mean
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def worded(responses: Rows) -> Callable[[int, Rows], ImageRecord]:
    def made(number: int, row: Rows) -> ImageRecord:
        words = Random(number)
        return replace(
            record(number, row),
            name=f"Photo {number} {' '.join(words.choices(LEXICON, k=3))}.jpg",
            text=" ".join(words.choices(LEXICON, k=40)) if number % 10 == 0 else "",
            response=float(responses[number]),
            calibration="bench",
        )

    return made


def recall(store: OpenSearch, stored: Rows, queries: Rows) -> tuple[float, float]:
    """(recall@10 of queries like images, and of queries like texts)."""
    made = [record(number, stored[number]).id for number in range(len(stored))]
    ids = np.array(made)
    shares = []
    for query in queries:
        true = set(ids[np.argpartition(-(stored @ query), NEAREST)[:NEAREST]].tolist())
        page = store.index.search(query, Filters(), limit=NEAREST, ranked=MAX_RANKED)
        shares.append(len(true & {hit.record.id for hit in page.hits}) / NEAREST)
    return float(np.mean(shares[0::2])), float(np.mean(shares[1::2]))


@dataclass(frozen=True)
class Cost:
    """Milliseconds of a search: by the clock, the server's processor, our own."""

    p50: float
    server: float
    own: float


def costs(store: OpenSearch, queries: Rows) -> dict[str, Cost]:
    """The least of three rounds, by way; one before them warms."""
    found: dict[str, list[Cost]] = {way: [] for way in WAYS}
    for _ in tqdm(range(4), desc="Searching", unit=" rounds", file=sys.stderr):
        for way in WAYS:
            found[way].append(one_round(store, queries, way))
    return {
        way: Cost(*(min(getattr(one, name) for one in those[1:]) for name in Cost.__annotations__))
        for way, those in found.items()
    }


def one_round(store: OpenSearch, queries: Rows, way: str) -> Cost:
    text, cutting = WAYS[way]
    wording = parse(text).wording if text else None
    cut = Cut(1.0) if cutting else None
    times = []
    server, own = server_ms(store), time.process_time()
    for query in queries:
        start = time.perf_counter()
        store.index.search(
            query, Filters(), limit=PAGE, ranked=MAX_RANKED, wording=wording, cut=cut
        )
        times.append((time.perf_counter() - start) * 1000)
    own = (time.process_time() - own) * 1000
    time.sleep(1.1)  # a node looks at its own processor time once a second
    server = server_ms(store) - server
    return Cost(float(np.median(times)), server / len(queries), own / len(queries))


def server_ms(store: OpenSearch) -> float:
    nodes = store.client.call("GET", "/_nodes/stats/process")["nodes"].values()
    return float(sum(node["process"]["cpu"]["total_in_millis"] for node in nodes))


def null_queries(store: OpenSearch, queries: Rows) -> float:
    """Milliseconds of the best scores of 250 queries, as thresholds are measured from."""
    start = time.perf_counter()
    store.index.best_scores(np.resize(queries, (250, DIM)))
    return (time.perf_counter() - start) * 1000


def report(kind: str, place: Place, images: Rows, queries: Rows, spread: float) -> None:
    responses = 1 / lengths(len(images), spread)
    stored = images / responses[:, None]
    with opened(kind, place) as store:
        if store.index.counts()["ready"] != len(images):
            fill(store.index, stored, kind, worded(responses))
        store.settle()
        like_images, like_texts = recall(store, stored, queries)
        print(
            f"\n**{kind}**, {len(images):,} images: recall@10 {like_images:.4f} of queries like"
            f" images, {like_texts:.4f} of queries like texts; the best scores of 250 queries in"
            f" {null_queries(store, queries):,.0f} ms\n\n| asked for | p50 ms | processor of the"
            " server | our own |\n|---|--:|--:|--:|",
            flush=True,
        )
        for way, cost in costs(store, queries[:40]).items():
            print(f"| {way} | {cost.p50:.1f} | {cost.server:.1f} | {cost.own:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--spread", type=float, default=0.15, help="of the lengths' logarithms")
    parser.add_argument("--heap", default="2g")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep what was filled here")
    parser.add_argument("--stores", nargs="+", default=["lucene", "lucene-4x"])
    args = parser.parse_args()
    clusters = Clusters(DIM)
    images = clusters.images(args.n)
    mean = images[:2000].mean(axis=0)
    queries = clusters.queries(args.queries)
    # A text is seen from the mean of texts, as a picture is from that of pictures.
    queries[0::2] = seen_from_mean(queries[0::2], mean)
    queries[1::2] = seen_from_mean(queries[1::2], queries[1::2].mean(axis=0))
    note(f"{DIM}-d, {os.cpu_count()} cores, OpenSearch heap {args.heap}, {args.queries} queries")
    with at(args.data, args.heap) as place:
        for kind in args.stores:
            report(kind, place, seen_from_mean(images, mean), queries, args.spread)


if __name__ == "__main__":
    main()
