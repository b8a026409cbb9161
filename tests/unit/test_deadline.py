"""Until when: what callers far below learn of the time that is left."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from chalice.config import Config
from chalice.local import LocalGateway

from chalicelib import api, deadline, wiring
from chalicelib.config import Settings
from chalicelib.deadline import remaining
from chalicelib.verdicts import Outcome
from container_embedder.handler import handler


class Context:
    """A Lambda context with so many seconds left."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self.end - time.monotonic()) * 1000)


def left() -> float:
    seconds = deadline.remaining()
    assert seconds is not None
    return seconds


def test_without_a_deadline_there_is_none() -> None:
    assert deadline.remaining() is None
    with deadline.until(None):
        assert deadline.remaining() is None


def test_the_time_left_is_told_and_forgotten_afterwards() -> None:
    with deadline.until(time.monotonic() + 100):
        assert 99 < left() <= 100
    assert deadline.remaining() is None


def test_a_moment_that_has_passed_leaves_less_than_nothing() -> None:
    with deadline.until(time.monotonic() - 1):
        assert left() <= -1


def test_the_earlier_of_nested_deadlines_holds() -> None:
    now = time.monotonic()
    with deadline.until(now + 100):
        with deadline.until(now + 500):
            assert left() <= 100
        with deadline.until(now + 10):
            assert left() <= 10
        with deadline.until(None):
            assert 90 < left() <= 100
        assert 90 < left() <= 100


def test_an_error_does_not_leave_a_deadline_behind() -> None:
    with pytest.raises(ZeroDivisionError), deadline.until(time.monotonic() + 100):
        raise ZeroDivisionError
    assert deadline.remaining() is None


def test_each_thread_has_its_own() -> None:
    with deadline.until(time.monotonic() + 100), ThreadPoolExecutor(1) as pool:
        assert pool.submit(deadline.remaining).result() is None


def test_a_function_keeps_two_seconds_back_or_half_of_what_it_has() -> None:
    for seconds, usable in ((60, 58), (4, 2), (1, 0.5)):
        before = time.monotonic()
        moment = deadline.of(Context(seconds))
        assert moment is not None
        # Contexts count in whole milliseconds.
        assert before - 0.002 <= moment - usable <= time.monotonic()
    assert deadline.of(None) is None
    assert deadline.of(object()) is None


class Listening:
    """An ingest and a bucket that note how much time they were left."""

    name = "photos"

    def __init__(self) -> None:
        self.left: list[float | None] = []
        self.begin_until: float | None = None

    def process(self, keys: Iterable[str], *, deadline: float | None) -> dict[str, Outcome]:
        self.left.append(remaining())
        self.begin_until = deadline
        return {}


def test_the_embedder_works_until_two_seconds_before_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listening = Listening()

    class Services:
        ingest = listening
        settings = Settings(bucket="photos", thumbnails_bucket="small")
        dead_letters = None
        clip = SimpleNamespace(fingerprint="0123456789ab")
        thresholds = SimpleNamespace(refresh=lambda _: False)

    monkeypatch.setattr(wiring, "services", Services)
    before = time.monotonic()
    handler({"Records": []}, Context(60))
    took = time.monotonic() - before
    (seconds,) = listening.left
    assert seconds is not None
    assert 58 - took - 0.002 <= seconds <= 58
    assert listening.begin_until is not None
    assert -0.002 <= listening.begin_until - 50 - before <= took
    handler({"Records": []}, None)
    assert listening.left[1] is None
    assert listening.begin_until is None


def test_a_route_works_until_two_seconds_before_the_function_ends() -> None:
    application = api.Application(app_name="timed", configure_logs=False)

    @application.route("/left")
    def view() -> dict[str, Any]:
        return {"left": deadline.remaining()}

    gateway = LocalGateway(application, Config.create(lambda_timeout=20))
    before = time.monotonic()
    answer: Any = gateway.handle_request("GET", "/left", {}, b"")
    took = time.monotonic() - before
    assert 18 - took - 0.002 <= json.loads(answer["body"])["left"] <= 18
    assert deadline.remaining() is None
