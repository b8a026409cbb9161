"""The worker's reconcile by schedule."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from local import repairs
from local.repairs import RETRY_SECONDS, keep_repaired


@dataclass
class Clock:
    """An event that is set after so many waits; notes how long each was to be."""

    waits: int
    waited: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return len(self.waited) == self.waits


def kept(monkeypatch: pytest.MonkeyPatch, hours: int, outcomes: list[bool]) -> tuple[int, Clock]:
    """(how often it ran, the clock)."""
    left = list(outcomes)
    clock = Clock(len(outcomes))
    monkeypatch.setattr(repairs, "repair", lambda _: left.pop(0))
    services: Any = SimpleNamespace(settings=SimpleNamespace(reconcile_hours=hours))
    keep_repaired(services, clock)  # type: ignore[arg-type]
    return len(outcomes) - len(left), clock


def test_it_runs_at_the_start_and_every_so_many_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    runs, clock = kept(monkeypatch, 24, [True, True, True])
    assert (runs, clock.waited) == (3, [24 * 3600] * 3)


def test_nought_hours_are_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for good in (True, False):
        runs, clock = kept(monkeypatch, 0, [good, True])
        assert (runs, clock.waited) == (1, [])


def test_a_run_that_failed_is_made_good_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    runs, clock = kept(monkeypatch, 24, [False, True])
    assert (runs, clock.waited) == (2, [RETRY_SECONDS, 24 * 3600])


def test_what_a_run_raises_is_told_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("the index is away")

    monkeypatch.setattr(repairs, "run", failing)
    said: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(repairs, "say", lambda event, **facts: said.append((event, facts)))
    services: Any = SimpleNamespace()
    assert repairs.repair(services) is False
    assert said == [("reconciled", {"error": "the index is away"})]
