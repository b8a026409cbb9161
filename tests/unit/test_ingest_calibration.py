"""Records say what their vectors and texts were made with, and are made again by something else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.reconcile import Report, Task, reconcile
from chalicelib.records import ImageRecord
from chalicelib.verdicts import MadeWith, stale
from tests.fakes.encoding import FakeCalibration, FakeEncoder, picture
from tests.fakes.library import FakeLibrary

READER = "reader 1"


@pytest.fixture
def library() -> FakeLibrary:
    made = FakeLibrary()
    made.encoder.calibration = FakeCalibration()
    return made


def look(library: FakeLibrary, key: str = "x.png", *, text_model: str = "") -> str:
    """How a look at `key` ends."""
    return library.ingest(text_model=text_model).process([key])[key].result


def run(library: FakeLibrary, *, text_model: str = "", dry: bool = False) -> Report:
    ingest = library.ingest(text_model=text_model)
    return reconcile(
        bucket=library.bucket,
        thumbnails=library.thumbnails,
        index=library.index,
        ingest=ingest,
        now=ingest.made_with,
        task=Task(dry_run=dry),
        batch=3,
    )


def record(library: FakeLibrary, key: str = "x.png") -> ImageRecord:
    found = library.record(key)
    assert found is not None
    return found


def vector(library: FakeLibrary, key: str = "x.png") -> NDArray[np.float32]:
    found = library.index.vector(record(library, key).id)
    assert found is not None
    return found


# --- the vector ---------------------------------------------------------------------------------


def test_a_vector_is_stored_as_its_calibration_has_it(library: FakeLibrary) -> None:
    library.put("x.png")
    assert look(library) == "indexed"
    found = record(library)
    assert (found.response, found.calibration) == (0.5, "calibration1")
    plain = FakeEncoder().embed_pixels(picture(b"picture")[None])[0]
    np.testing.assert_allclose(vector(library), 2 * plain, rtol=1e-6)


def test_without_a_calibration_vectors_are_the_models_own() -> None:
    library = FakeLibrary()
    library.put("x.png")
    assert look(library) == "indexed"
    found = record(library)
    assert (found.response, found.calibration) == (0.0, "")
    assert np.linalg.norm(vector(library)) == pytest.approx(1)


def test_a_picture_that_chokes_the_model_spoils_no_others_calibration(
    library: FakeLibrary,
) -> None:
    for key, data in {"bad.png": b"POISON", "x.png": b"picture"}.items():
        library.put(key, data)
    ended = library.ingest().process(["bad.png", "x.png"])
    assert [outcome.result for outcome in ended.values()] == ["rejected", "indexed"]
    assert record(library).calibration == "calibration1"
    assert record(library, "bad.png").calibration == ""


def test_an_unchanged_image_keeps_all_it_has(library: FakeLibrary) -> None:
    library.put("x.png", b"SAYS hello")
    assert look(library, text_model=READER) == "indexed"
    before, was = record(library), vector(library)
    assert look(library, text_model=READER) == "unchanged"
    assert record(library) == before
    np.testing.assert_array_equal(vector(library), was)
    assert library.encoder.embedded == 1


def test_another_calibration_places_an_image_anew_and_then_leaves_it(
    library: FakeLibrary,
) -> None:
    library.put("x.png")
    look(library)
    library.encoder.calibration = FakeCalibration("calibration2", 0.25)
    assert look(library) == "indexed"
    assert (record(library).response, record(library).calibration) == (0.25, "calibration2")
    assert np.linalg.norm(vector(library)) == pytest.approx(4)
    assert look(library) == "unchanged"


def test_a_rejected_image_is_not_looked_at_again_for_a_calibration(library: FakeLibrary) -> None:
    library.put("x.png", b"BROKEN")
    look(library)
    library.encoder.calibration = FakeCalibration("calibration2")
    assert look(library) == "unchanged"
    assert run(library).total == 0


def test_reconcile_tells_a_change_of_calibration_by_its_name_and_makes_it_good(
    library: FakeLibrary,
) -> None:
    for n in range(7):
        library.put(f"{n}.png", b"picture %d" % n)
    run(library)
    library.encoder.calibration = FakeCalibration("calibration2")
    library.put("0.png", b"changed too")
    wanted = {"calibration": 6, "changed": 1}
    assert run(library, dry=True).causes == wanted
    assert {record(library, f"{n}.png").calibration for n in range(7)} == {"calibration1"}
    report = run(library)
    assert (report.causes, report.results) == (wanted, {"indexed": 7})
    assert {record(library, f"{n}.png").calibration for n in range(7)} == {"calibration2"}
    assert run(library).total == 0
    assert library.differences() == []


def test_a_library_from_before_calibrations_is_placed_anew_and_back(library: FakeLibrary) -> None:
    calibration, library.encoder.calibration = library.encoder.calibration, None
    library.put("x.png")
    run(library)
    library.encoder.calibration = calibration
    assert run(library).causes == {"calibration": 1}
    library.encoder.calibration = None
    assert run(library).causes == {"calibration": 1}
    assert np.linalg.norm(vector(library)) == pytest.approx(1)
    assert run(library).total == 0


# --- the text -----------------------------------------------------------------------------------


def test_text_in_a_picture_is_kept_with_what_read_it(library: FakeLibrary) -> None:
    library.put("x.png", b"SAYS hello")
    look(library, text_model=READER)
    assert (record(library).text, record(library).text_model) == ("hello", READER)


def test_a_picture_without_text_is_read_once(library: FakeLibrary) -> None:
    library.put("x.png")
    look(library, text_model=READER)
    assert (record(library).text, record(library).text_model) == ("", READER)
    assert look(library, text_model=READER) == "unchanged"


def test_reading_turned_on_or_renewed_is_a_cause_of_its_own(library: FakeLibrary) -> None:
    library.put("x.png", b"SAYS hello")
    library.put("broken.png", b"BROKEN")
    run(library)
    assert record(library).text == ""
    for reader in (READER, "reader 2"):
        assert run(library, text_model=reader).causes == {"text": 1}
        assert (record(library).text, record(library).text_model) == ("hello", reader)
        assert run(library, text_model=reader).total == 0


def test_reading_turned_off_leaves_what_was_read(library: FakeLibrary) -> None:
    library.put("x.png", b"SAYS hello")
    run(library, text_model=READER)
    assert run(library).total == 0
    assert look(library) == "unchanged"
    library.encoder.calibration = FakeCalibration("calibration2")
    assert run(library).causes == {"calibration": 1}
    assert (record(library).text, record(library).text_model) == ("hello", READER)


def test_what_was_read_goes_with_the_picture_it_stood_in(library: FakeLibrary) -> None:
    library.put("x.png", b"SAYS hello")
    run(library, text_model=READER)
    library.put("x.png", b"another picture")
    run(library)
    assert (record(library).text, record(library).text_model) == ("", "")


# --- the rule -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "now", "why"),
    [
        ({}, {}, None),
        ({}, {"model": "n", "calibration": "d"}, "other model"),
        ({}, {"calibration": "d", "text_model": "s"}, "calibration"),
        ({}, {"text_model": "s"}, "text"),
        ({}, {"text_model": ""}, None),
        ({"state": "archived"}, {"calibration": "d", "text_model": "s"}, None),
        ({"state": "rejected", "decoder_version": -1}, {"calibration": "d"}, "retry"),
    ],
)
def test_the_first_thing_that_is_another_is_the_cause(
    library: FakeLibrary, changes: dict[str, object], now: dict[str, str], why: str | None
) -> None:
    library.put("x.png")
    look(library)
    made = {"model": "m", "calibration": "c", "text_model": "r"}
    said = replace(record(library), **(made | changes))  # type: ignore[arg-type]
    assert stale(said, MadeWith(**(made | now))) == why
