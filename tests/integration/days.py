"""Days in UTC, which end while tests run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def in_one_day(act: Callable[[Path], T], folder: Path) -> T:
    """`act`, with a folder of its own below `folder`; from the beginning where midnight came while
    it went on: what is counted by the day began anew then."""
    begun = _today()
    try:
        return act(folder / begun)
    except AssertionError:
        if _today() == begun:
            raise
    return act(folder / _today())


def _today() -> str:
    return f"{datetime.now(timezone.utc):%Y-%m-%d}"
