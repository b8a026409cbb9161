"""How long to try again, and how long to wait before."""

from __future__ import annotations

import random
import threading
import time
from email.utils import parsedate_to_datetime

from client.errors import Stopped

SECONDS = 120.0
"""So long one thing is tried again by default: a server is restarted in less."""

FIRST, LONGEST = 0.5, 20.0
"""Seconds; the wait before the n-th try is chance up to FIRST times two to the n-th
("full jitter", https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)."""


class Patience:
    """For one thing that may fail for a while."""

    def __init__(self, seconds: float, stop: threading.Event) -> None:
        self._seconds = seconds
        self._stop = stop
        self._tries = 0
        self._since = 0.0

    def pause(self, asked: float | None = None) -> bool:
        """Waits before the next try, at least the `asked` seconds. False, at once, where that is
        longer than patience lasts. Raises `Stopped`."""
        now = time.monotonic()
        self._since = self._since or now
        wait = random.uniform(0, min(LONGEST, FIRST * 2**self._tries))
        if asked is not None:
            wait = asked + random.uniform(0, 0.25 * asked)
        self._tries += 1
        if now - self._since + (wait if asked is None else asked) > self._seconds:
            return False
        if self._stop.wait(wait):
            raise Stopped("It was stopped.")
        return True


def retry_after(header: str | None, now: float) -> float | None:
    """Seconds to wait, from a `Retry-After` header, which has them or a date (RFC 9110, 10.2.3);
    `now` in seconds since 1970."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now)
    except ValueError:
        return None
