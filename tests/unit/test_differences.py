"""Which keys differ, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.decoding import DECODER_VERSION
from chalicelib.differences import (
    CAUSES,
    Cause,
    Listed,
    Scope,
    Tally,
    differences,
    remembered,
)
from chalicelib.index.base import Write
from chalicelib.index.memory import MemoryIndex
from chalicelib.records import ImageRecord, State, image_id
from chalicelib.sharding import Shard
from chalicelib.verdicts import MadeWith

NOW = datetime(2024, 5, 17, tzinfo=timezone.utc)
BUCKET = "photos"


def record(key: str, etag: str = "e", state: State = "rejected", **more: object) -> ImageRecord:
    """Of the model "m", without a vector."""
    plain = ImageRecord(
        id=image_id(BUCKET, key),
        bucket=BUCKET,
        key=key,
        name=key,
        collection="",
        state=state,
        etag=etag,
        indexed_at=NOW,
        uploaded_at=NOW,
        model="m",
        decoder_version=DECODER_VERSION,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def compared(
    records: Iterable[ImageRecord],
    listing: Iterable[tuple[str, str]],
    *,
    shard: Shard = Shard(),  # noqa: B008
    prefix: str = "",
    as_of: datetime | None = None,
) -> tuple[list[tuple[str, Cause]], Tally]:
    index, tally = MemoryIndex(dim=8), Tally()
    index.write([Write(one, None) for one in records])
    scope = Scope(BUCKET, shard, prefix)
    said = remembered(index, scope, MadeWith("m"))
    listed = (Listed(*pair) for pair in listing)
    found = list(differences(listed, said, index, scope, tally, as_of=as_of))
    assert sum(tally.causes.values()) == len(found) == len({key for key, _ in found})
    return found, tally


def test_every_cause_is_told() -> None:
    records = [
        record("same"),
        record("archived", state="archived"),
        record("changed"),
        record("other", model="n"),
        record("old", decoder_version=DECODER_VERSION - 1),
        record("old archived", state="archived", decoder_version=DECODER_VERSION - 1),
        record("unsure"),
        record("back", "", "deleted"),
        record("gone"),
        record("long gone", "", "deleted"),
    ]
    etags = {"changed": "f", "unsure": ""}
    here = [r.key for r in records if "gone" not in r.key]
    found, tally = compared(records, [(k, etags.get(k, "e")) for k in (*here, "new")])
    assert dict(found) == {
        "changed": "changed",
        "other": "other model",
        "old": "retry",
        "unsure": "unsure",
        "back": "new",
        "new": "new",
        "gone": "gone",
    }
    assert (tally.listed, tally.same) == (9, 3)
    assert found[-1] == ("gone", "gone")


def test_every_cause_has_words() -> None:
    assert all(words for words in CAUSES.values())


def test_a_record_newer_than_the_list_is_told_apart_from_one_that_is_gone() -> None:
    records = [
        record("before", uploaded_at=NOW - timedelta(seconds=1)),
        record("after", uploaded_at=NOW + timedelta(seconds=1)),
        record("unknown", uploaded_at=None),
    ]
    found, _ = compared(records, [], as_of=NOW)
    assert dict(found) == {"before": "gone", "after": "newer", "unknown": "newer"}
    found, _ = compared(records, [])
    assert {cause for _, cause in found} == {"gone"}


def test_a_prefix_leaves_everything_else_alone() -> None:
    records = [record("a/gone"), record("b/gone"), record("a/same"), record("b/same")]
    listing = [("a/same", "e"), ("a/new", "e"), ("b/same", "e"), ("b/new", "e")]
    found, tally = compared(records, listing, prefix="a/")
    assert dict(found) == {"a/new": "new", "a/gone": "gone"}
    assert (tally.listed, tally.same) == (2, 1)


def test_a_record_that_goes_meanwhile_is_not_told() -> None:
    index, tally = MemoryIndex(dim=8), Tally()
    index.write([Write(record(key), None) for key in ("gone", "going")])
    scope = Scope(BUCKET)
    said = remembered(index, scope, MadeWith("m"))

    def listing() -> Iterable[Listed]:
        held = index.read([image_id(BUCKET, "going")])
        (version,) = (v.version for v in held.values())
        index.write([Write(record("going", "", "deleted"), version)])
        yield from ()

    found = differences(listing(), said, index, scope, tally)
    assert list(found) == [("gone", "gone")]


NUMBERS = st.sets(st.integers(0, 4000), max_size=60)


@given(NUMBERS, NUMBERS, NUMBERS, st.integers(1, 5))
def test_shards_together_tell_every_difference_once(
    same: set[int], new: set[int], gone: set[int], count: int
) -> None:
    new, gone = new - same, gone - same - new
    records = [record(str(n)) for n in same | gone]
    listing = [(str(n), "e") for n in sorted(same | new)]
    parts = [compared(records, listing, shard=Shard(n, count)) for n in range(count)]
    found = [pair for part, _ in parts for pair in part]
    wanted = [(str(n), "new") for n in new] + [(str(n), "gone") for n in gone]
    assert sorted(found) == sorted(wanted)
    assert sum(tally.same for _, tally in parts) == len(same)
    assert sum(tally.listed for _, tally in parts) == len(same | new)


@pytest.mark.parametrize("count", [999, 1000, 1001, 2500])
def test_more_than_a_slice_is_compared_as_a_slice_is(count: int) -> None:
    records = [record(str(n)) for n in range(count)]
    listing = [(str(n), "e" if n % 7 else "f") for n in range(0, count, 2)]
    found, tally = compared(records, listing)
    assert tally.causes["changed"] == len(range(0, count, 14))
    assert tally.causes["gone"] == count // 2
    assert tally.same == len(listing) - len(range(0, count, 14))
    assert {key for key, cause in found if cause == "gone"} == {str(n) for n in range(1, count, 2)}
