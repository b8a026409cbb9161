"""Bucket and index, compared and repaired both ways."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from threading import Event
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.clip.pixels import PixelSpec
from chalicelib.decoding import Prepared
from chalicelib.index.base import Write
from chalicelib.reconcile import Report, reconcile
from tests.fakes.encoding import FakeDecoders, FakeEncoder
from tests.fakes.library import FakeLibrary


@pytest.fixture
def library() -> FakeLibrary:
    return FakeLibrary()


def run(library: FakeLibrary, **changes: object) -> Report:
    encoder = changes.pop("encoder", library.encoder)
    assert isinstance(encoder, FakeEncoder)
    return reconcile(
        bucket=library.bucket,
        thumbnails=library.thumbnails,
        index=library.index,
        ingest=library.ingest(encoder=encoder),
        fingerprint=encoder.fingerprint,
        batch=3,
        **changes,  # type: ignore[arg-type]
    )


def test_a_full_bucket_and_an_empty_index_end_equal(library: FakeLibrary) -> None:
    for n in range(10):
        library.put(f"a/{n}.png", b"picture %d" % n)
    library.put("a/bad.png", b"BROKEN")
    report = run(library)
    assert report.results == {"indexed": 10, "rejected": 1}
    assert library.differences() == []


def test_a_second_run_embeds_nothing(library: FakeLibrary) -> None:
    for n in range(5):
        library.put(f"{n}.png", b"picture %d" % n)
    run(library)
    before = library.encoder.embedded
    assert run(library).total == 0
    assert library.encoder.embedded == before


def test_events_that_were_lost_are_made_good(library: FakeLibrary) -> None:
    for n in range(6):
        library.put(f"{n}.png", b"picture %d" % n)
    run(library)
    library.bucket.delete("0.png")
    library.put("1.png", b"overwritten")
    library.put("new.png")
    report = run(library)
    assert report.results == {"indexed": 2, "deleted": 1}
    assert library.differences() == []


def test_another_model_embeds_every_picture_once(library: FakeLibrary) -> None:
    for n in range(4):
        library.put(f"{n}.png", b"picture %d" % n)
    run(library)
    other = FakeEncoder("fake0002")
    assert run(library, encoder=other).results == {"indexed": 4}
    assert run(library, encoder=other).total == 0
    assert other.embedded == 4


def test_rejected_files_are_tried_again_only_with_a_newer_decoder(library: FakeLibrary) -> None:
    library.put("x.png", b"BROKEN")
    run(library)
    assert run(library).total == 0
    record = library.record("x.png")
    assert record is not None
    seen = library.index.read([record.id])[record.id]
    older = replace(record, decoder_version=0)
    assert library.index.write([Write(older, seen.version)]) == ["written"]
    assert run(library).results == {"rejected": 1}


def test_progress_is_told_from_nought_to_all(library: FakeLibrary) -> None:
    for n in range(7):
        library.put(f"{n}.png", b"picture %d" % n)
    told: list[tuple[str, int, int]] = []
    run(library, progress=lambda r: told.append((r.stage, r.done, r.total)))
    steps = [("repairing", done, 7) for done in (0, 3, 6, 7)]
    assert told == [*steps, ("clearing", 7, 7), ("done", 7, 7)]


class Waiting(FakeEncoder):
    """Embeds nothing before `ready` is set."""

    def __init__(self, ready: Event) -> None:
        super().__init__()
        self._ready = ready

    def embed_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert self._ready.wait(timeout=30), "the next batch was not read meanwhile"
        return super().embed_pixels(pixels)


class Telling(FakeDecoders):
    """Sets `ready` at the first picture whose bytes are `data`."""

    def __init__(self, data: bytes, ready: Event) -> None:
        self._data = data
        self._ready = ready

    def prepare(self, data: bytes, spec: PixelSpec, **options: Any) -> Prepared:
        if data == self._data:
            self._ready.set()
        return super().prepare(data, spec, **options)


def test_a_batch_is_decoded_while_the_one_before_it_is_embedded(library: FakeLibrary) -> None:
    for n in range(9):
        library.put(f"{n}.png", b"picture %d" % n)
    ready = Event()
    encoder, decoders = Waiting(ready), Telling(b"picture 3", ready)
    report = reconcile(
        bucket=library.bucket,
        thumbnails=library.thumbnails,
        index=library.index,
        ingest=library.ingest(encoder=encoder, decoders=decoders),
        fingerprint=encoder.fingerprint,
        batch=3,
    )
    assert report.results == {"indexed": 9}
    assert library.differences() == []


def test_what_ends_a_run_leaves_no_more_than_the_batches_at_hand(library: FakeLibrary) -> None:
    for n in range(30):
        library.put(f"{n:02}.png", b"picture %d" % n)

    def stop(report: Report) -> None:
        if report.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(library, progress=stop)
    before = library.encoder.embedded
    assert 3 <= before <= 6
    assert run(library).results == {"indexed": 30 - before}


def test_old_tombstones_are_purged_and_young_ones_kept(library: FakeLibrary) -> None:
    long_ago = datetime.now(timezone.utc) - timedelta(days=3)
    library.ingest(clock=lambda: long_ago).process(["old.png"])
    library.ingest().process(["young.png"])
    assert run(library).purged == 1
    assert library.record("old.png") is None
    assert library.record("young.png") is not None


def keep_thumbnail(library: FakeLibrary, name: str, *, days_old: int = 0) -> None:
    library.thumbnails.put(name, b"?", "image/webp")
    stored = library.thumbnails.objects[name]
    then = datetime.now(timezone.utc) - timedelta(days=days_old)
    library.thumbnails.objects[name] = replace(stored, uploaded_at=then)


def test_only_old_thumbnails_without_a_record_are_swept(library: FakeLibrary) -> None:
    library.put("x.png")
    run(library)
    keep_thumbnail(library, "fake0001/old.webp", days_old=2)
    keep_thumbnail(library, "fake0001/young.webp")
    assert run(library).orphans == 1
    record = library.record("x.png")
    assert record is not None
    assert set(library.thumbnails.objects) == {"fake0001/young.webp", record.thumbnail_key}


def test_the_thumbnails_of_other_models_and_of_none_are_let_alone(library: FakeLibrary) -> None:
    library.put("x.png")
    run(library)
    others = {"fake0002/old.webp", "fake00011/old.webp", "old.webp"}
    for name in others:
        keep_thumbnail(library, name, days_old=2)
    assert run(library).orphans == 0
    assert others < set(library.thumbnails.objects)


def test_two_models_with_an_index_each_keep_their_thumbnails_in_one_bucket(
    library: FakeLibrary,
) -> None:
    other = FakeLibrary(
        bucket=library.bucket, thumbnails=library.thumbnails, encoder=FakeEncoder("fake0002")
    )
    for n in range(3):
        library.put(f"{n}.png", b"picture %d" % n)
    for one in (library, other):
        run(one)
    long_ago = datetime.now(timezone.utc) - timedelta(days=9)
    for name, stored in list(library.thumbnails.objects.items()):
        library.thumbnails.objects[name] = replace(stored, uploaded_at=long_ago)
    assert len(library.thumbnails.objects) == 6
    for one in (library, other):
        assert run(one).orphans == 0
    library.bucket.delete("0.png")
    run(other)
    assert len(library.thumbnails.objects) == 5
    run(library)
    assert len(library.thumbnails.objects) == 4


def test_a_thumbnail_from_before_models_had_folders_goes_with_its_record(
    library: FakeLibrary,
) -> None:
    library.put("x.png")
    run(library)
    record = library.record("x.png")
    assert record is not None
    library.thumbnails.delete(record.thumbnail_key)
    keep_thumbnail(library, "plain.webp", days_old=2)
    version = library.index.read([record.id])[record.id].version
    vector = library.index.vector(record.id)
    older = replace(record, thumbnail_key="plain.webp", vector=vector)
    assert library.index.write([Write(older, version)]) == ["written"]
    assert run(library).orphans == 0
    assert set(library.thumbnails.objects) == {"plain.webp"}
    library.bucket.delete("x.png")
    run(library)
    assert library.thumbnails.objects == {}


def test_keys_that_fail_are_counted_and_tried_by_the_next_run(library: FakeLibrary) -> None:
    library.put("x.png")
    library.thumbnails.down = True
    ingest = library.ingest()
    assert ingest.process(["x.png"])["x.png"].result == "failed"
    library.thumbnails.down = False
    assert run(library).results == {"indexed": 1}
