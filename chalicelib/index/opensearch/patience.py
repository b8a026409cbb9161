"""How long to try again, and how long to wait in between."""

from __future__ import annotations

import random
import time

from chalicelib import deadline

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
"""Pauses are drawn from nothing up to a bound that doubles: "full jitter"
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)."""


class Patience:
    """Tries for `seconds` from now, or until the caller's deadline where that comes first."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        if (left := deadline.remaining()) is not None:
            self._end = min(self._end, time.monotonic() + left)
        self._bound = FIRST_PAUSE_S

    @property
    def left(self) -> float:
        """Seconds, below zero when the time is over."""
        return self._end - time.monotonic()

    def next_pause(self) -> float | None:
        """Seconds to wait before the next try; None where its time would be over by then."""
        pause = random.uniform(0, self._bound)
        self._bound = min(self._bound * 2, LONGEST_PAUSE_S)
        return pause if pause < self.left else None
