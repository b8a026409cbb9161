"""Searches from question to page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.copies import Collapse
from chalicelib.index.base import Place, RankedSet
from chalicelib.index.opensearch import bodies
from chalicelib.index.opensearch.bodies import Body
from chalicelib.index.opensearch.candidates import LEAST_K, Search, gathered
from chalicelib.index.opensearch.documents import WITHOUT_VECTOR, from_document
from chalicelib.index.opensearch.ranked import Ranked, ranked, values_for
from chalicelib.index.opensearch.requests import SEARCH_PATIENCE_S, Requests
from chalicelib.records import Filters, Hit
from chalicelib.relevance import Cut, Order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_QUERIES = 50
"""Searches sent at a time: a few hundred kB."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is to be shown of what a search finds, and how."""

    limit: int
    after: Place | None
    facets: bool
    collapse: Collapse
    cut: Cut | None
    order: Order


def answered(requests: Requests, search: Search, shown: Shown) -> RankedSet:
    values = values_for(shown.order, shown.facets, shown.collapse)
    whole = ranked(
        gathered(lambda asked: _answers(requests, asked), search, values),
        most=search.ranked,
        cut=shown.cut,
        order=shown.order,
        facets=shown.facets,
        collapse=shown.collapse,
    )
    hits, following = _page(requests, whole, search.filters, shown)
    return RankedSet(hits, len(whole.kept), whole.facets, whole.matched, whole.rest, following)


def best_scores(requests: Requests, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of each of `rows` [Q, D] the best inner product with any vector."""
    import numpy as np

    best = np.full(len(rows), -np.inf)
    for first in range(0, len(rows), _QUERIES):
        some = rows[first : first + _QUERIES]
        asked = [bodies.ranking(bodies.nearest(row, None, LEAST_K), 1, ()) for row in some]
        for number, answer in enumerate(_answers(requests, asked), start=first):
            for hit in bodies.hits(answer):
                best[number] = bodies.inner_product(hit)
    return best


def _answers(requests: Requests, asked: Sequence[Body]) -> list[Any]:
    if len(asked) == 1:
        return [requests.search(asked[0], patience_s=SEARCH_PATIENCE_S)]
    return requests.searches(asked, patience_s=SEARCH_PATIENCE_S)


def _page(
    requests: Requests, whole: Ranked, filters: Filters, shown: Shown
) -> tuple[list[Hit], Place | None]:
    """(the first images behind `after` that still are what the search took them for, where the
    next page starts): the search may lag a second behind, the reading of records does not."""
    start = first = whole.start(shown.after)
    hits: list[Hit] = []
    while start < len(whole.kept) and len(hits) < shown.limit:
        some = whole.kept[start : start + shown.limit - len(hits)]
        start += len(some)
        found = requests.documents(
            [one.id for one in some], WITHOUT_VECTOR, patience_s=SEARCH_PATIENCE_S
        )
        records = {d["_id"]: from_document(d["_source"]) for d in found}
        hits += [
            Hit(record, one.score, whole.copies.get(one.id), one.meaning, one.found, one.within)
            for one in some
            if (record := records.get(one.id)) is not None
            and record.state == "ready"
            and filters.admits(record)
        ]
    more = first < start < len(whole.kept)
    return hits, whole.places[start - 1] if more else None
