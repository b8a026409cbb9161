"""An index that counts what it is asked, and a clock that is set, for tests of thresholds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.errors import IndexUnavailable
from chalicelib.index.base import Write
from chalicelib.index.memory import MemoryIndex
from chalicelib.thresholds import NOTE, Measured
from tests.fakes.encoding import DIM
from tests.unit.test_search import record


class Counting(MemoryIndex):
    """Says how often it was asked, and does not answer while `down`."""

    def __init__(self) -> None:
        super().__init__(dim=DIM)
        self.measured = self.counted = self.noted = 0
        self.down = False

    def fill(self, first: int, last: int) -> None:
        self.write([Write(record(number), None) for number in range(first, last)])

    def empty(self, first: int, last: int) -> None:
        for held in self.read([record(number).id for number in range(first, last)]).values():
            gone = replace(held.record, state="deleted", vector=None)
            assert self.write([Write(gone, held.version)]) == ["written"]

    def best_scores(self, queries: NDArray[np.float32]) -> NDArray[np.float64]:
        self.measured += 1
        return super().best_scores(queries)

    def counts(self, *arguments: Any) -> dict[Any, int]:
        self.counted += 1
        if self.down:
            raise IndexUnavailable("The index does not answer.")
        return super().counts(*arguments)

    def note(self, name: str) -> str | None:
        self.noted += 1
        if self.down:
            raise IndexUnavailable("The index does not answer.")
        return super().note(name)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def kept(index: Counting) -> Measured:
    found = Measured.from_json(index.note(NOTE))
    assert found is not None
    return found
