"""Which files are copies, judged one by one and many at once."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.copies import (
    BANDS,
    EQUAL_BANDS,
    HASH_DIGITS,
    LEAST_EDGES,
    MAX_BITS,
    MAX_COPIES,
    MAX_FOLDED_IDS,
    Collapse,
    Copy,
    CopyKind,
    Marks,
    bands,
    copies_among,
    first_copies,
    judge,
)
from chalicelib.index.folding import Stack, alike, fold, folded, signature, signatures

BUSY = random.Random(1).getrandbits(128)
"""A hash with about a hundred edges."""
STRIPES = int("f0" * 8, 16) << 64
"""Eight edges along, none down."""


def text(number: int) -> str:
    return f"{number:0{HASH_DIGITS}x}"


def flipped(number: int, *places: int) -> int:
    for place in places:
        number ^= 1 << place
    return number


def near(number: int, sha256: str = "") -> Marks:
    return Marks(sha256, text(number))


def edges_of(number: int) -> int:
    """Counted on the picture of the bits."""
    pictures = np.array([int(bit) for bit in f"{number:0128b}"]).reshape(2, 8, 8)
    along = int((pictures[:, :, 1:] != pictures[:, :, :-1]).sum())
    return along + int((pictures[:, 1:] != pictures[:, :-1]).sum())


# --- one and another ------------------------------------------------------------------------------


def test_files_of_the_same_bytes_are_exact_copies_whatever_their_hash() -> None:
    assert judge(near(BUSY, "aa"), near(BUSY, "aa")) == ("exact", 0)
    assert judge(near(0, "aa"), near(0, "aa")) == ("exact", 0)
    assert judge(Marks("aa", ""), Marks("aa", "")) == ("exact", 0)


def test_files_that_nothing_is_known_of_are_no_copies() -> None:
    assert judge(Marks("", ""), Marks("", "")) is None
    assert judge(Marks("aa", ""), Marks("", text(BUSY))) is None


def test_pictures_that_differ_in_few_bits_are_near_copies() -> None:
    for count in range(MAX_BITS + 1):
        other = flipped(BUSY, *range(0, 20 * count, 20))
        assert judge(near(BUSY, "aa"), near(other, "bb")) == ("near", count)
    assert judge(near(BUSY), near(flipped(BUSY, *range(0, 126, 18)))) is None


def test_a_flat_picture_has_exact_copies_only() -> None:
    assert edges_of(STRIPES) < LEAST_EDGES
    assert judge(near(0), near(0)) is None
    assert judge(near(STRIPES), near(STRIPES)) is None


def test_the_fewer_edges_a_picture_has_the_more_alike_its_near_copies_must_be() -> None:
    """Rows of four, four and four bits: 36 edges, so at most 3 bits apart."""
    calm = int("cc" * 4 + "33" * 4, 16) << 64
    assert LEAST_EDGES <= edges_of(calm) < 40
    assert judge(near(calm), near(flipped(calm, 64, 90, 120))) == ("near", 3)
    assert judge(near(calm), near(flipped(calm, 64, 90, 120, 127))) is None


def test_a_hash_of_rows_only_is_not_enough() -> None:
    short = Marks("aa", text(BUSY)[:16])
    assert judge(short, short._replace(sha256="bb")) is None
    assert judge(short, short) == ("exact", 0)


def test_exact_copies_come_first_then_the_nearest() -> None:
    others = [
        ("c", near(flipped(BUSY, 3), "bb")),
        ("b", near(flipped(BUSY, 3, 9), "cc")),
        ("a", near(flipped(BUSY, 90), "dd")),
        ("z", near(BUSY, "aa")),
        ("x", near(~BUSY & (1 << 128) - 1, "ee")),
    ]
    assert copies_among(near(BUSY, "aa"), others) == [
        ("z", "exact", 0),
        ("a", "near", 1),
        ("c", "near", 1),
        ("b", "near", 2),
    ]
    many = [Copy(f"{n:03}", "exact", 0) for n in range(MAX_COPIES + 5)]
    assert first_copies(reversed(many)) == many[:MAX_COPIES]


hashes = st.one_of(
    st.integers(0, 2**128 - 1),
    st.lists(st.integers(0, 127), max_size=8).map(lambda places: flipped(BUSY, *places)),
    st.lists(st.integers(0, 127), max_size=3).map(lambda places: flipped(STRIPES, *places)),
)


@given(hashes, st.lists(st.integers(0, 127), max_size=MAX_BITS, unique=True))
def test_near_copies_have_as_many_equal_bands_as_is_promised(
    number: int, places: list[int]
) -> None:
    """The promise by which OpenSearch finds candidates."""
    one, other = near(number), near(flipped(number, *places))
    mine, theirs = bands(one.perceptual_hash), bands(other.perceptual_hash)
    assert len(mine) in (0, BANDS)
    if judge(one, other) is not None:
        assert len(set(mine) & set(theirs)) >= EQUAL_BANDS
    assert bool(mine) == (edges_of(number) >= LEAST_EDGES)


# --- many at once ---------------------------------------------------------------------------------

marks = st.builds(Marks, st.sampled_from(["", "aa", "bb", "cc"]), hashes.map(text) | st.just(""))


def rows_of(images: list[Marks]) -> list[bytes]:
    return [signature(*image) for image in images]


@given(marks, st.lists(marks, max_size=20))
def test_judged_many_at_once_the_verdicts_are_the_same(one: Marks, others: list[Marks]) -> None:
    verdicts = [(place, judge(one, other)) for place, other in enumerate(others)]
    expected = [(place, *verdict) for place, verdict in verdicts if verdict is not None]
    assert sorted(alike(signature(*one), signatures(rows_of(others)))) == expected


def plainly_folded(images: list[Marks], collapse: Collapse) -> list[Stack]:
    stacks: list[tuple[int, list[tuple[CopyKind, int]]]] = []
    for place, image in enumerate(images):
        for item, behind in stacks:
            verdict = judge(images[item], image)
            if verdict is not None and collapse in (verdict[0], "near"):
                behind.append((verdict[0], place))
                break
        else:
            stacks.append((place, []))
    return [
        Stack(
            item,
            tuple(place for kind, place in behind if kind == "exact"),
            tuple(place for kind, place in behind if kind == "near"),
        )
        for item, behind in stacks
    ]


@given(st.lists(marks, max_size=25), st.sampled_from(["exact", "near"]), st.booleans())
def test_a_folded_set_is_what_folding_one_by_one_gives(
    images: list[Marks], collapse: Collapse, in_parts: bool
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        if in_parts:
            patched.setattr("chalicelib.index.folding._CELLS", 60)
        found = fold(signatures(rows_of(images)), collapse)
    assert found == plainly_folded(images, collapse)
    if collapse == "near":
        kept = [images[stack.place] for stack in found]
        assert all(judge(a, b) is None for n, a in enumerate(kept) for b in kept[:n])


def test_a_copy_of_a_copy_need_not_be_a_copy() -> None:
    chain = [near(flipped(BUSY, *range(4 * step)), f"{step}") for step in range(3)]
    assert judge(chain[0], chain[2]) is None
    assert fold(signatures(rows_of(chain)), "near") == [Stack(0, (), (1,)), Stack(2, (), ())]


def test_behind_an_item_the_best_are_named() -> None:
    ids = [f"{n}" for n in range(40)]
    stack = Stack(0, tuple(range(2, 40, 2)), tuple(range(1, 40, 2)))
    behind = folded(stack, ids)
    assert (behind.exact, behind.near) == (19, 20)
    assert behind.ids == tuple(ids[1 : MAX_FOLDED_IDS + 1])
