"""How much may be in memory at a time: a budget of bytes, or of pixels."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Lets amounts through up to a budget at a time; one larger than all of it goes alone."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._used = 0
        self._changed = threading.Condition()

    @contextmanager
    def __call__(self, amount: int) -> Iterator[None]:
        amount = min(amount, self._budget)
        with self._changed:
            self._changed.wait_for(lambda: self._used + amount <= self._budget)
            self._used += amount
        try:
            yield
        finally:
            with self._changed:
                self._used -= amount
                self._changed.notify_all()
