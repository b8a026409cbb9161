"""The rules of quotas: days, what still fits, what a refusal says. Counting is a tally's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from typing import NamedTuple, Protocol

from chalicelib.errors import QuotaExceeded, QuotaUnavailable

KEPT = timedelta(days=2)
"""How long a day's count outlives the day."""


class Used(NamedTuple):
    """What was handed out to one owner in one day."""

    files: int = 0
    bytes: int = 0


class Allowance(NamedTuple):
    """Of one owner and day; 0: no limit of that kind."""

    files: int = 0
    bytes: int = 0

    def room(self, used: Used) -> tuple[float, float]:
        """(files, bytes) that still fit, `math.inf` where there is no limit."""
        return _room(self.files, used.files), _room(self.bytes, used.bytes)


NO_LIMIT = Allowance()


def _room(limit: int, used: int) -> float:
    return max(0, limit - used) if limit else math.inf


class Standing(NamedTuple):
    """How an owner stands today. `used` is None where it cannot be told."""

    allowance: Allowance
    used: Used | None
    ends: datetime


class Tally(Protocol):
    """Counts that several may add to at once, by `id`. `tests/contract/test_tally.py` holds each
    kind to it. Every method raises `QuotaUnavailable` where the store does not answer."""

    def add(self, id: str, more: Used, allowance: Allowance, *, expires_at: int) -> Used | None:
        """Add `more` where the sum is within `allowance`, in one step whoever else is adding.

        None where it was added; else what is counted already, and nothing was added. The count
        may be forgotten from `expires_at` (seconds since 1970) on.
        """

    def read(self, id: str) -> Used:
        """What is counted; nothing where `id` is not known."""


class Quota(Protocol):
    """What uploads are held to."""

    def take(self, owner: str, sizes: Sequence[int], *, field: str) -> None:
        """Count files of these `sizes`, in bytes: all of them, or none where not all fit.

        Raises `QuotaExceeded`, naming `field`, and `QuotaUnavailable`: what cannot be counted may
        not be uploaded.
        """

    def standing(self, owner: str) -> Standing | None:
        """How `owner` stands today; None where nothing is counted."""

    def check(self) -> None:
        """Raises `QuotaUnavailable` unless uploads can be counted."""


class NoQuota:
    """Anyone may upload as much as they like."""

    def take(self, _owner: str, _sizes: Sequence[int], *, field: str) -> None:
        del field

    def standing(self, _owner: str) -> Standing | None:
        return None

    def check(self) -> None:
        pass


@dataclass(frozen=True)
class DailyQuota:
    """The same limits for each owner, from midnight to midnight in UTC. Whoever calls without a
    name, as on one machine, is one owner with all others who do."""

    tally: Tally
    allowance: Allowance
    clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)

    def take(self, owner: str, sizes: Sequence[int], *, field: str) -> None:
        now = self.clock()
        ends = _midnight(now)
        more = Used(len(sizes), sum(sizes))
        expires_at = int((ends + KEPT).timestamp())
        used = self.tally.add(_id(owner, now), more, self.allowance, expires_at=expires_at)
        if used is not None:
            wait = max(1, math.ceil((ends - now).total_seconds()))
            raise QuotaExceeded(self._refusal(used, sizes), retry_after=wait, field=field)

    def standing(self, owner: str) -> Standing | None:
        now = self.clock()
        try:
            used = self.tally.read(_id(owner, now))
        except QuotaUnavailable:
            # Nobody's session should fail for want of this number.
            used = None
        return Standing(self.allowance, used, _midnight(now))

    def check(self) -> None:
        self.tally.read(_id("", self.clock()))

    def _refusal(self, used: Used, sizes: Sequence[int]) -> str:
        files, size = self.allowance.room(used)
        limits, room = [], []
        if self.allowance.files:
            limits.append(_files(self.allowance.files))
            room.append(_files(int(files)))
        if self.allowance.bytes:
            limits.append(_megabytes(self.allowance.bytes))
            room.append(_megabytes(size))
        said = (
            f"Your quota of uploads, {' and '.join(limits)} a day, "
            f"has room for {' and '.join(room)} more today"
        )
        if len(sizes) > 1:
            fit = sum(
                n <= files and total <= size for n, total in enumerate(accumulate(sizes), start=1)
            )
            first = {0: "not even the first fits", 1: "the first one fits"}
            said += f"; of these {len(sizes)} files {first.get(fit, f'the first {fit} fit')}"
        return f"{said}. It begins anew at 00:00 UTC."


def _id(owner: str, now: datetime) -> str:
    """The day comes first, so that no owner's name can be taken for another's."""
    return f"{now.astimezone(timezone.utc):%Y-%m-%d}#{owner}"


def _midnight(now: datetime) -> datetime:
    today = now.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=1)


def _files(count: int) -> str:
    return f"{count:,} file" if count == 1 else f"{count:,} files"


def _megabytes(size: float) -> str:
    """Rounded down: what is said to fit has to."""
    return f"{math.floor(size / 1024**2 * 10) / 10:,.1f}".removesuffix(".0") + " MB"
