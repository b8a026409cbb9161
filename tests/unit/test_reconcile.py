"""Bucket and index, compared and repaired both ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import count
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import chalicelib.reconcile as reconcile_module
from chalicelib.clip.pixels import PixelSpec
from chalicelib.decoding import Prepared
from chalicelib.errors import Transient
from chalicelib.index.base import Write
from chalicelib.reconcile import FAILURES_SHOWN, Listing, Report, Task, reconcile
from chalicelib.sharding import Shard
from chalicelib.verdicts import made_with
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
        now=made_with(encoder),
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
        now=made_with(encoder),
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


# --- while events flow ------------------------------------------------------------------------

KEYS = [f"{n}.png" for n in range(5)]
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(KEYS),
        st.sampled_from(["put", "delete"]),
        st.booleans().map(lambda told: "told" if told else "its event is lost"),
    ),
    max_size=8,
)


class Eventful(FakeEncoder):
    """Does something just before it embeds: objects change between a look and its write."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self._act = act

    def embed_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._act()
        return super().embed_pixels(pixels)


@given(before=DEEDS, paused=DEEDS, during=DEEDS, seed=st.integers(0, 9))
@settings(deadline=None, max_examples=150)
def test_nothing_is_overwritten_by_older_state(
    before: list[Any], paused: list[Any], during: list[Any], seed: int
) -> None:
    """A reconcile waits between its listing and its looks, and events go on under it."""
    library, numbers = FakeLibrary(), count(seed)
    events = library.ingest()
    known: list[str] = []

    def do(deeds: list[Any]) -> None:
        for key, deed, told in deeds:
            if deed == "put":
                library.put(key, b"picture %d" % next(numbers))
            else:
                library.bucket.delete(key)
            if told == "told":
                events.process([key])
                known.append(key)

    do(before)
    rest = list(during)
    encoder = Eventful(lambda: do([rest.pop()]) if rest else None)

    def at_the_pause(report: Report) -> None:
        if report.stage == "repairing" and report.done == 0:
            known.clear()
            do(paused)

    run(library, encoder=encoder, progress=at_the_pause)
    # What an event brought in since the listing is as the bucket has it; so is all that no event
    # was lost of, and the rest after one more run.
    lost = {key for key, _, told in [*paused, *during] if told != "told"}
    assert [w for w in library.differences() if not any(key in w for key in lost)] == []
    run(library)
    assert library.differences() == []


def test_what_an_old_list_does_not_know_of_is_not_pruned(library: FakeLibrary) -> None:
    library.put("0.png")
    run(library)
    old = Listing(objects=[], as_of=datetime.now(timezone.utc) - timedelta(days=3))
    report = run(library, task=Task(listing=old))
    assert (report.causes, report.results) == ({"newer": 1}, {"unchanged": 1})
    assert library.differences() == []
    library.bucket.delete("0.png")
    assert run(library, task=Task(listing=old)).results == {"deleted": 1}


# --- shards, parts, ends ----------------------------------------------------------------------


@pytest.mark.parametrize("count_of_shards", [1, 2, 5])
def test_shards_together_do_what_one_run_does(library: FakeLibrary, count_of_shards: int) -> None:
    for n in range(40):
        library.put(f"{n}.png", b"picture %d" % n)
    run(library)
    for n in range(0, 40, 4):
        library.bucket.delete(f"{n}.png")
        library.put(f"{n + 1}.png", b"changed %d" % n)
    shards = [Shard(n, count_of_shards) for n in range(count_of_shards)]
    reports = [run(library, task=Task(shard=shard)) for shard in shards]
    assert sum((Counter(r.results) for r in reports), Counter()) == {"indexed": 10, "deleted": 10}
    assert sum(r.same for r in reports) == 20
    assert library.differences() == []


def test_only_the_first_shard_clears_away(library: FakeLibrary) -> None:
    for n in range(20):
        library.put(f"{n}.png", b"picture %d" % n)
    run(library)
    for name, stored in list(library.thumbnails.objects.items()):
        old = stored.uploaded_at - timedelta(days=2)
        library.thumbnails.objects[name] = replace(stored, uploaded_at=old)
    keep_thumbnail(library, "fake0001/old.webp", days_old=2)
    keep_thumbnail(library, f"fake0001/{'f' * 32}/old.webp", days_old=2)
    keep_thumbnail(library, f"fake0001/{record_id(library, '3.png')}/other.webp", days_old=2)
    long_ago = datetime.now(timezone.utc) - timedelta(days=3)
    library.ingest(clock=lambda: long_ago).process(["gone.png"])
    for task in (Task(shard=Shard(1, 3)), Task(shard=Shard(2, 3)), Task(prefix="1")):
        report = run(library, task=task)
        assert (report.purged, report.orphans) == (0, 0)
    report = run(library, task=Task(shard=Shard(0, 3)))
    assert (report.purged, report.orphans) == (1, 3)
    assert library.differences() == []


def record_id(library: FakeLibrary, key: str) -> str:
    record = library.record(key)
    assert record is not None
    return record.id


def test_a_thumbnail_that_came_to_be_named_during_the_run_stays(library: FakeLibrary) -> None:
    library.put("x.png")
    run(library)

    def meanwhile(report: Report) -> None:
        if report.stage == "clearing":
            library.put("x.png", b"changed")
            library.ingest().process(["x.png"])
            for name, stored in list(library.thumbnails.objects.items()):
                old = stored.uploaded_at - timedelta(days=2)
                library.thumbnails.objects[name] = replace(stored, uploaded_at=old)

    assert run(library, progress=meanwhile).orphans == 0
    assert library.differences() == []


def test_many_failures_in_a_row_end_the_run(
    library: FakeLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile_module, "FAILURES_IN_A_ROW", 7)
    for n in range(30):
        library.put(f"{n:02}.png", b"picture %d" % n)

    def lose_s3(report: Report) -> None:
        library.thumbnails.down = report.stage == "repairing" and report.done >= 9

    with pytest.raises(Transient, match=r"The last 7 images failed.*S3 answered SlowDown"):
        run(library, progress=lose_s3)
    library.thumbnails.down = False
    assert 9 <= library.encoder.embedded < 30
    run(library)
    assert library.differences() == []


def test_the_first_failures_are_named(library: FakeLibrary) -> None:
    for n in range(30):
        library.put(f"{n:02}.png", b"picture %d" % n)

    def lose_s3(report: Report) -> None:
        library.thumbnails.down = report.stage == "repairing"

    report = run(library, progress=lose_s3)
    assert report.results == {"failed": 30}
    assert report.failures == [
        (f"{n:02}.png", "S3 answered SlowDown.") for n in range(FAILURES_SHOWN)
    ]


def test_rejections_are_counted_by_their_codes(library: FakeLibrary) -> None:
    for n in range(3):
        library.put(f"broken{n}.png", b"BROKEN")
    library.put("large.png", b"x" * (library.max_bytes + 1))
    assert run(library).rejected == {"unreadable_image": 3, "too_large": 1}
