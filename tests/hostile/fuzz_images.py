"""`python -m tests.hostile.fuzz_images SECONDS [INPUT …]`: ever new damaged files for images.py.

Seeded with the made files; what it learns stays in .cache/fuzz/corpus, what it finds in
.cache/fuzz/found. With INPUTs it only tries those. Fails on anything but a picture or a
Permanent with a sentence for a person, on a picture larger than its header said, and on facts
that are not finite. A crash, a hang and a leak of the decoders end it too.
"""

from __future__ import annotations

import math
import random
import resource
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

try:
    import atheris
except ImportError:
    sys.exit("make fuzz needs atheris, whose wheels are for Linux on x86-64 and Python up to 3.13.")

with atheris.instrument_imports(include=["PIL", "pi_heif", "chalicelib"]):
    from chalicelib import images
    from chalicelib.errors import Permanent

from tests.hostile.generate import files
from tests.hostile.parts import PNG_START
from tests.unit.sentences import faults

FOLDER = Path(__file__).resolve().parents[2] / ".cache" / "fuzz"
MAX_PIXELS = 4_000_000
MAX_LENGTH = 1 << 16
MAX_SECONDS = 10
MEMORY = 4 << 30
"""The whole address space, limited as in a decoding child: past it there is a MemoryError, and no
find."""


T = TypeVar("T")


class Find(Exception):
    """Something that images.py must not do."""


def one_input(data: bytes) -> None:
    started = time.process_time()
    _check(data)
    if (took := time.process_time() - started) > MAX_SECONDS:
        raise Find(f"took {took:.0f} s of processor time")


def _check(data: bytes) -> None:
    header = _tried(lambda: images.read_header(data, max_pixels=MAX_PIXELS))
    at_least = 64 if zlib.crc32(data) & 1 else None
    picture = _tried(lambda: images.open_upright(data, max_pixels=MAX_PIXELS, at_least=at_least))
    if picture is None:
        return
    if header is None:
        raise Find("decoded, though its header was refused")
    if sorted((picture.width, picture.height)) != sorted((header.width, header.height)):
        raise Find(f"{picture.width} x {picture.height}, though the header said {header}")
    if picture.image.mode != "RGB" or picture.image.width > picture.width:
        raise Find(f"{picture.image} of {picture.width} x {picture.height}")
    _check_facts(picture)
    images.perceptual_hash(picture.image)
    images.thumbnail(picture.image)


def _tried(action: Callable[[], T]) -> T | None:
    try:
        return action()
    except Permanent as refused:
        if found := faults(refused.message):
            raise Find(f"{refused.message!r} {found}") from refused
        return None


def _check_facts(picture: images.Picture) -> None:
    place, exposure = picture.location, picture.exposure
    numbers: list[float] = [*picture.box]
    if place is not None:
        numbers += [place.lat, place.lon]
        if abs(place.lat) > 90 or abs(place.lon) > 180:
            raise Find(f"nowhere on Earth: {place}")
    if exposure is not None:
        told = (exposure.seconds, exposure.f_number, exposure.iso, exposure.focal_mm)
        numbers += [number for number in told if number is not None]
    if not all(math.isfinite(number) for number in numbers):
        raise Find(f"not finite: {numbers}")
    if not (picture.camera + picture.lens).isprintable():
        raise Find(f"control characters: {picture.camera!r}, {picture.lens!r}")


def mutated(data: bytes, longest: int, seed: int) -> bytes:
    """libFuzzer's changes; then mostly with checksums that fit, so that PNGs are read further."""
    changed = bytes(atheris.Mutate(data, longest))
    if not changed.startswith(PNG_START) or random.Random(seed).random() < 0.1:
        return changed
    out, at = bytearray(changed), len(PNG_START)
    while at + 12 <= len(out):
        end = at + 8 + int.from_bytes(out[at : at + 4], "big")
        if end + 4 > len(out):
            break
        out[end : end + 4] = zlib.crc32(out[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(out[:longest])


def main(seconds: str = "600", *inputs: str) -> None:
    folders = [FOLDER / name for name in ("corpus", "seeds", "found")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for name, file in files().items():
        if len(file.data) <= MAX_LENGTH:
            (FOLDER / "seeds" / name).write_bytes(file.data)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    options = [
        f"-max_total_time={seconds}", f"-max_len={MAX_LENGTH}", f"-artifact_prefix={folders[2]}/",
        "-timeout=300", "-rss_limit_mb=0", "-print_final_stats=1", "-report_slow_units=60",
    ]  # fmt: skip
    what = inputs or [str(folder) for folder in folders[:2]]
    atheris.Setup([sys.argv[0], *options, *what], one_input, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
