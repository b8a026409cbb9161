"""An index as somebody sees it who may see a part of it only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.copies import Collapse, Copy
from chalicelib.index.base import (
    ALL,
    Facets,
    Listing,
    Place,
    RankedSet,
    Searched,
    Versioned,
)
from chalicelib.records import Filters, ImageRecord, State
from chalicelib.relevance import Cut, Order, Wording

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Narrowed:
    """`Searched` over the records of `index` that `part` admits: all others are not there. What is
    not asked by id is asked with `part` inside the query, so counts, copies, facets and the ends
    of ranked sets know nothing of the rest either."""

    def __init__(self, index: Searched, part: Filters) -> None:
        self._index = index
        self._part = part

    def read(self, ids: Sequence[str]) -> dict[str, Versioned]:
        found = self._index.read(ids)
        return {name: one for name, one in found.items() if self._part.admits(one.record)}

    def vector(self, id: str) -> NDArray[np.float32] | None:
        return self._index.vector(id) if self.read([id]) else None

    def search(
        self,
        query: NDArray[np.float32],
        filters: Filters,
        *,
        limit: int,
        ranked: int,
        after: Place | None = None,
        leave_out: frozenset[str] = frozenset(),
        facets: bool = False,
        collapse: Collapse = "none",
        wording: Wording | None = None,
        cut: Cut | None = None,
        order: Order = "best",
    ) -> RankedSet:
        return self._index.search(
            query,
            self._both(filters),
            limit=limit,
            ranked=ranked,
            after=after,
            leave_out=leave_out,
            facets=facets,
            collapse=collapse,
            wording=wording,
            cut=cut,
            order=order,
        )

    def best_scores(self, queries: NDArray[np.float32]) -> NDArray[np.float64]:
        return self._index.best_scores(queries)

    def note(self, name: str) -> str | None:
        return self._index.note(name)

    def keep_note(self, name: str, text: str) -> None:
        self._index.keep_note(name, text)

    def copies(self, of: Sequence[ImageRecord], filters: Filters = ALL) -> list[list[Copy]]:
        return self._index.copies(of, self._both(filters))

    def list(
        self,
        filters: Filters,
        states: Sequence[State],
        *,
        limit: int,
        after: tuple[datetime | None, str] | None = None,
    ) -> Listing:
        return self._index.list(self._both(filters), states, limit=limit, after=after)

    def counts(self, filters: Filters = ALL) -> dict[State, int]:
        return self._index.counts(self._both(filters))

    def facets(self, filters: Filters = ALL) -> Facets:
        return self._index.facets(self._both(filters))

    def _both(self, filters: Filters) -> Filters:
        """Both must admit. Made without the checks of requests: a caller's own filters may stand
        as deep in each other as is allowed, and these stand one deeper."""
        return (
            self._part if filters == ALL else Filters.model_construct(all_of=(self._part, filters))
        )


def narrowed(index: Searched, part: Filters) -> Searched:
    """`index` itself where `part` admits everything."""
    return index if part == ALL else Narrowed(index, part)
