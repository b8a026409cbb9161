"""Which images a search considers: the nearest, and those that have its words.

The nearest come with the counts that say how rare each word is. Images that may have a place for
their words alone are asked for where there can be any, with one request more, and with two further
ones where more have them than may be considered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.index.opensearch import bodies
from chalicelib.index.opensearch.bodies import Body, Hit
from chalicelib.index.opensearch.documents import Query, filter_query, leaving_out
from chalicelib.index.opensearch.wordings import Asked, Numbers, taking_part
from chalicelib.records import Filters
from chalicelib.relevance import Candidate, Found, Wording

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_K = 100
"""HNSW looks at k candidates at a time; with fewer it misses more."""

Ask = Callable[[Sequence[Body]], list[Any]]
"""Answers to several searches at once."""

Values = dict[str, list[Any]]
"""Doc values of one image."""


@dataclass(frozen=True, slots=True)
class Search:
    """The best `ranked` images for `query` [D] and `wording` that `filters` admit, but for those
    with the ids `leave_out`."""

    query: NDArray[np.float32]
    filters: Filters
    wording: Wording
    ranked: int
    leave_out: frozenset[str]


class Gathered(NamedTuple):
    """In no order, with their doc values by id."""

    candidates: list[Candidate]
    values: dict[str, Values]


def gathered(ask: Ask, search: Search, values: Sequence[str]) -> Gathered:
    """`values` are the doc values to come with them."""
    if search.ranked <= 0:
        return Gathered([], {})
    asked = Asked(search.wording)
    if asked.words:
        return _Worded(ask, search, values, asked).gathered()
    gathering = _Gathering(ask, search, values)
    return _candidates(gathering.nearest())


class _Gathering:
    """Of one search without words."""

    def __init__(self, ask: Ask, search: Search, values: Sequence[str]) -> None:
        self._ask = ask
        self._query = search.query
        self._ranked = search.ranked
        self._k = max(search.ranked, LEAST_K)
        self._values = values
        self._admitted = filter_query(search.filters)
        self._taking = leaving_out(taking_part(self._admitted, search.wording), search.leave_out)
        self._told: list[Query] = []
        """Clauses that score nothing and whose names shall come with the hits."""

    def nearest(self) -> list[Hit]:
        (answer,) = self._ask([self._near(self._taking)])
        return self._whole(answer, self._taking, self._count)

    def _count(self) -> int:
        (answer,) = self._ask([bodies.counting(bodies.ready(self._taking))])
        return bodies.total(answer)

    def _near(self, admitted: Query | None) -> Body:
        near = bodies.nearest(self._query, admitted, self._k)
        return bodies.ranking(bodies.telling(near, self._told), self._k, self._values)

    def _whole(self, answer: Any, admitted: Query | None, count: Callable[[], int]) -> list[Hit]:
        """The `ranked` best of all that `admitted` lets through, in no order. A walk along the
        graph may not reach everything, above all where many vectors are the same; then all that
        match are looked at."""
        hits = bodies.hits(answer)
        if len(hits) < self._k and len(hits) < count():
            exact = bodies.telling(bodies.exactly(self._query, admitted), self._told)
            (answer,) = self._ask([bodies.ranking(exact, self._k, self._values)])
            hits = bodies.hits(answer)
        return hits if len(hits) <= self._ranked else sorted(hits, key=_nearness)[: self._ranked]


class _Worded(_Gathering):
    """Of one search with words."""

    def __init__(self, ask: Ask, search: Search, values: Sequence[str], asked: Asked) -> None:
        super().__init__(ask, search, values)
        self._asked = asked
        self._told = asked.told()

    def gathered(self) -> Gathered:
        counts = [bodies.counting(query) for query in self._asked.counted(self._admitted)]
        near, *counted = self._ask([self._near(self._taking), *counts])
        numbers = self._asked.numbers([bodies.total(answer) for answer in counted])
        nearest = self._whole(near, self._taking, self._count)
        found = nearest + self._with_words(nearest, numbers)
        return _candidates(found, lambda names: self._asked.found(names, numbers.weights))

    def _with_words(self, nearest: list[Hit], numbers: Numbers) -> list[Hit]:
        """Those that may have a place for their words, beside the `nearest`."""
        if len(nearest) < self._ranked:
            return []
        # A word that all of the nearest have, as "img" often is, brings nothing else before them.
        common = self._asked.common(hit.get("matched_queries", ()) for hit in nearest)
        having = self._asked.having(numbers, but=common)
        if having is None:
            return []
        (worded,) = self._ask([self._worded(having)])
        if bodies.total(worded) <= self._ranked:
            return bodies.hits(worded)
        return self._best_by_words(having, self._asked.by_share(numbers.weights))

    def _worded(self, having: Query) -> Body:
        """Images that `having` lets through, up to `ranked` of them."""
        named = bodies.telling(bodies.every(bodies.ready(self._taking), having), self._told)
        asked = bodies.ranking(named, self._ranked, self._values)
        # More than there is room for are not counted: whether there are more is all that matters.
        return bodies.scored_again(asked | {"track_total_hits": self._ranked + 1}, self._query)

    def _best_by_words(self, having: Query, by_share: Query) -> list[Hit]:
        """Of those that `having` lets through, which are more than `ranked`, the ones that have
        most of the words, of equal ones the nearest."""
        taking = bodies.every(self._taking, having)
        scored = bodies.every(bodies.ready(taking), must=by_share)
        (answer,) = self._ask([bodies.ranking(scored, self._ranked, self._values)])
        first = bodies.hits(answer)
        if not first:
            return []  # they have gone since they were counted
        least = first[-1]["_score"]
        above = [hit for hit in first if hit["_score"] > least]
        # Those that have as many words as the last one may be more than there is room for.
        level = bodies.every(taking, bodies.at_least(least, by_share))
        named = {"terms": {"id": [bodies.id_of(hit) for hit in above]}}
        nearest, products = self._ask(
            [
                self._near(level),
                bodies.ranking(bodies.exactly(self._query, named), self._ranked, ()),
            ]
        )
        scores = {bodies.id_of(hit): hit["_score"] for hit in bodies.hits(products)}
        # What is gone by now has none.
        best = [
            hit | {"_score": scores[name]} for hit in above if (name := bodies.id_of(hit)) in scores
        ]
        level_with = self._whole(nearest, level, lambda: self._ranked)
        rest = [hit for hit in sorted(level_with, key=_nearness) if bodies.id_of(hit) not in scores]
        return best + rest[: self._ranked - len(best)]


def _nearness(hit: Hit) -> tuple[float, str]:
    return -bodies.inner_product(hit), bodies.id_of(hit)


def _candidates(
    found: list[Hit], words: Callable[[Sequence[str]], Found | None] = lambda _: None
) -> Gathered:
    """`words` says what of the query stands in an image whose hit came with these names."""
    values: dict[str, Values] = {}
    candidates = []
    for hit in found:
        name = bodies.id_of(hit)
        if name not in values:
            values[name] = hit["fields"]
            names = hit.get("matched_queries")
            meaning = bodies.inner_product(hit)
            candidates.append(Candidate(name, meaning, words(names) if names else None))
    return Gathered(candidates, values)
