"""Ingest through the whole one-machine stack, beside the bare encoder on the same files.

`python -m bench.ingest [--small 1000] [--large 100] [--drops 40] [--model FOLDER]`. Small photos
are crops of the sample photos, 500 pixels wide; large ones have 12 megapixels. Rates are of one
run, the bare encoder's measured before and after the stack's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.clip_photos import photos
from bench.crops import crops
from bench.ingest_memory import peaks
from bench.processor_time import ProcessorTime
from chalicelib import wiring
from chalicelib.clip import load_clip
from chalicelib.config import MAX_BYTES
from chalicelib.records import image_id
from local.client import ApiClient
from local.loader import Loader
from local.samples import sample_photos
from local.stack import PHOTOS, Stack
from models.cache import cache_folder
from models.starter import build_starter

BATCH = 10
"""Pictures an inference, for both: what Lambda hands over at a time."""


@dataclass(frozen=True)
class Rates:
    """Photos a second."""

    bare: float
    events: float
    uploads: float


def bare_rate(model: Path, files: list[bytes]) -> float:
    clip = load_clip(model)
    clip.embed_images(files[:BATCH])
    started = time.perf_counter()
    for start in range(0, len(files), BATCH):
        clip.embed_images(files[start : start + BATCH])
    return len(files) / (time.perf_counter() - started)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def events_rate(stack: Stack, files: list[bytes], name: str) -> float:
    """The objects lie in the bucket and their events in the queue; then the worker goes on."""
    services = wiring.services()
    keys = [f"{name}/{number}.jpg" for number in range(len(files))]
    with stopped(stack.worker_pid):
        for key, data in zip(keys, files, strict=True):
            services.bucket.put(key, data, "image/jpeg")
        with ProcessorTime(f"{name}, from the queue", len(files)):
            started = time.perf_counter()
            os.kill(stack.worker_pid, signal.SIGCONT)
            wait_for(keys)
            return len(files) / (time.perf_counter() - started)


def wait_for(keys: list[str]) -> None:
    services = wiring.services()
    missing = [image_id(PHOTOS, key) for key in keys]
    while missing:
        found = services.index.read(missing[-1:])
        if found:
            known = services.index.read(missing)
            missing = [name for name in missing if name not in known]
        else:
            time.sleep(0.02)


def uploads_rate(stack: Stack, files: list[bytes], name: str) -> float:
    """By presigned uploads, as `make demo` loads a folder, until each is found."""
    with tempfile.TemporaryDirectory() as place:
        for number, data in enumerate(files):
            Path(place, f"{number:05}.jpg").write_bytes(data)
        loader = Loader(
            ApiClient(stack.url), lambda _: None, lambda _: None, MAX_BYTES, stack.check
        )
        with ProcessorTime(f"{name}, by upload", len(files)):
            started = time.perf_counter()
            report = loader.load(Path(place), name)
            seconds = time.perf_counter() - started
    if report.indexed != len(files):
        raise SystemExit(f"only {report.indexed} of {len(files)} photos were indexed")
    return len(files) / seconds


def drops(files: list[bytes]) -> list[float]:
    """Seconds from the start of a PUT straight into the bucket to the image's record, idle."""
    services = wiring.services()
    waits = []
    for number, data in enumerate(files):
        key = f"drops/{number}.jpg"
        started = time.perf_counter()
        services.bucket.put(key, data, "image/jpeg")
        name = image_id(PHOTOS, key)
        while name not in services.index.read([name]):
            time.sleep(0.002)
        waits.append(time.perf_counter() - started)
        time.sleep(0.2)
    return waits


def main() -> None:
    options = _options()
    cache = cache_folder()
    model = options.model or build_starter(cache / "models" / "starter", cache)
    small = crops(sample_photos(cache), options.small + options.drops)
    large = [path.read_bytes() for path in photos(cache)["12 MP"]]
    sets = {
        "500 px": small[: options.small],
        "12 MP": [large[n % len(large)] for n in range(options.large)],
    }
    sets = {name: files for name, files in sets.items() if files}
    place = Path(tempfile.mkdtemp())
    try:
        stack = Stack(place / "data", model)
        stack.start()
        try:
            stack.wait_repaired(lambda _: None)
            drops(small[-2:])
            rates = {name: _rates(stack, model, name, files) for name, files in sets.items()}
            waits = drops([photo + b"again" for photo in small[options.small :]])
        finally:
            stack.stop()
    finally:
        shutil.rmtree(place)
    for name, rate in rates.items():
        print(
            f"{name}: bare encoder {rate.bare:.1f} photos/s; from the queue {rate.events:.1f}"
            f" ({rate.events / rate.bare:.2f} of it); by upload {rate.uploads:.1f}"
            f" ({rate.uploads / rate.bare:.2f})"
        )
    if waits:
        p95 = statistics.quantiles(waits, n=20)[-1]
        print(
            f"dropped in the bucket to searchable, idle, {len(waits)} photos:"
            f" p50 {statistics.median(waits) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms"
        )
    if options.memory:
        for name, peak in peaks(model):
            print(f"memory of the handler and its decoders, {name}: {peak / 1e6:.0f} MB at most")


def _rates(stack: Stack, model: Path, name: str, files: list[bytes]) -> Rates:
    before = bare_rate(model, files)
    events = events_rate(stack, files, f"{name} events")
    uploads = uploads_rate(stack, files, f"{name} uploads")
    after = bare_rate(model, files)
    return Rates((before + after) / 2, events, uploads)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--small", type=int, default=1000, help="photos of 500 pixels")
    parser.add_argument("--large", type=int, default=100, help="photos of 12 megapixels")
    parser.add_argument("--drops", type=int, default=40, help="photos dropped when idle")
    parser.add_argument("--model", type=Path, help="instead of the starter model")
    parser.add_argument("--no-memory", dest="memory", action="store_false")
    return parser.parse_args()


if __name__ == "__main__":
    main()
