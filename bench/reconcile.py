"""Reconcile: comparing a large bucket with an index that agrees, and embedding a small one anew.

`python -m bench.reconcile [--keys 1000000] [--photos 500] [--rounds 3] [--model FOLDER]`. The
listing is made up, in the pages that S3 gives; the embedded index is real. The photos are crops
of the sample photos, 500 pixels wide, in the bucket of the one-machine stack; each round has the
bare encoder's rate on the same files before and after it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bench.crops import crops
from chalicelib import wiring
from chalicelib.clip import load_clip
from chalicelib.decoding import DECODER_VERSION
from chalicelib.differences import Listed, Scope, Tally, differences, remembered
from chalicelib.index.base import Write
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.records import ImageRecord, image_id
from chalicelib.storage import S3Bucket
from chalicelib.verdicts import MadeWith
from container_embedder.reconciling import BATCH
from local.processes import ROOT, leave_aws_alone
from local.samples import sample_photos
from local.stack import PHOTOS, Stack
from models.cache import cache_folder
from models.starter import build_starter

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
FINGERPRINT = "bench"
PAGE = 1000
"""Keys in one answer of S3's."""


def key_of(number: int) -> str:
    return f"2026/{number % 12 + 1:02}/IMG_{number:08}.jpg"


def etag_of(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 & (1 << 128) - 1:032x}"


class Pages:
    """Stands in for boto3's client: lists `count` keys."""

    def __init__(self, count: int) -> None:
        self._count = count

    def get_paginator(self, _operation: str) -> Pages:
        return self

    def paginate(self, **_parts: str) -> Iterator[dict[str, Any]]:
        for first in range(0, self._count, PAGE):
            numbers = range(first, min(first + PAGE, self._count))
            yield {
                "Contents": [
                    {"Key": key_of(n), "ETag": f'"{etag_of(n)}"', "Size": 9, "LastModified": NOW}
                    for n in numbers
                ]
            }


def record(number: int) -> ImageRecord:
    """Rejected ones have no vector, and are compared as all are."""
    key = key_of(number)
    return ImageRecord(
        id=image_id(PHOTOS, key),
        bucket=PHOTOS,
        key=key,
        name=key.rpartition("/")[2],
        collection="2026",
        state="rejected",
        etag=etag_of(number),
        indexed_at=NOW,
        uploaded_at=NOW,
        model=FINGERPRINT,
        decoder_version=DECODER_VERSION,
        reason="The image is damaged or incomplete.",
    )


def opened(folder: str) -> EmbeddedIndex:
    index = EmbeddedIndex(Path(folder), dim=8, model=FINGERPRINT)
    index.ensure()
    return index


def fill(folder: str, count: int) -> None:
    with closing(opened(folder)) as index:
        for first in range(0, count, 10_000):
            numbers = range(first, min(first + 10_000, count))
            index.write([Write(record(number), None) for number in numbers])


def compare(folder: str, count: int) -> None:
    """In a process of its own: prints seconds of both halves, those of the processor for both, the
    memory before and at most, MB, and the bytes kept."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    scope, tally, bucket = Scope(PHOTOS), Tally(), S3Bucket(Pages(count), PHOTOS)
    with closing(opened(folder)) as index:
        started, busy = time.perf_counter(), time.process_time()
        said = remembered(index, scope, MadeWith(FINGERPRINT))
        scanned = time.perf_counter()
        listing = (Listed(one.key, one.etag) for one in bucket.list())
        found = sum(1 for _ in differences(listing, said, index, scope, tally))
        ended, busy = time.perf_counter(), time.process_time() - busy
    assert (found, tally.same) == (0, count)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = [scanned - started, ended - scanned, busy, before, peak, said.nbytes]
    print(json.dumps(told))


def large_bucket(count: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fill(folder, count)
        runs = [_in_a_process(folder, count) for _ in range(rounds)]
    medians = [statistics.median(values) for values in zip(*runs, strict=True)]
    scan, listing, busy, before, peak, packed = medians
    print(
        f"{count:,} keys that agree: {count / (scan + listing):,.0f} keys/s"
        f" ({count / busy:,.0f} a second of processor time); index read at {count / scan:,.0f}/s,"
        f" listing compared at {count / listing:,.0f}/s; {peak:.0f} MB at most, {before:.0f} MB"
        f" before; {packed / count:.0f} bytes a key are kept"
    )


def _in_a_process(folder: str, count: int) -> list[float]:
    code = f"from bench.reconcile import compare; compare({folder!r}, {count})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    told: list[float] = json.loads(done.stdout)
    return told


def bare_rate(model: Path, files: list[bytes]) -> float:
    clip = load_clip(model)
    size = BATCH[clip.device]
    clip.embed_images(files[:size])
    started = time.perf_counter()
    for first in range(0, len(files), size):
        clip.embed_images(files[first : first + size])
    return len(files) / (time.perf_counter() - started)


def reconciled(data: Path, model: Path, count: int) -> dict[str, Any]:
    """The report of the command, on an empty index."""
    for file in (data / "index").glob("*"):
        file.unlink()
    command = [sys.executable, "-m", "local", "reconcile", "--data", str(data)]
    done = subprocess.run(
        [*command, "--model", str(model)], cwd=ROOT, check=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["results"] == {"indexed": count}, report
    return report


def small_bucket(model: Path, files: list[bytes], rounds: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        data = Path(place, "data")
        leave_aws_alone()
        stack = Stack(data, model)
        settings = stack.start_storage()
        bucket = S3Bucket(wiring.client("s3", settings), PHOTOS)
        for number, photo in enumerate(files):
            bucket.put(f"bench/{number:05}.jpg", photo, "image/jpeg")
        stack.stop()
        ratios, rates = [], []
        for _ in range(rounds):
            before = bare_rate(model, files)
            report = reconciled(data, model, len(files))
            bare = (before + bare_rate(model, files)) / 2
            rates.append(report["images_per_second"])
            ratios.append(rates[-1] / bare)
            print(
                f"  round: bare encoder {bare:.1f} images/s, reconcile {rates[-1]:.1f}"
                f" ({ratios[-1]:.2f} of it), {report['seconds']:.1f} s in all",
                file=sys.stderr,
            )
    print(
        f"{len(files)} photos of 500 px, one-machine stack: reconcile"
        f" {statistics.median(rates):.1f} images/s, {statistics.median(ratios):.2f} of the bare"
        f" encoder (medians of {rounds})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--keys", type=int, default=1_000_000, help="of the large bucket")
    parser.add_argument("--photos", type=int, default=500, help="of the small one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=Path, help="instead of the starter model")
    options = parser.parse_args()
    if options.keys:
        large_bucket(options.keys, options.rounds)
    if options.photos:
        cache = cache_folder()
        model = options.model or build_starter(cache / "models" / "starter", cache)
        small_bucket(model, crops(sample_photos(cache), options.photos), options.rounds)


if __name__ == "__main__":
    main()
