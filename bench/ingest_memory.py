"""Peak memory of the embedder's handler, decoders included, with batches of ten large images.

`python -m bench.ingest_memory`. The handler runs in a process of its own over the one-machine
stack's buckets; its memory and that of its children is looked at fifty times a second (PSS: what
processes share counts once).
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from bench.processor_time import family
from chalicelib import wiring
from chalicelib.config import Settings
from chalicelib.index.base import Index
from chalicelib.records import image_id
from local.samples import sample_photos
from local.stack import PHOTOS, Stack
from models.cache import cache_folder
from models.starter import build_starter

MP24, MP64 = (6000, 4000), (8000, 8000)


def pictures(cache: Path) -> dict[str, list[tuple[str, bytes]]]:
    """Batches of ten, (format, file) each, by what they are."""
    with Image.open(sample_photos(cache) / "china.jpg") as opened:
        photo = opened.convert("RGB")
    jpeg24 = ("jpeg", _file(photo, MP24, "JPEG", quality=90))
    jpeg64 = ("jpeg", _file(photo, MP64, "JPEG", quality=90))
    png64 = ("png", _file(photo, MP64, "PNG", grain=0, compress_level=4))
    webp64 = ("webp", _file(photo, MP64, "WEBP", quality=80, method=0))
    return {
        "ten JPEGs of 24 megapixels": [jpeg24] * 10,
        "seven of 24, and a JPEG, a PNG and a WebP of 64 megapixels": [
            *([jpeg24] * 7), jpeg64, png64, webp64,
        ],
    }  # fmt: skip


def _file(
    photo: Image.Image, size: tuple[int, int], kind: str, *, grain: int = 12, **options: object
) -> bytes:
    out = io.BytesIO()
    chance = np.random.default_rng(7)
    noise = chance.integers(-grain, grain + 1, (size[1], size[0], 1), dtype=np.int16)
    pixels = np.asarray(photo.resize(size), np.int16) + noise
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, kind, **options)
    return out.getvalue()


def peaks(model: Path) -> Iterator[tuple[str, int]]:
    """(what the batch was, most bytes in use at a time); raises where one was not indexed."""
    place = Path(tempfile.mkdtemp())
    stack = Stack(place / "data", model)
    try:
        stack.start()
        stack.wait_repaired(lambda _: None)
        os.kill(stack.worker_pid, signal.SIGSTOP)
        # Not those that this process may have from a stack before.
        services = wiring.build(Settings.load())
        for number, (what, batch) in enumerate(pictures(cache_folder()).items()):
            keys = [f"memory-{number}/{n}.{kind}" for n, (kind, _) in enumerate(batch)]
            for key, (kind, data) in zip(keys, batch, strict=True):
                services.bucket.put(key, data, f"image/{kind}")
            yield what, _peak(keys)
            _check(services.index, keys)
    finally:
        stack.stop()
        shutil.rmtree(place)


def _peak(keys: list[str]) -> int:
    most = 0
    with subprocess.Popen(
        [sys.executable, "-m", "bench.ingest_memory", "--handle", json.dumps(keys)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None:
            most = max(most, sum(_pss(pid) for pid in family(process.pid)))
            time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"the handler ended with {process.returncode}")
    return most


def _pss(pid: int) -> int:
    """Bytes; 0 for one that is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(x.split()[1]) * 1024 for x in text.splitlines() if x.startswith("Pss:")), 0)


def _check(index: Index, keys: list[str]) -> None:
    ids = [image_id(PHOTOS, key) for key in keys]
    records = [found.record for found in index.read(ids).values()]
    if wrong := [f"{r.key}: {r.reason}" for r in records if r.state != "ready"]:
        raise SystemExit(f"not all were indexed: {wrong}")


def _handle(keys: list[str]) -> None:
    from container_embedder.handler import handler

    records = [
        {
            "messageId": str(number),
            "body": json.dumps(
                {"Records": [{"s3": {"bucket": {"name": PHOTOS}, "object": {"key": key}}}]}
            ),
        }
        for number, key in enumerate(keys)
    ]
    answer = handler({"Records": records}, None)
    if answer["batchItemFailures"]:
        raise SystemExit(f"failed: {answer}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--handle"]:
        _handle(json.loads(sys.argv[2]))
    else:
        cache = cache_folder()
        for what, peak in peaks(build_starter(cache / "models" / "starter", cache)):
            print(f"{what}: {peak / 1e6:.0f} MB at most")
