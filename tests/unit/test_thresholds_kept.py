"""Who measures a library's thresholds: the embedder after a batch, reconcile at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib import wiring
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.thresholds import NOTE, Measured
from container_embedder import handler as embedder
from tests.unit import tiny_clip
from tests.unit.job_place import COUNT, Place
from tests.unit.logs import captured
from tests.unit.test_handler import message, s3_record
from tests.unit.tiny_calibration import calibrated


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_clip.build(tmp_path / "model")


@pytest.fixture
def library(full: Place, model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """With a model of its own, that no other test calibrates."""
    full.settings = replace(full.settings, model_folder=str(model))
    monkeypatch.setenv("IMAGES_MODEL_FOLDER", str(model))
    wiring.services.cache_clear()
    yield full
    wiring.services().close()
    wiring.services.cache_clear()


def kept(library: Place) -> Measured | None:
    clip = wiring.clip_of(library.settings)
    with closing(wiring.index_of(library.settings, clip)) as index:
        return Measured.from_json(index.note(NOTE))


def embed(library: Place, *keys: str) -> None:
    batch = [message(key, s3_record(key, library.settings.bucket)) for key in keys]
    assert embedder.handler({"Records": batch}, None) == {"batchItemFailures": []}
    library.capsys.readouterr()  # its metrics


def test_the_embedder_measures_what_it_has_doubled(library: Place, model: Path) -> None:
    version = calibrated(model)
    for first, last, ready in [(0, 3, 3), (3, 5, 3), (5, 6, 6), (6, 11, 6), (11, 12, 12)]:
        embed(library, *(f"a/{n}.jpg" for n in range(first, last)))
        found = kept(library)
        assert found is not None
        assert (found.calibration, found.ready) == (version, ready)


def test_a_batch_is_done_with_whatever_becomes_of_the_measuring(
    library: Place, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrated(model)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(EmbeddedIndex, "best_scores", broken)
    with captured() as lines:
        embed(library, "a/0.jpg")
    assert "the thresholds could not be measured" in [line["message"] for line in lines()]


def test_reconcile_measures_at_its_end_and_a_dry_run_does_not(library: Place, model: Path) -> None:
    version = calibrated(model)
    library.run("reconcile", "--dry-run")
    assert kept(library) is None
    library.run("reconcile")
    found = kept(library)
    assert found is not None
    assert (found.calibration, found.ready) == (version, COUNT)


def test_a_run_with_nothing_to_do_makes_good_what_one_that_was_killed_left(
    library: Place, model: Path
) -> None:
    calibrated(model)
    library.run("reconcile")
    clip = wiring.clip_of(library.settings)
    with closing(wiring.index_of(library.settings, clip)) as index:
        index.keep_note(NOTE, "")
    status, report, _ = library.run("reconcile")
    assert (status, report["total"]) == (0, 0)
    assert kept(library) is not None


def test_of_shards_each_that_changed_something_measures(library: Place, model: Path) -> None:
    calibrated(model)
    reports = [library.run("reconcile", "--shard", f"{n}/2")[1] for n in (1, 0)]
    assert all(report["done"] for report in reports)
    found = kept(library)
    assert found is not None
    assert found.ready == COUNT


def test_a_changed_calibration_places_every_image_anew_and_measures(
    library: Place, model: Path
) -> None:
    calibrated(model)
    library.run("reconcile")
    version = calibrated(model, 1)
    status, report, said = library.run("reconcile")
    assert (status, report["causes"]) == (0, {"calibration": COUNT})
    assert f"{COUNT} measured by another calibration" in said
    found = kept(library)
    assert found is not None
    assert found.calibration == version
    assert library.run("reconcile")[1]["total"] == 0


def test_a_model_without_a_calibration_has_no_thresholds(library: Place) -> None:
    embed(library, "a/0.jpg")
    library.run("reconcile")
    assert kept(library) is None
