"""Keys → index, over fakes that pass the contracts of the real parts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.decoding import DECODER_VERSION
from chalicelib.errors import IndexUnavailable, ModelError, OutOfTime, StorageUnavailable
from chalicelib.forms import image_metadata
from chalicelib.index.base import Write, WriteResult
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.ingest import MAX_ROUNDS, Ingest
from chalicelib.records import image_id
from chalicelib.storage import Look
from chalicelib.verdicts import Attempt
from tests.fakes.encoding import DIM, FakeEncoder
from tests.fakes.library import FakeLibrary


@pytest.fixture
def library() -> FakeLibrary:
    return FakeLibrary()


def test_a_new_object_becomes_a_ready_record_with_its_facts(library: FakeLibrary) -> None:
    library.put("trips/2024/x.png", b"picture", **image_metadata("Straße & Möwe.png", "anna@home"))
    outcomes = library.ingest().process(["trips/2024/x.png"])
    assert outcomes["trips/2024/x.png"].result == "indexed"
    record = library.record("trips/2024/x.png")
    assert record is not None
    assert (record.state, record.collection, record.bytes) == ("ready", "trips", 7)
    assert (record.name, record.owner) == ("Straße & Möwe.png", "anna@home")
    assert record.model == library.encoder.fingerprint
    assert record.decoder_version == DECODER_VERSION
    assert library.thumbnails.objects[record.thumbnail_key].data == b"small picture"
    assert library.differences() == []


def test_an_object_without_a_name_in_its_metadata_is_called_by_its_key(
    library: FakeLibrary,
) -> None:
    library.put("a/b/c.png")
    library.ingest().process(["a/b/c.png"])
    record = library.record("a/b/c.png")
    assert record is not None
    assert record.name == "c.png"


def test_the_same_object_again_costs_no_embedding(library: FakeLibrary) -> None:
    library.put("x.png")
    library.ingest().process(["x.png"])
    assert library.ingest().process(["x.png", "x.png"])["x.png"].result == "unchanged"
    assert library.encoder.embedded == 1


def test_an_overwritten_object_replaces_its_record_and_thumbnail(library: FakeLibrary) -> None:
    library.put("x.png", b"old")
    library.ingest().process(["x.png"])
    library.put("x.png", b"brand new")
    assert library.ingest().process(["x.png"])["x.png"].result == "indexed"
    record = library.record("x.png")
    assert record is not None
    assert record.width == len(b"brand new")
    assert library.differences() == []
    assert len(library.thumbnails.objects) == 1


def test_a_deleted_object_leaves_a_tombstone_and_no_thumbnail(library: FakeLibrary) -> None:
    library.put("x.png")
    library.ingest().process(["x.png"])
    library.bucket.delete("x.png")
    assert library.ingest().process(["x.png"])["x.png"].result == "deleted"
    record = library.record("x.png")
    assert record is not None
    assert record.state == "deleted"
    assert library.thumbnails.objects == {}


def test_an_object_that_never_was_leaves_a_tombstone_too(library: FakeLibrary) -> None:
    assert library.ingest().process(["ghost.png"])["ghost.png"].result == "deleted"
    assert library.ingest().process(["ghost.png"])["ghost.png"].result == "unchanged"


def test_a_file_that_is_no_image_is_rejected_and_its_batch_mates_are_not(
    library: FakeLibrary,
) -> None:
    library.put("good.png", b"good")
    library.put("bad.png", b"BROKEN")
    library.put("poison.png", b"POISON")
    library.put("huge.png", b"h" * 1001)
    outcomes = library.ingest().process(["good.png", "bad.png", "poison.png", "huge.png"])
    assert {k: o.result for k, o in outcomes.items()} == {
        "good.png": "indexed",
        "bad.png": "rejected",
        "poison.png": "rejected",
        "huge.png": "rejected",
    }
    reasons = {k: library.record(k).reason for k in outcomes}  # type: ignore[union-attr]
    assert reasons["good.png"] == ""
    assert "damaged" in reasons["bad.png"]
    assert "limit" in reasons["huge.png"]
    assert all(reasons[k] for k in ("bad.png", "poison.png", "huge.png"))
    assert library.differences() == []


def test_a_model_that_does_not_load_rejects_no_picture(library: FakeLibrary) -> None:
    class Corrupt(FakeEncoder):
        def embed_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            raise ModelError("vision_model.onnx does not load.")

    library.put("x.png")
    outcome = library.ingest(encoder=Corrupt()).process(["x.png"])["x.png"]
    assert outcome.result == "failed"
    assert library.record("x.png") is None
    assert library.ingest().process(["x.png"])["x.png"].result == "indexed"


def test_a_rejected_file_is_not_decoded_again_until_it_changes(library: FakeLibrary) -> None:
    library.put("x.png", b"BROKEN")
    library.ingest().process(["x.png"])
    assert library.ingest().process(["x.png"])["x.png"].result == "unchanged"
    library.put("x.png", b"mended")
    assert library.ingest().process(["x.png"])["x.png"].result == "indexed"


def test_a_picture_that_turns_bad_loses_its_thumbnail(library: FakeLibrary) -> None:
    library.put("x.png")
    library.ingest().process(["x.png"])
    library.put("x.png", b"BROKEN now")
    library.ingest().process(["x.png"])
    assert library.thumbnails.objects == {}
    assert library.differences() == []


def test_another_model_embeds_what_is_there_anew(library: FakeLibrary) -> None:
    library.put("x.png")
    library.ingest().process(["x.png"])
    other = FakeEncoder("fake0002")
    assert library.ingest(encoder=other).process(["x.png"])["x.png"].result == "indexed"
    record = library.record("x.png")
    assert record is not None
    assert record.model == "fake0002"


def test_an_archived_object_is_recorded_and_comes_in_when_restored(library: FakeLibrary) -> None:
    library.put("x.png")
    library.bucket.archived.add("x.png")
    assert library.ingest().process(["x.png"])["x.png"].result == "archived"
    assert library.ingest().process(["x.png"])["x.png"].result == "unchanged"
    library.bucket.archived.clear()
    assert library.ingest().process(["x.png"])["x.png"].result == "indexed"


def test_a_store_that_does_not_answer_fails_the_key_and_loses_nothing(
    library: FakeLibrary,
) -> None:
    library.put("x.png")
    library.bucket.down = True
    outcome = library.ingest().process(["x.png"])["x.png"]
    assert outcome.result == "failed"
    assert isinstance(outcome.error, StorageUnavailable)
    library.bucket.down = False
    assert library.ingest().process(["x.png"])["x.png"].result == "indexed"


def test_thumbnails_that_cannot_be_kept_fail_the_key_before_anything_is_written(
    library: FakeLibrary,
) -> None:
    library.put("x.png")
    library.thumbnails.down = True
    assert library.ingest().process(["x.png"])["x.png"].result == "failed"
    assert library.record("x.png") is None


def test_an_index_that_does_not_answer_fails_every_key(
    library: FakeLibrary, tmp_path: Path
) -> None:
    library.put("x.png")
    never_made_ready = EmbeddedIndex(tmp_path, dim=DIM, model="fake")
    outcome = library.ingest(index=never_made_ready).process(["x.png", "y.png"])
    assert {o.result for o in outcome.values()} == {"failed"}
    assert isinstance(outcome["x.png"].error, IndexUnavailable)


def test_keys_whose_turn_comes_after_the_deadline_go_back_to_the_queue(
    library: FakeLibrary,
) -> None:
    library.put("x.png")
    outcome = library.ingest().process(["x.png"], deadline=time.monotonic() - 1)["x.png"]
    assert outcome.result == "failed"
    assert isinstance(outcome.error, OutOfTime)
    assert library.record("x.png") is None


def test_an_object_that_never_comes_holds_up_only_itself(library: FakeLibrary) -> None:
    for n in range(4):
        library.put(f"{n}.png", b"picture %d" % n)
    look, answered = library.bucket.look, Event()

    def hanging(key: str, **options: Any) -> Look:
        if key == "2.png":
            assert answered.wait(timeout=60)
        return look(key, **options)

    library.bucket.look = hanging  # type: ignore[method-assign]
    outcomes = library.ingest().process(
        [f"{n}.png" for n in range(4)], deadline=time.monotonic() + 3
    )
    answered.set()
    assert isinstance(outcomes["2.png"].error, OutOfTime)
    assert {k: o.result for k, o in outcomes.items()} == {
        f"{n}.png": "failed" if n == 2 else "indexed" for n in range(4)
    }


def test_a_key_that_changes_under_every_look_goes_back_to_the_queue(library: FakeLibrary) -> None:
    library.put("x.png")
    ingest = library.ingest()
    rounds = 0
    read_objects = ingest.read_objects

    def overtaken(attempts: list[Attempt], **options: float | None) -> None:
        nonlocal rounds
        rounds += 1
        library.put("x.png", b"version %d" % rounds)
        read_objects(attempts, **options)
        library.ingest().process(["x.png"])

    ingest.read_objects = overtaken  # type: ignore[method-assign, assignment]
    outcome = ingest.process(["x.png"])["x.png"]
    assert (outcome.result, outcome.reason_code) == ("failed", "kept_changing")
    assert rounds == MAX_ROUNDS
    assert library.differences() == []


def test_forgetting_a_deleted_object_needs_no_model(library: FakeLibrary) -> None:
    library.put("x.png")
    library.ingest().process(["x.png"])
    library.bucket.delete("x.png")
    ingest = library.ingest(encoder=None, decoders=None)
    assert ingest.forget("x.png").result == "deleted"
    assert library.differences() == []


def test_forgetting_does_nothing_to_an_object_that_is_there_again(library: FakeLibrary) -> None:
    library.put("x.png")
    library.ingest().process(["x.png"])
    assert library.ingest().forget("x.png").result == "unchanged"
    record = library.record("x.png")
    assert record is not None
    assert record.state == "ready"


def test_a_tombstone_purged_between_read_and_write_makes_the_worker_look_again(
    library: FakeLibrary,
) -> None:
    library.ingest().process(["x.png"])
    library.put("x.png")
    ingest = library.ingest()
    attempts = ingest_step_one(library, ingest)
    library.index.purge(datetime.now(timezone.utc))
    ingest.read_objects(attempts)
    ingest.write(attempts)
    assert attempts[0].again
    assert ingest.process(["x.png"])["x.png"].result == "indexed"
    assert library.differences() == []


def ingest_step_one(library: FakeLibrary, ingest: Ingest) -> list[Attempt]:
    attempts = [Attempt("x.png", image_id(library.bucket.name, "x.png"))]
    ingest.read_records(attempts)
    return attempts


def test_every_write_is_conditional(library: FakeLibrary) -> None:
    library.put("x.png")
    seen: list[Write] = []
    whole = library.index.write
    library.index.write = lambda writes: seen.extend(writes) or whole(writes)  # type: ignore[method-assign, func-returns-value]
    library.ingest().process(["x.png"])
    library.put("x.png", b"other")
    library.ingest().process(["x.png"])
    assert seen[0].expected is None
    assert seen[1].expected is not None


def test_the_thumbnails_of_each_model_have_a_folder_of_their_own(library: FakeLibrary) -> None:
    library.put("x.png")
    library.ingest().process(["x.png"])
    record = library.record("x.png")
    assert record is not None
    assert record.thumbnail_key.startswith(f"fake0001/{record.id}/{record.etag}-")


# --- a stream of keys -------------------------------------------------------------------------


def test_a_stream_brings_every_key_to_its_end(library: FakeLibrary) -> None:
    for n in range(23):
        library.put(f"{n}.png", b"BROKEN" if n == 7 else b"picture %d" % n)
    keys = [*(f"{n}.png" for n in range(23)), "gone.png"]
    outcomes = {o.key: o.result for o in library.ingest().stream(keys, batch=4)}
    assert outcomes.pop("7.png") == "rejected"
    assert outcomes.pop("gone.png") == "deleted"
    assert set(outcomes.values()) == {"indexed"}
    assert len(outcomes) == 22
    assert library.differences() == []


def test_a_stream_takes_keys_as_it_needs_them(library: FakeLibrary) -> None:
    taken = 0

    def keys() -> Iterator[str]:
        nonlocal taken
        for n in range(1000):
            taken += 1
            yield f"{n}.png"

    with closing(library.ingest().stream(keys(), batch=5)) as outcomes:
        next(outcomes)
    assert taken <= 40


def test_a_stream_that_is_closed_leaves_nothing_half_done(library: FakeLibrary) -> None:
    for n in range(60):
        library.put(f"{n}.png", b"picture %d" % n)
    with closing(library.ingest().stream((f"{n}.png" for n in range(60)), batch=5)) as outcomes:
        next(outcomes)
    ready = library.index.counts()["ready"]
    assert ready == library.encoder.embedded < 60
    assert len(library.thumbnails.objects) == ready


def test_a_key_that_changes_under_a_stream_is_looked_at_again(library: FakeLibrary) -> None:
    for n in range(9):
        library.put(f"{n}.png", b"picture %d" % n)
    ingest = library.ingest()
    write = ingest.write

    def overtaken(attempts: list[Attempt]) -> None:
        ingest.write = write  # type: ignore[method-assign]
        library.put("4.png", b"newer")
        library.ingest().process(["4.png"])
        write(attempts)

    ingest.write = overtaken  # type: ignore[method-assign, assignment]
    results = {o.key: o.result for o in ingest.stream((f"{n}.png" for n in range(9)), batch=9)}
    assert results == {f"{n}.png": "unchanged" if n == 4 else "indexed" for n in range(9)}
    assert library.differences() == []


def test_a_store_that_fails_under_a_stream_fails_its_keys_only(library: FakeLibrary) -> None:
    for n in range(12):
        library.put(f"{n}.png", b"picture %d" % n)
    whole, calls = library.index.write, 0

    def failing(writes: Sequence[Write]) -> list[WriteResult]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise IndexUnavailable("The index did not answer.")
        return whole(writes)

    library.index.write = failing  # type: ignore[method-assign]
    outcomes = list(library.ingest().stream((f"{n}.png" for n in range(12)), batch=3))
    failed = [o for o in outcomes if o.result == "failed"]
    assert len(outcomes) == 12
    assert [o.reason_code for o in failed] == ["index_unavailable"] * 3
    assert library.index.counts()["ready"] == 9


def test_every_outcome_says_how_long_each_stage_took(library: FakeLibrary) -> None:
    library.put("x.png")
    outcome = library.ingest().process(["x.png"])["x.png"]
    assert set(outcome.timings_ms) == {"fetch", "decode", "embed", "thumbnail", "write"}
    assert outcome.id == image_id("photos", "x.png")


@pytest.mark.parametrize(
    ("data", "code"), [(b"BROKEN", "unreadable_image"), (b"x" * 1001, "too_large")]
)
def test_a_rejection_carries_a_stable_code(library: FakeLibrary, data: bytes, code: str) -> None:
    library.put("x.png", data)
    outcome = library.ingest().process(["x.png"])["x.png"]
    assert (outcome.result, outcome.reason_code) == ("rejected", code)
    record = library.record("x.png")
    assert record is not None
    assert outcome.error is not None
    assert record.reason == outcome.error.message


def test_a_model_that_fails_leaves_no_thumbnail(library: FakeLibrary) -> None:
    class Failing(FakeEncoder):
        def embed_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            raise ModelError("The model could not be run.")

    library.put("x.png")
    assert library.ingest(encoder=Failing()).process(["x.png"])["x.png"].result == "failed"
    assert library.thumbnails.objects == {}
