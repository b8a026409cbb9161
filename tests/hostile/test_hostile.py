"""Every hostile file through real decoding children: whatever it does, it does to itself.

Not every one is refused: a decoder may make a whole picture of a damaged file. What must hold is
that each ends in time, as a picture of the size it says or as a refusal that a person
understands, and that the child, or the one in its place, then reads an honest picture.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.clip.pixels import PixelSpec
from chalicelib.decoding import DecoderPool, Limits
from chalicelib.errors import Permanent, TooLarge
from tests.hostile.generate import files
from tests.unit.pictures import encoded, scene
from tests.unit.sentences import faults

ROOT = Path(__file__).resolve().parents[2]
SPEC = PixelSpec("shortest", 32, 32, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
FILES = files()
HONEST = encoded(scene(80, 60), "JPEG")

MAY_BE_READ = ("flipped-", "hole.", "exif-", "profile-", "name-", "many-", "a-thousand-")
MAY_BE_READ += ("bomb-text.", "bomb-profile.", "bomb-pixels.", "bomb-deflate.")
MAY_BE_READ += ("tiles-0.", "rle.")
"""What is wrong with these can be passed over, or is a whole picture by chance."""
MUST_BE_REFUSED = [name for name in FILES if not name.startswith(MAY_BE_READ)]


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    limits = Limits(memory=2 * 1024**3, cpu_seconds=10, wall_seconds=60)
    pool = DecoderPool(2, limits)
    yield pool
    pool.close()


def test_there_are_many_hostile_files_and_no_two_are_the_same() -> None:
    assert len(FILES) >= 60
    assert len({hashlib.sha256(data).digest() for data in FILES.values()}) == len(FILES)
    assert len(MUST_BE_REFUSED) >= 60


def test_the_hostile_files_are_made_the_same_every_time() -> None:
    script = (
        "import hashlib; from tests.hostile.generate import files; "
        "print(hashlib.sha256(b''.join(n.encode() + d for n, d in files().items())).hexdigest())"
    )
    made = [
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        ).stdout
        for seed in ("1", "2")
    ]
    assert made[0] == made[1]


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_harms_nobody_but_itself(pool: DecoderPool, name: str) -> None:
    started = time.monotonic()
    try:
        prepared = pool.prepare(FILES[name], SPEC)
        refusal = None
    except Permanent as error:
        refusal = error
    if refusal is None:
        assert name not in MUST_BE_REFUSED
        assert 0 < prepared.width * prepared.height <= pool.limits.max_pixels
        assert prepared.pixels.shape == (32, 32, 3)
        assert prepared.camera.isprintable()
    else:
        assert faults(refusal.message) == []
    # Two tries of 10 s of processor time each, on a busy machine.
    assert time.monotonic() - started < 110
    honest = pool.prepare(HONEST, SPEC)
    assert (honest.width, honest.height) == (80, 60)


@pytest.mark.parametrize(
    "name",
    ["bomb-header.png", "bomb.bmp", "bomb.tif", "bomb.gif", "bomb.jpg", "bomb-over-by-one-row.png"],
)
def test_a_bomb_is_refused_by_its_header_in_no_time(pool: DecoderPool, name: str) -> None:
    pool.prepare(HONEST, SPEC)
    started = time.monotonic()
    with pytest.raises(TooLarge):
        pool.prepare(FILES[name], SPEC)
    assert time.monotonic() - started < 5
