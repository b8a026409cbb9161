"""Shares of a library, by hash of the id."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import InvalidRequest
from chalicelib.records import image_id
from chalicelib.sharding import MOST, WHOLE, Shard

IDS = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")


@given(IDS, st.integers(1, MOST))
def test_every_id_is_in_exactly_one_shard(name: str, count: int) -> None:
    near = int(name[:8], 16) * count >> 32
    around = range(max(0, near - 2), min(count, near + 3))
    assert [n for n in around if Shard(n, count).holds(name)] == [near]


@pytest.mark.parametrize("count", [1, 2, 3, 16, 1000, MOST])
def test_the_borders_meet(count: int) -> None:
    shards = [Shard(number, count) for number in range(count)]
    assert (shards[0].first, shards[-1].end) == ("", None)
    for one, next_one in pairwise(shards):
        assert one.end == next_one.first
        assert one.first < next_one.first


def test_shards_are_about_equal() -> None:
    names = [image_id("photos", f"{n}.jpg") for n in range(8000)]
    for number in range(8):
        shard = Shard(number, 8)
        assert 850 < sum(map(shard.holds, names)) < 1150


def test_the_whole_holds_everything() -> None:
    assert WHOLE.holds("0" * 32)
    assert WHOLE.holds("f" * 32)
    assert Shard.parse("0/1") == WHOLE


@given(st.integers(1, MOST).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_a_shard_is_written_and_read_alike(pair: tuple[int, int]) -> None:
    assert Shard.parse(str(Shard(*pair))) == Shard(*pair)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1/", "/4", "4/4", "5/4", "-1/4", "a/b", "1/0", "0/0", "1/4/8", "0/10001", "²/4"],
)
def test_what_is_no_shard_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidRequest, match="0/4 to 3/4") as caught:
        Shard.parse(text)
    assert caught.value.field == "shard"
