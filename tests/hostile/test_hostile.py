"""Every hostile file through a real decoding child: whatever it does, it does to itself.

Not every one is refused: a decoder may make a whole picture of a damaged file, and a picture with
absurd facts is a picture. What must hold is that each ends in time, as a picture of the size it
says or as a refusal that a person understands, that none takes its child along, since what can do
so is refused before, and that the child then reads an honest picture.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.decoding import DecoderPool
from tests.hostile import judging
from tests.hostile.generate import KINDS, files

ROOT = Path(__file__).resolve().parents[2]
FILES = files()


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    pool = DecoderPool(1, judging.LIMITS)
    yield pool
    pool.close()


def test_there_are_many_hostile_files_and_no_two_are_the_same() -> None:
    assert len(FILES) >= 1000
    assert len({hashlib.sha256(file.data).digest() for file in FILES.values()}) == len(FILES)
    verdicts = Counter(file.verdict for file in FILES.values())
    assert verdicts["refused"] >= 400
    assert verdicts["read"] >= 100


def test_the_hostile_files_are_made_the_same_every_time() -> None:
    script = (
        "import hashlib; from tests.hostile.generate import files; "
        "print(hashlib.sha256(b''.join(n.encode() + f.data for n, f in files().items()))"
        ".hexdigest())"
    )
    ours = hashlib.sha256(b"".join(n.encode() + f.data for n, f in FILES.items())).hexdigest()
    made = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
    ).stdout.strip()
    assert made == ours


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_harms_nobody_but_itself(pool: DecoderPool, name: str) -> None:
    outcome = judging.outcome(pool, FILES[name].data)
    assert outcome.faults == []
    if FILES[name].verdict != "either":
        assert outcome.kind == FILES[name].verdict, outcome
    judging.reads_an_honest_picture(pool)


@pytest.mark.parametrize(
    "name",
    [
        *("bomb-header.png", "bomb.bmp", "bomb.tif", "bomb.jpg", "bomb-over-by-one-row.png"),
        *("sides-65535-by-65535.gif", "sides-65535-by-65535.webp", "exif-of-60-mb.jpg"),
        *("scans-over-48-megapixels.jpg", "grids-in-grids-60-deep.heic"),
        *("alpha-is-the-picture.heic", "bomb-frame-over-the-edge-cleared.gif"),
    ],
)
def test_a_bomb_is_refused_before_its_child_decodes_anything(pool: DecoderPool, name: str) -> None:
    judging.reads_an_honest_picture(pool)
    before = judging.processor_seconds(pool)
    assert judging.outcome(pool, FILES[name].data).kind == "refused"
    assert judging.processor_seconds(pool) - before < 1


def test_every_kind_of_wickedness_is_in_the_sample_for_the_whole_stack() -> None:
    sample = judging.sample()
    assert len(sample) >= 2 * len(KINDS)
    assert {file.verdict for file in sample} == {"refused", "read"}
