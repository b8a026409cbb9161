"""How far a job is, on stderr: a bar in a terminal, lines in a log."""

from __future__ import annotations

import shutil
import sys
import time

from container_embedder.telling import dollars, say, spoken

TELL_EVERY_S = 2.0
DRAW_EVERY_S = 0.1

_FULL, _EMPTY = "█", "░"
_LEAST_BAR, _MOST_BAR = 5, 40


class Progress:
    """Tells how far `what` is: when it begins, when it ends, and now and then.

    Rate and time left are of the steps since the first call with none done; the cost, told where
    there is a price, is of all the time since it was made. `close` it.
    """

    def __init__(self, what: str, *, price_per_hour: float = 0.0) -> None:
        self._what = what
        self._price = price_per_hour
        self._made = self._started = self._told = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._drawn = False

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._made

    @property
    def cost(self) -> float | None:
        """In US dollars so far; None without a price."""
        return self._price * self.seconds / 3600 if self._price else None

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done == 0:
            self._started = now
        elif done < total and not self._due(now):
            return
        self._told = now
        parts = self._pace(done, total, now - self._started)
        if self._terminal:
            self._draw(done, total, parts)
        else:
            say(", ".join([f"{self._what}: {done} of {total}", *parts]))

    def compared(self, listed: int) -> None:
        """Before it is known how much there is to do."""
        if not self._due(now := time.monotonic()):
            return
        self._told = now
        line = f"{self._what}: compared {listed:,} objects so far"
        if self._terminal:
            self._put(line)
        else:
            say(line)

    def close(self) -> None:
        if self._drawn:
            sys.stderr.write("\n")
            sys.stderr.flush()
            self._drawn = False

    def _due(self, now: float) -> bool:
        return now - self._told >= (DRAW_EVERY_S if self._terminal else TELL_EVERY_S)

    def _pace(self, done: int, total: int, took: float) -> list[str]:
        parts = []
        if done and took > 0:
            rate = done / took
            parts.append(f"{rate:.1f} a second")
            if done < total:
                parts.append(f"{spoken((total - done) / rate)} left")
        if self.cost is not None:
            parts.append(f"{dollars(self.cost)} so far")
        return parts

    def _draw(self, done: int, total: int, parts: list[str]) -> None:
        share = done / total if total else 1.0
        head = f"{self._what} {share:4.0%} "
        tail = ", ".join([f" {done} of {total}", *parts])
        width = shutil.get_terminal_size().columns - len(head) - len(tail) - 1
        bar = ""
        if width >= _LEAST_BAR:
            width = min(width, _MOST_BAR)
            bar = _FULL * int(share * width)
            bar += _EMPTY * (width - len(bar))
        self._put(head + bar + tail)

    def _put(self, line: str) -> None:
        """In place of the line before: back to its beginning, and the rest of it erased."""
        sys.stderr.write(f"\r{line[: shutil.get_terminal_size().columns - 1]}\x1b[K")
        sys.stderr.flush()
        self._drawn = True
