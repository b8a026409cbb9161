"""A library's thresholds: measured where it has grown, looked up where it is searched."""

from __future__ import annotations

import json
import math
import time
from datetime import datetime, timezone

import numpy as np
import pytest

from chalicelib import deadline, thresholds
from chalicelib.relevance import image_threshold, threshold_above
from chalicelib.thresholds import (
    CLAIM,
    CLAIMED_S,
    LOOK_EVERY_S,
    NOTE,
    SECONDS_TO_MEASURE,
    Measured,
    Thresholds,
)
from tests.fakes.encoding import FakeCalibration, FakeEncoder
from tests.unit.counting_index import Clock, Counting, kept
from tests.unit.logs import captured
from tests.unit.test_search import record


@pytest.fixture
def index() -> Counting:
    return Counting()


@pytest.fixture
def encoder() -> FakeEncoder:
    made = FakeEncoder()
    made.calibration = FakeCalibration()
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def library(index: Counting, encoder: FakeEncoder, clock: Clock) -> Thresholds:
    return Thresholds(index, encoder, clock=clock)


# --- what is measured ---------------------------------------------------------------------------


def test_a_threshold_is_so_much_above_what_nothing_finds(
    index: Counting, encoder: FakeEncoder, library: Thresholds
) -> None:
    index.fill(0, 50)
    assert library.refresh()
    calibration = encoder.calibration
    assert calibration
    vectors = np.stack([record(number).vector for number in range(50)])  # type: ignore[arg-type]
    best = (calibration.null_texts @ vectors.T).max(axis=1)
    wanted = threshold_above(best.tolist())
    assert kept(index).texts == pytest.approx(wanted, abs=1e-4)
    assert kept(index).images == pytest.approx(image_threshold(calibration.alike), abs=1e-4)
    assert (kept(index).calibration, kept(index).ready) == (calibration.version, 50)
    assert abs((datetime.now(timezone.utc) - kept(index).at).total_seconds()) < 600


def test_a_note_is_read_as_it_was_written_and_anything_else_is_none() -> None:
    at = datetime(2024, 5, 17, 12, 0, tzinfo=timezone.utc)
    one = Measured(0.81, 0.92, "calibration1", 1234, at)
    assert Measured.from_json(one.to_json()) == one
    whole = json.loads(one.to_json())
    broken = [{k: v for k, v in whole.items() if k != name} for name in whole]
    broken += [whole | {"texts": math.nan}, whole | {"at": "yesterday"}, whole | {"ready": None}]
    for text in (None, "", "{", "[]", "7", '"texts"', *map(json.dumps, broken)):
        assert Measured.from_json(text) is None


@pytest.mark.parametrize(
    ("ready", "fits"), [(49, False), (50, False), (51, True), (199, True), (200, False)]
)
def test_a_measure_fits_until_the_library_has_doubled_or_halved(ready: int, fits: bool) -> None:
    one = Measured(0.8, 0.9, "c", 100, datetime.now(timezone.utc))
    assert one.fits("c", ready) is fits
    assert not one.fits("d", ready)


# --- when it is measured ------------------------------------------------------------------------


def test_nothing_is_measured_without_a_calibration_or_images(
    index: Counting, encoder: FakeEncoder, library: Thresholds
) -> None:
    assert not library.refresh(anyway=True)
    encoder.calibration = None
    index.fill(0, 5)
    assert not library.refresh(anyway=True)
    assert library.current() is None
    assert index.measured == 0


def test_it_is_measured_again_when_the_library_has_doubled_or_halved(
    index: Counting, library: Thresholds, clock: Clock
) -> None:
    index.fill(0, 10)
    assert library.refresh()
    for change, due in [
        (lambda: index.fill(10, 19), False),
        (lambda: index.fill(19, 20), True),
        (lambda: index.empty(0, 9), False),
        (lambda: index.empty(9, 10), True),
    ]:
        change()
        clock.now += LOOK_EVERY_S
        assert library.refresh() is due
    assert kept(index).ready == 10


def test_it_is_measured_again_by_another_calibration(
    index: Counting, encoder: FakeEncoder, library: Thresholds, clock: Clock
) -> None:
    index.fill(0, 10)
    assert library.refresh()
    encoder.calibration = FakeCalibration("calibration2")
    clock.now += LOOK_EVERY_S
    assert library.refresh()
    assert kept(index).calibration == "calibration2"


def test_a_library_is_looked_at_once_a_minute_at_most(
    index: Counting, library: Thresholds, clock: Clock
) -> None:
    index.fill(0, 100)
    assert library.refresh(3)
    looks = index.counted
    index.fill(100, 300)
    for _ in range(10):
        clock.now += 1
        assert not library.refresh(3)
    assert index.counted == looks
    clock.now += LOOK_EVERY_S
    assert library.refresh(3)


def test_a_small_library_that_this_process_doubles_need_not_wait(
    index: Counting, library: Thresholds
) -> None:
    measured = []
    for batch in range(16):
        index.fill(10 * batch, 10 * batch + 10)
        if library.refresh(10):
            measured.append(kept(index).ready)
    assert measured == [10, 20, 40, 80, 160]


def test_a_library_that_was_empty_is_measured_with_its_first_images(
    index: Counting, library: Thresholds
) -> None:
    assert not library.refresh(anyway=True)
    index.fill(0, 3)
    assert library.refresh(3)


def test_a_run_of_reconcile_measures_in_any_case(index: Counting, library: Thresholds) -> None:
    index.fill(0, 10)
    assert library.refresh()
    assert not library.refresh()
    assert library.refresh(anyway=True)


def test_of_many_functions_that_find_a_large_library_doubled_one_measures(
    index: Counting, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "SMALL", 5)
    index.fill(0, 10)
    index.keep_note(CLAIM, str(time.time() - 1))
    assert not Thresholds(index, encoder).refresh()
    for said in (str(time.time() - CLAIMED_S - 1), str(time.time() + 9e9), "no time", "nan"):
        index.keep_note(CLAIM, said)
        index.keep_note(NOTE, "")
        assert Thresholds(index, encoder).refresh(), said
        assert abs(time.time() - float(index.note(CLAIM) or 0)) < 600


def test_who_has_no_time_left_does_not_begin(index: Counting, library: Thresholds) -> None:
    index.fill(0, 10)
    with deadline.until(time.monotonic() + SECONDS_TO_MEASURE - 1):
        assert not library.refresh(10, anyway=True)
    assert index.counted == 0
    assert library.refresh()


def test_what_fails_is_logged_and_tried_again_later(
    index: Counting, library: Thresholds, clock: Clock
) -> None:
    index.fill(0, 10)
    index.down = True
    with captured() as lines:
        assert not library.refresh(10)
    assert [line["message"] for line in lines()] == ["the thresholds could not be measured"]
    index.down = False
    clock.now += LOOK_EVERY_S - 1
    assert not library.refresh(10)
    clock.now += 1
    assert library.refresh(10)
