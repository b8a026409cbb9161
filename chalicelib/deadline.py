"""Until when the work at hand must be done, for whoever would otherwise wait or try once more."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

SECONDS_TO_ANSWER = 2.0
"""Kept back from a function's time for handing over its answer."""

_until: ContextVar[float] = ContextVar("until", default=math.inf)


@contextmanager
def until(moment: float | None) -> Iterator[None]:
    """Within it, work must be done by `moment` (`time.monotonic`) or by the earlier moment that
    stands already; None changes nothing.

    It holds in the thread that sets it: a ThreadPoolExecutor's threads do not see it. Routes and
    `Ingest` call the index on the thread they were called on, so the index does.
    """
    token = _until.set(min(_until.get(), math.inf if moment is None else moment))
    try:
        yield
    finally:
        _until.reset(token)


def remaining() -> float | None:
    """Seconds left, below zero when the time is over; None without a deadline."""
    moment = _until.get()
    return None if moment == math.inf else moment - time.monotonic()


def of(context: Any, kept_back: float = SECONDS_TO_ANSWER) -> float | None:
    """The moment by which the Lambda invocation with `context` must be done, `kept_back` seconds
    before its end (half its time where that is less); None where the context does not know."""
    if not hasattr(context, "get_remaining_time_in_millis"):
        return None
    left: float = context.get_remaining_time_in_millis() / 1000
    return time.monotonic() + max(left - kept_back, left / 2)
