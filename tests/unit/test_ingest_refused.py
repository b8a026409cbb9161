"""What becomes of an image whose record the index will not take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime, timezone

import numpy as np
import pytest

from chalicelib.errors import Permanent
from chalicelib.facts import Location
from chalicelib.forms import image_metadata
from chalicelib.index.base import Refused, Write, WriteResult
from chalicelib.index.memory import MemoryIndex
from chalicelib.records import ImageRecord, image_id
from chalicelib.verdicts import refused_record
from tests.fakes.encoding import DIM
from tests.fakes.library import FakeLibrary

NOW = datetime(2024, 5, 17, tzinfo=timezone.utc)


class RefusingIndex(MemoryIndex):
    """Takes no "ready" record of a key with `doubtful` in it, and none at all with `hopeless`."""

    def __init__(self) -> None:
        super().__init__(dim=DIM)
        self.reason = "mapper_parsing_exception: failed to parse field [taken_at]"
        self.asked: list[list[ImageRecord]] = []

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        self.asked.append([w.record for w in writes])
        return [
            Refused(self.reason)
            if self._refuses(w.record)
            else super(RefusingIndex, self).write([w])[0]
            for w in writes
        ]

    @staticmethod
    def _refuses(record: ImageRecord) -> bool:
        ready = record.state == "ready"
        return "hopeless" in record.key or ("doubtful" in record.key and ready)


@pytest.fixture
def refusing() -> FakeLibrary:
    return FakeLibrary(index=RefusingIndex())


def test_an_image_that_the_index_refuses_is_rejected_and_its_batch_mates_are_not(
    refusing: FakeLibrary,
) -> None:
    for name in ("a.png", "doubtful.png", "b.png"):
        refusing.put(name, b"picture " + name.encode(), **image_metadata(name, "anna@home"))
    outcomes = refusing.ingest().process(["a.png", "doubtful.png", "b.png"])
    assert [o.result for o in outcomes.values()] == ["indexed", "rejected", "indexed"]
    record = refusing.record("doubtful.png")
    assert record is not None
    assert (record.state, record.owner, record.bytes) == ("rejected", "anna@home", 20)
    assert record.reason == (
        "The index refused this image: mapper_parsing_exception: failed to parse field [taken_at]."
    )
    error = outcomes["doubtful.png"].error
    assert isinstance(error, Permanent)
    assert error.message == record.reason
    assert refusing.differences() == []
    assert len(refusing.thumbnails.objects) == 2


def test_what_was_refused_is_not_tried_again_before_the_object_changes(
    refusing: FakeLibrary,
) -> None:
    refusing.put("doubtful.png")
    refusing.ingest().process(["doubtful.png"])
    assert refusing.ingest().process(["doubtful.png"])["doubtful.png"].result == "unchanged"
    refusing.put("doubtful.png", b"another")
    assert refusing.ingest().process(["doubtful.png"])["doubtful.png"].result == "rejected"


def test_an_overwrite_that_is_refused_takes_the_old_picture_and_thumbnail_away(
    refusing: FakeLibrary,
) -> None:
    refusing.put("x.png")
    refusing.ingest().process(["x.png"])
    refusing.index._refuses = lambda record: record.state == "ready"  # type: ignore[attr-defined]
    refusing.put("x.png", b"another")
    assert refusing.ingest().process(["x.png"])["x.png"].result == "rejected"
    assert refusing.thumbnails.objects == {}
    assert refusing.differences() == []
    assert refusing.index.vector(image_id("photos", "x.png")) is None


def test_an_image_of_which_the_index_takes_no_record_at_all_fails(refusing: FakeLibrary) -> None:
    refusing.put("hopeless.png")
    refusing.put("x.png")
    outcomes = refusing.ingest().process(["hopeless.png", "x.png", "gone-hopeless.png"])
    assert {k: o.result for k, o in outcomes.items()} == {
        "hopeless.png": "failed",
        "x.png": "indexed",
        "gone-hopeless.png": "failed",
    }
    assert isinstance(outcomes["hopeless.png"].error, Permanent)
    assert refusing.record("hopeless.png") is None
    assert len(refusing.thumbnails.objects) == 1


def test_a_refused_image_that_changes_before_its_second_write_is_looked_at_again(
    refusing: FakeLibrary,
) -> None:
    refusing.put("doubtful.png")
    ingest = refusing.ingest()
    whole = refusing.index.write

    def overtaken(writes: Sequence[Write]) -> list[WriteResult]:
        results = whole(writes)
        if writes[0].record.state == "ready":
            refusing.bucket.delete("doubtful.png")
            refusing.index.write = whole  # type: ignore[method-assign]
            refusing.ingest().process(["doubtful.png"])
        return results

    refusing.index.write = overtaken  # type: ignore[method-assign]
    assert ingest.process(["doubtful.png"])["doubtful.png"].result == "unchanged"
    record = refusing.record("doubtful.png")
    assert record is not None
    assert record.state == "deleted"
    assert refusing.differences() == []


def test_the_index_is_asked_twice_only_for_what_it_refused(refusing: FakeLibrary) -> None:
    for name in ("a.png", "doubtful.png"):
        refusing.put(name)
    index = refusing.index
    assert isinstance(index, RefusingIndex)
    refusing.ingest().process(["a.png", "doubtful.png"])
    assert [[r.key for r in asked] for asked in index.asked] == [
        ["a.png", "doubtful.png"],
        ["doubtful.png"],
    ]


def test_a_refused_record_keeps_what_names_the_object_and_nothing_doubtful() -> None:
    library = FakeLibrary()
    library.put("trips/x.png", b"picture", **image_metadata("Möwe.png", "anna@home"))
    library.ingest().process(["trips/x.png"])
    record = library.record("trips/x.png")
    assert record is not None
    whole = replace(
        record,
        camera="Cam",
        location=Location(1.0, 2.0),
        text="words",
        taken_at=record.uploaded_at,
        vector=np.zeros(DIM, np.float32),
    )
    bare = refused_record(whole, "no\n room " + "x" * 1000)
    kept = {"id", "bucket", "key", "name", "collection", "indexed_at", "owner", "etag", "bytes"}
    kept |= {"uploaded_at", "model", "form", "decoder_version"}
    empty = ImageRecord(
        id="", bucket="", key="", name="", collection="", state="rejected", indexed_at=NOW
    )
    for field in fields(ImageRecord):
        if field.name in kept:
            assert getattr(bare, field.name) == getattr(whole, field.name)
        elif field.name != "reason":
            assert getattr(bare, field.name) == getattr(empty, field.name)
    assert bare.reason.startswith("The index refused this image: no room xxx")
    assert bare.reason.endswith("….")
    assert len(bare.reason) < 350
