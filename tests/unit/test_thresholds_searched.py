"""By which threshold is searched: what is kept with the index, or measured where that is easy."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from chalicelib import thresholds
from chalicelib.thresholds import NOTE, REMEMBERED_S, UNMEASURED, Measured, Thresholds
from tests.fakes.encoding import FakeCalibration, FakeEncoder
from tests.unit.counting_index import Clock, Counting, kept
from tests.unit.logs import captured


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


def test_a_search_goes_by_the_note_and_remembers_it(
    index: Counting, encoder: FakeEncoder, library: Thresholds, clock: Clock
) -> None:
    index.fill(0, 10)
    assert library.refresh()
    searching = Thresholds(index, encoder, clock=clock)
    asked = index.noted
    assert searching.current() == kept(index)
    index.keep_note(NOTE, replace(kept(index), texts=0.5).to_json())
    clock.now += REMEMBERED_S - 1
    found = searching.current()
    assert found is not None
    assert found.texts != 0.5
    clock.now += 1
    found = searching.current()
    assert found is not None
    assert found.texts == 0.5
    assert index.noted - asked <= 5


def test_a_small_library_without_a_note_is_measured_once_and_nothing_is_written(
    index: Counting, library: Thresholds, clock: Clock
) -> None:
    index.fill(0, 10)
    for _ in range(3):
        found = library.current()
        assert found is not None
        assert found.ready == 10
        clock.now += REMEMBERED_S
    assert index.measured == 1
    assert index.note(NOTE) is None
    index.fill(10, 30)
    found = library.current()
    assert found is not None
    assert found.ready == 30


def test_a_large_library_goes_by_an_old_note_or_a_usual_figure_and_says_so(
    index: Counting, library: Thresholds, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "SMALL", 5)
    index.fill(0, 10)
    with captured() as lines:
        assert library.current() == UNMEASURED
        old = Measured(0.7, 0.8, "older", 10, datetime(2024, 5, 17, tzinfo=timezone.utc))
        index.keep_note(NOTE, old.to_json())
        clock.now += REMEMBERED_S
        assert library.current() == old
    assert [line["message"] for line in lines()] == ["thresholds do not fit"] * 2
    assert index.measured == 0


def test_an_empty_library_has_the_usual_figure_and_nothing_to_say(library: Thresholds) -> None:
    with captured() as lines:
        assert library.current() == UNMEASURED
    assert lines() == []


def test_where_the_index_does_not_answer_the_last_known_holds(
    index: Counting, library: Thresholds, clock: Clock
) -> None:
    index.fill(0, 10)
    known = library.current()
    index.down = True
    clock.now += REMEMBERED_S
    assert library.current() == known
    assert Thresholds(index, FakeEncoder(), clock=clock).current() is None
