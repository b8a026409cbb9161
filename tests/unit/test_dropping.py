"""Dropping an index: what goes, what stays, and what is refused."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from chalicelib.dropping import drop_index
from chalicelib.errors import InvalidRequest, NotFound, StorageUnavailable
from tests.fakes.bucket import MemoryBucket

USED, OLD, THIRD = (f"images-{name}-{n:012x}" for n, name in enumerate(("new", "old", "third")))


class FakeShelf:
    def __init__(self, *names: str) -> None:
        self.held = set(names)
        self.used: dict[str, datetime] = {}

    def names(self) -> list[str]:
        return sorted(self.held)

    def last_used(self, name: str) -> datetime | None:
        return self.used.get(name)

    def drop(self, name: str) -> None:
        self.held.remove(name)


@pytest.fixture
def shelf() -> FakeShelf:
    return FakeShelf(USED, OLD, THIRD)


@pytest.fixture
def thumbnails() -> MemoryBucket:
    bucket = MemoryBucket("thumbnails")
    for n, count in enumerate((2, 1500, 3)):
        for m in range(count):
            bucket.put(f"{n:012x}/{m}/etag.webp", b"?", "image/webp")
    bucket.put("plain/etag.webp", b"?", "image/webp")
    return bucket


def left(thumbnails: MemoryBucket) -> dict[str, int]:
    folders = [key.partition("/")[0] for key in thumbnails.objects]
    return {folder: folders.count(folder) for folder in set(folders)}


def test_an_index_goes_with_its_thumbnails_and_no_others(
    shelf: FakeShelf, thumbnails: MemoryBucket
) -> None:
    assert drop_index(shelf, OLD, in_use=USED, thumbnails=thumbnails) == 1500
    assert shelf.held == {USED, THIRD}
    assert left(thumbnails) == {f"{0:012x}": 2, f"{2:012x}": 3, "plain": 1}


def test_the_index_in_use_is_never_dropped(shelf: FakeShelf, thumbnails: MemoryBucket) -> None:
    for anyway in (False, True):
        with pytest.raises(InvalidRequest, match="is the one in use"):
            drop_index(shelf, USED, in_use=USED, thumbnails=thumbnails, anyway=anyway)
    assert USED in shelf.held
    assert left(thumbnails)[f"{0:012x}"] == 2


def test_an_unknown_name_is_answered_with_the_names_there_are(
    shelf: FakeShelf, thumbnails: MemoryBucket
) -> None:
    with pytest.raises(NotFound) as caught:
        drop_index(shelf, "images-none-000000000001", in_use=USED, thumbnails=thumbnails)
    for name in (USED, OLD, THIRD):
        assert name in caught.value.message
    assert left(thumbnails)[f"{1:012x}"] == 1500
    with pytest.raises(NotFound, match="none at all"):
        drop_index(FakeShelf(), OLD, in_use=USED, thumbnails=thumbnails)


def test_an_index_that_was_used_within_a_day_goes_only_anyway(
    shelf: FakeShelf, thumbnails: MemoryBucket
) -> None:
    now = datetime.now(timezone.utc)
    shelf.used = {OLD: now - timedelta(hours=23), THIRD: now - timedelta(hours=25)}
    drop_index(shelf, THIRD, in_use=USED, thumbnails=thumbnails)
    with pytest.raises(InvalidRequest, match="--anyway"):
        drop_index(shelf, OLD, in_use=USED, thumbnails=thumbnails)
    assert shelf.held == {USED, OLD}
    drop_index(shelf, OLD, in_use=USED, thumbnails=thumbnails, anyway=True)
    assert shelf.held == {USED}


@pytest.mark.parametrize("deployed", [True, False])
def test_thumbnails_that_another_index_of_the_same_model_names_stay(
    thumbnails: MemoryBucket, deployed: bool
) -> None:
    """A model folder under another name has another index, and the same fingerprint."""
    renamed = OLD.replace("old", "renamed")
    shelf = FakeShelf(OLD) if deployed else FakeShelf(OLD, renamed)
    in_use = renamed if deployed else USED
    assert drop_index(shelf, OLD, in_use=in_use, thumbnails=thumbnails) == 0
    assert OLD not in shelf.held
    assert left(thumbnails)[f"{1:012x}"] == 1500


def test_while_the_thumbnails_cannot_be_deleted_the_index_stays_to_be_tried_again(
    shelf: FakeShelf, thumbnails: MemoryBucket
) -> None:
    thumbnails.down = True
    with pytest.raises(StorageUnavailable):
        drop_index(shelf, OLD, in_use=USED, thumbnails=thumbnails)
    assert OLD in shelf.held
    thumbnails.down = False
    assert drop_index(shelf, OLD, in_use=USED, thumbnails=thumbnails) == 1500
