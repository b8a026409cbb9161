"""What is refused before a decoder sees it, and that honest files never are."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

from chalicelib import bounds, images
from chalicelib.errors import TooLarge, UnreadableImage
from tests.hostile.parts import after_start, box, full_box, segment, whole
from tests.unit.pictures import encoded, scene
from tests.unit.sentences import faults


def _heif(*references: tuple[bytes, int, Sequence[int]], wide: bool = False) -> bytes:
    """Nothing but the references of items, as 16-bit numbers or 32-bit ones."""
    letter = "I" if wide else "H"
    told = b"".join(
        box(kind, struct.pack(f">{letter}H{len(to)}{letter}", one, len(to), *to))
        for kind, one, to in references
    )
    table = full_box(b"iref", int(wide), told)
    return box(b"ftyp", b"heic\0\0\0\0mif1") + full_box(b"meta", 0, box(b"free"), table)


@pytest.mark.parametrize("ending", whole())
def test_honest_files_pass(ending: str) -> None:
    bounds.check(whole()[ending])


def test_scans_without_end_are_refused_and_those_of_an_encoder_are_not() -> None:
    data = encoded(scene(64, 64), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    bounds.check(data[:last] + data[last:-2] * 150 + data[-2:])
    with pytest.raises(UnreadableImage, match="200 passes") as refused:
        bounds.check(data[:last] + data[last:-2] * 200 + data[-2:])
    assert faults(refused.value.message) == []


def test_scans_after_the_end_of_the_picture_and_inside_its_notes_do_not_count() -> None:
    data, note = encoded(scene(64, 64), "JPEG"), b"\xff\xda\0\x03" * 400
    for whole_file in (data + note, after_start(data, segment(0xE5, note))):
        bounds.check(whole_file)
        assert images.open_upright(whole_file).width == 64


def test_a_megabyte_of_exif_passes_and_what_takes_a_minute_to_join_does_not() -> None:
    data, block = encoded(scene(64, 64), "JPEG"), segment(0xE1, b"Exif\0\0" + bytes(65_000))
    bounds.check(after_start(data, block * 64))
    with pytest.raises(TooLarge, match="4 MB") as refused:
        bounds.check(after_start(data, block * 65))
    assert faults(refused.value.message) == []


@pytest.mark.parametrize("wide", [False, True])
def test_a_grid_with_its_alpha_passes(wide: bool) -> None:
    tiles, alphas = range(10, 60), range(100, 150)
    bounds.check(_heif((b"dimg", 1, tiles), (b"dimg", 2, alphas), (b"auxl", 2, [1]), wide=wide))


@pytest.mark.parametrize(
    "references",
    [
        [(b"dimg", 1, [1])],
        [(b"dimg", 1, [2]), (b"dimg", 2, [1])],
        [(b"auxl", 2, [1]), (b"dimg", 2, [1])],
        [(b"dimg", n, [n + 1]) for n in range(1, 900)],
        [(b"dimg", n, [n + 1]) for n in reversed(range(1, 900))],
    ],
    ids=["of itself", "of each other", "alpha is the picture", "a chain", "a chain, backwards"],
)
@pytest.mark.parametrize("wide", [False, True])
def test_parts_made_of_parts_without_end_are_refused(
    references: list[tuple[bytes, int, Sequence[int]]], wide: bool
) -> None:
    with pytest.raises(UnreadableImage, match="without end") as refused:
        bounds.check(_heif(*references, wide=wide))
    assert faults(refused.value.message) == []


def test_grids_in_grids_are_refused_for_the_number_of_tiles_they_come_to() -> None:
    layers = [(b"dimg", 4 * n + k, range(4 * n + 4, 4 * n + 8)) for n in range(6) for k in range(4)]
    bounds.check(_heif(*layers[:20]))
    with pytest.raises(TooLarge, match="2048 parts") as refused:
        bounds.check(_heif(*layers))
    assert faults(refused.value.message) == []


def test_what_cannot_be_followed_is_left_to_the_decoder() -> None:
    data = _heif((b"dimg", 1, [1]))
    for cut in range(data.index(b"iref")):
        bounds.check(data[:cut])
    start = data.index(b"iref") - 4
    for length in (0, 1, 7, 2**32 - 1):
        bounds.check(data[:start] + struct.pack(">I", length) + data[start + 4 : start + 20])
