"""Vectors shaped like a photo library's: topics of uneven size, variations within them, all in a
narrow cone; and queries from beside it, as texts are in CLIP's space (Liang et al., 2022, "Mind
the Gap", arXiv 2203.02053)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOPICS = 2000
KINDS = 8
"""Kinds within a topic."""

Rows = NDArray[np.float32]


class Clusters:
    """The same for the same `dim` and `seed`."""

    def __init__(self, dim: int, seed: int = 0) -> None:
        self._dim = dim
        rng = np.random.default_rng(seed)
        # Falling variances: what CLIP vectors spread over is a few hundred directions.
        self._spread = (1 / np.sqrt(1 + np.arange(dim) / 24)).astype(np.float32)
        self._cone = self._directions(rng, 1)
        self._gap = self._directions(rng, 1)
        self._topics = self._directions(rng, TOPICS)
        self._kinds = self._directions(rng, TOPICS * KINDS)
        weights = 1 / np.arange(1, TOPICS + 1) ** 0.7
        self._weights = weights / weights.sum()

    def images(self, count: int, seed: int = 1) -> Rows:
        """Unit vectors [count, dim]."""
        rng = np.random.default_rng(seed)
        found = np.empty((count, self._dim), dtype=np.float32)
        for first in range(0, count, 20_000):
            part = found[first : first + 20_000]
            part[:] = 0.9 * self._cone + self._members(rng, len(part), 0.6)
        return _units(found)

    def queries(self, count: int, seed: int = 2) -> Rows:
        """Unit vectors [count, dim]: images and texts in turn."""
        rng = np.random.default_rng(seed)
        found = self._members(rng, count, 0.5)
        found[0::2] += 0.9 * self._cone
        found[1::2] += self._gap
        return _units(found)

    def _members(self, rng: np.random.Generator, count: int, own: float) -> Rows:
        topics = rng.choice(TOPICS, count, p=self._weights)
        kinds = topics * KINDS + rng.integers(0, KINDS, count)
        members: Rows = 0.7 * self._topics[topics] + 0.45 * self._kinds[kinds]
        return members + own * self._directions(rng, count)

    def _directions(self, rng: np.random.Generator, count: int) -> Rows:
        rows = rng.standard_normal((count, self._dim), dtype=np.float32)
        return _units(rows * self._spread)


def _units(rows: Rows) -> Rows:
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows
