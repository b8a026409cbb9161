"""Millions of summaries in little room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib import packed
from chalicelib.index.base import Summary
from chalicelib.packed import Packed, hashes, pack
from chalicelib.records import image_id

IDS = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")


def summary(name: str, etag: str = "e", thumbnail: str = "t") -> Summary:
    return Summary(name, "key", etag, "ready", "model", 1, thumbnail)


def packed_of(*names: str) -> Packed:
    return pack((summary(name, f"e{name}", f"t{name}") for name in names), lambda _: 7)


@given(st.sets(IDS, max_size=50), st.sets(IDS, max_size=20))
def test_what_is_packed_is_found_with_what_belongs_to_it(known: set[str], others: set[str]) -> None:
    said = packed_of(*known)
    asked = [*known, *(others - known)]
    places = said.find(asked)
    assert places[len(known) :].tolist() == [-1] * len(others - known)
    there = places[: len(known)]
    assert said.ids(there) == [*known]
    assert said.etags[there].tolist() == hashes([f"e{name}" for name in known]).tolist()
    assert said.thumbnails[there].tolist() == hashes([f"t{name}" for name in known]).tolist()
    assert set(said.standing.tolist()) <= {7}


def test_nothing_is_found_in_nothing() -> None:
    empty = packed_of()
    assert len(empty) == empty.nbytes == 0
    assert empty.find(["0" * 32]).tolist() == [-1]
    assert packed_of("0" * 32).find([]).tolist() == []


def test_ids_that_share_a_half_are_told_apart() -> None:
    first, second, other = ("ab" * 8 + end for end in ("00" * 8, "11" * 8, "22" * 8))
    said = packed_of(first, second)
    assert said.ids(said.find([first])) == [first]
    assert said.ids(said.find([second, first])) == [second, first]
    assert said.find([other]).tolist() == [-1]


def test_an_image_takes_34_bytes() -> None:
    names = [image_id("photos", f"{n}.jpg") for n in range(3000)]
    assert packed_of(*names).nbytes == 34 * 3000


def test_more_than_a_chunk_is_packed_as_a_chunk_is() -> None:
    names = [image_id("photos", f"{n}.jpg") for n in range(packed._CHUNK + 10)]
    said = packed_of(*names)
    assert len(said) == len(names)
    assert said.ids(said.find(names)) == names
