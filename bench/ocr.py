"""`python -m bench.ocr PHOTOS`: what reading the text in pictures costs and what it finds.

PHOTOS is a folder of photos; each is prepared as ingest does, with and without its text. Then
pictures that this makes: signs, receipts, pages, screenshots. Times are of the processor.
"""

from __future__ import annotations

import argparse
import io
import re
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from chalicelib.clip.decode import decode
from chalicelib.clip.pixels import PixelSpec
from chalicelib.decoding import DecoderPool, Limits
from chalicelib.decoding.textstage import TextStage
from chalicelib.ocr.glance import glance
from tests.unit import written

HALF = (0.5, 0.5, 0.5)
SPEC = PixelSpec("shortest", 224, 224, "bicubic", HALF, HALF)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--limit", type=int, default=1000, help="photos at most")
    parser.add_argument("--megapixels", type=float, default=0, help="enlarge each photo to that")
    options = parser.parse_args()
    kinds = {".jpg", ".jpeg", ".png", ".webp"}
    files = sorted(p for p in options.photos.rglob("*") if p.suffix.lower() in kinds)
    photos(files[:: max(1, len(files) // options.limit)][: options.limit], options.megapixels)
    made()
    memory(files[:20])


def photos(files: list[Path], megapixels: float) -> None:
    text = TextStage()
    text.look(written.line("warm"))
    text.read("")
    plain, glances, reads, skipped, with_words = [], [], [], 0, 0
    for path in files:
        data = enlarged(path, megapixels) if megapixels else path.read_bytes()
        started = time.process_time()
        decode(data, SPEC, exact=False, thumbnail=True)
        without = time.process_time()
        decode(data, SPEC, exact=False, thumbnail=True, reader=text)
        looked = time.process_time()
        skipped += not text.has_work
        said = str(text.read("").get("text", ""))
        done = time.process_time()
        with_words += bool(re.search(r"\w{3}", said))
        plain.append(without - started)
        glances.append(looked - without - (without - started))
        reads.append(done - looked)
    added = [g + r for g, r in zip(glances, reads, strict=True)]
    print(f"{len(files)} photos: {skipped / len(files):.0%} skipped, words in {with_words}")
    print(f"  decoded without text  {_ms(plain)}")
    print(f"  glance, more pixels   {_ms(glances)}")
    print(f"  reading               {_ms(reads)}")
    print(f"  added in all          {_ms(added)}")


def enlarged(path: Path, megapixels: float) -> bytes:
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    size = round(image.width * scale), round(image.height * scale)
    out = io.BytesIO()
    image.resize(size, Image.Resampling.BICUBIC).save(out, "JPEG", quality=88)
    return out.getvalue()


def made() -> None:
    makers: dict[str, Callable[[int], tuple[Image.Image, list[str]]]] = {
        "signs in photos": _sign,
        "receipts": _receipt,
        "pages": lambda seed: _lines(written.page, seed, 20, 8, 24),
        "screens, 12 pixels": lambda seed: _lines(written.desktop, seed, 25, 8, 12),
        "screens, 18 pixels": lambda seed: _lines(written.desktop, seed, 25, 8, 18),
    }
    text = TextStage()
    for name, maker in makers.items():
        found, asked, skipped, times = 0, 0, 0, []
        for seed in range(10):
            image, words = maker(seed)
            started = time.process_time()
            skipped += not glance(image).may_hold_text
            text.look(image)
            said = set(re.findall(r"\w+", str(text.read("").get("text", "")).lower()))
            times.append(time.process_time() - started)
            found += sum(word.lower() in said for word in words)
            asked += len(words)
        print(
            f"{name}: {skipped} of 10 skipped, {found / asked:.1%} of {asked} words, {_ms(times)}"
        )


def _sign(seed: int) -> tuple[Image.Image, list[str]]:
    words = [word.upper() for word in written.some_words(2, seed)]
    font = written.FONTS[seed % len(written.FONTS)]
    return written.sign(" ".join(words), font=font, tilt=seed * 2 - 9, seed=seed), words


def _receipt(seed: int) -> tuple[Image.Image, list[str]]:
    words = written.some_words(16, seed)
    items = [(word, f"{n + 1}.{seed}5") for n, word in enumerate(words)]
    return written.receipt(items, tilt=seed - 5), words


def _lines(
    maker: Callable[..., Image.Image], seed: int, lines: int, across: int, size: int
) -> tuple[Image.Image, list[str]]:
    rows = [written.some_words(across, seed * 1000 + n) for n in range(lines)]
    return maker([" ".join(row) for row in rows], size=size), [w for row in rows for w in row]


def memory(files: list[Path]) -> None:
    """The most that a decoding child held, with reading and without."""
    for read_text in (False, True):
        pool = DecoderPool(1, Limits())
        for path in files:
            pool.prepare(path.read_bytes(), SPEC, exact=False, read_text=read_text)
        for data in _large():
            pool.prepare(data, SPEC, exact=False, read_text=read_text)
        child = next(iter(pool._all)).process.pid
        said = Path(f"/proc/{child}/status").read_text()
        peak, space = (int(re.findall(rf"{n}:\s+(\d+)", said)[0]) for n in ("VmHWM", "VmPeak"))
        print(f"child, read_text={read_text}: {peak >> 10} MiB, {space >> 10} MiB of addresses")
        pool.close()


def _large() -> Iterator[bytes]:
    lines = [" ".join(written.some_words(9, seed)) for seed in range(60)]
    yield written.as_file(written.page(lines))
    yield written.as_file(written.desktop(lines[:50], size=12))
    yield written.as_file(written.chat(lines))


def _ms(seconds: list[float]) -> str:
    mean, middle = statistics.mean(seconds) * 1000, statistics.median(seconds) * 1000
    return f"{mean:.0f} ms a picture (median {middle:.0f}, most {max(seconds) * 1000:.0f})"


if __name__ == "__main__":
    main()
