"""What a file has done to a decoding child, and whether that is allowed."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from chalicelib.clip.pixels import PixelSpec
from chalicelib.decoding import DecoderPool, Limits, Prepared
from chalicelib.decoding.process import ChildLost
from chalicelib.errors import Permanent
from tests.hostile.generate import KINDS
from tests.hostile.parts import Hostile
from tests.unit.pictures import encoded, scene
from tests.unit.sentences import faults as faults_of_sentence

LIMITS = Limits(memory=2 * 1024**3, cpu_seconds=10, wall_seconds=60)
SPEC = PixelSpec("shortest", 32, 32, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
HONEST = encoded(scene(80, 60), "JPEG")


class Outcome(NamedTuple):
    """`kind`: "read" or "refused"; `said`: the size, or the reason; `faults`: what may not be."""

    kind: str
    said: str
    faults: list[str]


def outcome(pool: DecoderPool, data: bytes) -> Outcome:
    """Let a child decode `data`. Any error but a Permanent comes through."""
    try:
        prepared = pool.prepare(data, SPEC)
    except Permanent as error:
        found = faults_of_sentence(error.message)
        if isinstance(error.__cause__, ChildLost):
            found.append("took its child along")
        return Outcome("refused", error.message, found)
    said = f"{prepared.width} x {prepared.height}"
    return Outcome("read", said, faults_of_picture(prepared, pool.limits.max_pixels))


def faults_of_picture(prepared: Prepared, max_pixels: int) -> list[str]:
    found = []
    if not 0 < prepared.width * prepared.height <= max_pixels:
        found.append("of no size, or too large")
    if prepared.pixels.shape != (SPEC.size, SPEC.size, 3):
        found.append(f"pixels of shape {prepared.pixels.shape}")
    if not (prepared.camera + prepared.lens).isprintable():
        found.append("control characters in the names")
    if len(prepared.camera) > 250 or len(prepared.lens) > 250:
        found.append("a name that is too long")
    with Image.open(io.BytesIO(prepared.thumbnail)) as small:
        if more := small.info.keys() - {"jfif", "jfif_version", "jfif_unit", "jfif_density"}:
            found.append(f"the thumbnail carries {more}")
    place, exposure = prepared.location, prepared.exposure
    if place and not (abs(place.lat) <= 90 and abs(place.lon) <= 180):
        found.append(f"is nowhere on Earth: {place}")
    told = () if exposure is None else (
        exposure.seconds, exposure.f_number, exposure.iso, exposure.focal_mm
    )  # fmt: skip
    if not all(number is None or 0 < number < 1e9 for number in told):
        found.append(f"impossible exposure: {exposure}")
    if prepared.taken_at and prepared.taken_at.tzinfo is None:
        found.append("a time without a zone")
    return found


def reads_an_honest_picture(pool: DecoderPool) -> None:
    honest = pool.prepare(HONEST, SPEC)
    assert (honest.width, honest.height) == (80, 60)


def processor_seconds(pool: DecoderPool) -> float:
    """What the pool's children that live have used so far."""
    return sum(_processor_seconds(child.process.pid) for child in pool._all)


def _processor_seconds(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    said = subprocess.run(
        ["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=True
    ).stdout
    # [hours:]minutes:seconds
    parts = [float(part) for part in said.strip().split(":")]
    return sum(part * 60**n for n, part in enumerate(reversed(parts)))


def sample() -> list[Hostile]:
    """A few files of every kind, none of which leaves open what becomes of it."""
    chosen = []
    for kind in KINDS:
        small = [file for file in kind.hostile() if len(file.data) < 1_000_000 and file.data]
        for verdict in ("refused", "read"):
            of_it = [file for file in small if file.verdict == verdict]
            chosen += of_it[:: max(1, len(of_it) // 2)][:3]
    return chosen
