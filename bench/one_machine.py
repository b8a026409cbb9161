"""The one-machine stack: photos a second beside the bare encoder, and drop to searchable.

`python bench/one_machine.py [--photos 200] [--drops 20]`. The photos are crops of the sample
photos, 500 pixels wide, JPEG; both rows of a ratio come from one run.
"""

from __future__ import annotations

import argparse
import io
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

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


def crops(folder: Path, count: int) -> list[bytes]:
    """`count` JPEG files, each another crop of a sample photo, scaled to 500 pixels' width."""
    chance = random.Random(5)
    sources = [Image.open(path).convert("RGB") for path in sorted(folder.iterdir())]
    made = []
    for number in range(count):
        source = sources[number % len(sources)]
        share = chance.uniform(0.6, 0.95)
        width, height = int(source.width * share), int(source.height * share)
        left, top = chance.randrange(source.width - width), chance.randrange(source.height - height)
        piece = source.crop((left, top, left + width, top + height))
        piece = piece.resize((500, max(1, round(500 * height / width))))
        out = io.BytesIO()
        piece.save(out, "JPEG", quality=88)
        made.append(out.getvalue())
    return made


def rate_of_encoder(model: Path, photos: list[bytes]) -> float:
    clip = load_clip(model)
    clip.embed_images(photos[:2])
    started = time.perf_counter()
    for start in range(0, len(photos), 10):
        clip.embed_images(photos[start : start + 10])
    return len(photos) / (time.perf_counter() - started)


def rate_of_stack(stack: Stack, folder: Path, count: int) -> float:
    started = time.perf_counter()
    loader = Loader(ApiClient(stack.url), lambda _: None, lambda _: None, MAX_BYTES, stack.check)
    report = loader.load(folder, "bench")
    if report.indexed != count:
        sys.exit(f"only {report.indexed} of {count} photos were indexed")
    return count / (time.perf_counter() - started)


def drops(photos: list[bytes]) -> list[float]:
    """Seconds from the start of a PUT straight into the bucket to the image's record."""
    services = wiring.services()
    waits = []
    for number, photo in enumerate(photos):
        key = f"drops/{number}.jpg"
        started = time.perf_counter()
        services.bucket.put(key, photo, "image/jpeg")
        name = image_id(PHOTOS, key)
        while name not in services.index.read([name]):
            time.sleep(0.002)
        waits.append(time.perf_counter() - started)
        time.sleep(0.2)
    return waits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--drops", type=int, default=20)
    options = parser.parse_args()
    cache = cache_folder()
    model = build_starter(cache / "models" / "starter", cache)
    photos = crops(sample_photos(cache), options.photos + options.drops)
    bare = rate_of_encoder(model, photos[: options.photos])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "photos")
        folder.mkdir()
        for number, photo in enumerate(photos[: options.photos]):
            (folder / f"{number:05}.jpg").write_bytes(photo)
        stack = Stack(Path(place, "data"), model)
        stack.start()
        try:
            stack.wait_repaired(lambda _: None)
            drops(photos[-1:])
            whole = rate_of_stack(stack, folder, options.photos)
            waits = drops([p + b"again" for p in photos[options.photos :]])
        finally:
            stack.stop()
    print(f"bare encoder, batches of ten   {bare:6.1f} photos/s")
    print(f"upload to searchable           {whole:6.1f} photos/s   ratio {whole / bare:.2f}")
    print(
        f"drop in the bucket to searchable, idle: median {statistics.median(waits) * 1000:.0f} ms, "
        f"slowest of {len(waits)} {max(waits) * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()
