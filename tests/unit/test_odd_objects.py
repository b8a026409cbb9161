"""Folders, archives and versions: what is in a bucket besides plain objects, on its way in."""

from __future__ import annotations

import pytest

from chalicelib.reconcile import reconcile
from chalicelib.verdicts import made_with
from tests.fakes.bucket import MemoryBucket
from tests.fakes.library import FakeLibrary


@pytest.fixture
def library() -> FakeLibrary:
    return FakeLibrary(bucket=MemoryBucket(versioned=True))


def result(library: FakeLibrary, key: str) -> str:
    return library.ingest().process([key])[key].result


def state(library: FakeLibrary, key: str) -> str | None:
    record = library.record(key)
    return record.state if record else None


def repaired(library: FakeLibrary) -> dict[str, int]:
    return reconcile(
        bucket=library.bucket,
        thumbnails=library.thumbnails,
        index=library.index,
        ingest=library.ingest(),
        now=made_with(library.encoder),
    ).results


def test_a_folder_made_in_a_console_is_no_image_and_no_rejected_one(library: FakeLibrary) -> None:
    library.put("trips/", b"")
    assert repaired(library) == {}
    assert result(library, "trips/") == "deleted"
    assert state(library, "trips/") == "deleted"
    assert repaired(library) == {}
    assert library.differences() == []


def test_an_image_that_an_empty_folder_replaces_is_gone(library: FakeLibrary) -> None:
    library.put("trips/", b"an image under an odd key")
    assert result(library, "trips/") == "indexed"
    library.put("trips/", b"")
    assert repaired(library) == {"deleted": 1}
    assert library.differences() == []


def test_an_empty_file_that_is_no_folder_is_rejected(library: FakeLibrary) -> None:
    """Nothing is dropped silently: this one was meant to be an image."""
    library.put("trips", b"")
    library.ingest().process(["trips"])
    assert repaired(library) == {}
    assert library.record("trips") is not None


def test_a_restored_copy_that_expires_leaves_an_archived_object(library: FakeLibrary) -> None:
    library.put("x.png")
    library.bucket.archived.add("x.png")
    assert result(library, "x.png") == "archived"
    library.bucket.archived.discard("x.png")
    assert result(library, "x.png") == "indexed"
    library.bucket.archived.add("x.png")
    assert result(library, "x.png") == "archived"
    assert library.thumbnails.objects == {}
    assert library.differences() == []


def test_an_archived_object_is_not_asked_for_again_by_reconcile(library: FakeLibrary) -> None:
    library.put("x.png")
    library.bucket.archived.add("x.png")
    assert repaired(library) == {"archived": 1}
    assert repaired(library) == {}


def test_an_undeleted_object_comes_back(library: FakeLibrary) -> None:
    library.put("x.png")
    assert result(library, "x.png") == "indexed"
    library.bucket.delete("x.png")
    assert result(library, "x.png") == "deleted"
    marker = library.bucket.versions["x.png"][-1]
    library.bucket.delete_version("x.png", marker.version_id)
    assert result(library, "x.png") == "indexed"
    assert library.differences() == []


def test_the_deletion_of_an_old_version_is_looked_at_and_changes_nothing(
    library: FakeLibrary,
) -> None:
    library.put("x.png", b"one")
    library.put("x.png", b"two")
    assert result(library, "x.png") == "indexed"
    library.bucket.delete_version("x.png", library.bucket.versions["x.png"][0].version_id)
    assert result(library, "x.png") == "unchanged"


def test_the_deletion_of_the_newest_version_brings_back_the_one_before(
    library: FakeLibrary,
) -> None:
    library.put("x.png", b"one")
    library.put("x.png", b"second")
    assert result(library, "x.png") == "indexed"
    library.bucket.delete_version("x.png", library.bucket.versions["x.png"][-1].version_id)
    assert result(library, "x.png") == "indexed"
    record = library.record("x.png")
    assert record is not None
    assert (record.bytes, record.version_id) == (3, library.bucket.objects["x.png"].version_id)
