"""The odd and broken pictures of other projects' tests, through a real decoding child.

Found by years of fuzzing and by the users of those projects. Most are no pictures of ours; what
must hold for each is what must hold for the files we make.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.decoding import DecoderPool
from tests.hostile import judging

PARTS = 8


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    pool = DecoderPool(1, judging.LIMITS)
    yield pool
    pool.close()


def test_there_are_a_thousand_pictures_and_none_has_left_its_folder(corpora: Path) -> None:
    found = list(corpora.iterdir())
    assert len(found) >= 1000
    assert all(path.is_file() and not path.is_symlink() for path in found)
    assert not any(path.name.startswith(".") for path in found)


@pytest.mark.parametrize("part", range(PARTS))
def test_the_odd_pictures_of_others_harm_nobody(
    corpora: Path, pool: DecoderPool, part: int
) -> None:
    outcomes = {}
    for path in sorted(corpora.iterdir())[part::PARTS]:
        outcomes[path.name] = judging.outcome(pool, path.read_bytes())
        judging.reads_an_honest_picture(pool)
    assert {name: o for name, o in outcomes.items() if o.faults} == {}
    assert {o.kind for o in outcomes.values()} == {"read", "refused"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("crash-465703f71a0f0094873a3e0e82c9f798161171b8.sgi", "refused"),
        ("oom-225817ca0f8c663be7ab4b9e717b02c661e66834.tif", "refused"),
        ("truncated_jpeg.jpg", "refused"),
        ("timeout-6646305047838720", "refused"),
        ("bmp~b~badbitcount.bmp", "refused"),
        ("invalid-exif.jpg", "read"),
        ("hopper.jpg", "read"),
    ],
)
def test_what_becomes_of_some_of_them(
    corpora: Path, pool: DecoderPool, name: str, kind: str
) -> None:
    assert judging.outcome(pool, (corpora / f"pillow~{name}").read_bytes()).kind == kind
