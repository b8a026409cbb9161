"""The whole ranked set of a search: the k nearest as ids and scores, nothing else of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalicelib.copies import Collapse, Folded, Marks
from chalicelib.index.base import FACETS, Facets
from chalicelib.index.facets import Alike, counted
from chalicelib.index.opensearch.alike import marks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_K = 100
"""HNSW looks at k candidates at a time; with fewer it misses more."""

Place = tuple[float, str]
"""(score, id)"""

Ask = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Ranked:
    """`places` run from the best; equal scores by id. `copies` stand behind them, where the set
    was folded."""

    places: list[Place]
    facets: Facets | None
    copies: dict[str, Folded] = field(default_factory=dict)

    def behind(self, after: Place | None) -> list[Place]:
        if after is None:
            return self.places
        start = bisect_right(self.places, (-after[0], after[1]), key=_order)
        return self.places[start:]


def ranked_set(
    ask: Ask,
    query: NDArray[np.float32],
    admitted: dict[str, Any] | None,
    *,
    ranked: int,
    facets: bool,
    collapse: Collapse = "none",
) -> Ranked:
    """The best `ranked` images that `admitted` (None: all) lets through."""
    if ranked <= 0:
        return Ranked([], {name: {} for name in FACETS} if facets else None)
    k = max(ranked, LEAST_K)
    values = ("id", *(FACETS if facets else ()), *(Marks._fields if collapse != "none" else ()))
    hits = _hits(ask, _nearest(query, admitted, k), k, values)
    if len(hits) < k and len(hits) < _matching(ask, admitted):
        # A walk along the graph may not reach everything, above all where many vectors are
        # the same; then all that match are looked at.
        hits = _hits(ask, _exactly(query, admitted), k, values)
    scored = sorted(((_inner_product(hit["_score"]), _id(hit), hit) for hit in hits), key=_order)
    best = scored[:ranked]
    found = counted(_alike(hit["fields"]) for _, _, hit in best) if facets else None
    places = [(score, name) for score, name, _ in best]
    if collapse == "none":
        return Ranked(places, found)
    return _folded(places, [_signature(hit["fields"]) for _, _, hit in best], collapse, found)


def _folded(
    places: list[Place], signatures: list[bytes], collapse: Collapse, facets: Facets | None
) -> Ranked:
    from chalicelib.index import folding

    stacks = folding.fold(folding.signatures(signatures), collapse)
    ids = [name for _, name in places]
    return Ranked(
        [places[stack.place] for stack in stacks],
        facets,
        {ids[stack.place]: folding.folded(stack, ids) for stack in stacks},
    )


def _signature(values: dict[str, list[Any]]) -> bytes:
    from chalicelib.index.folding import signature

    return signature(*marks(values))


def _order(place: tuple[Any, ...]) -> tuple[float, str]:
    return -place[0], place[1]


def _id(hit: dict[str, Any]) -> str:
    (name,) = hit["fields"]["id"]
    return str(name)


def _inner_product(score: float) -> float:
    """Lucene keeps scores positive: 1 + x from nothing up, 1 / (1 - x) below; rounded to the 6
    decimals that its float32 is good for."""
    return round(score - 1 if score >= 1 else 1 - 1 / score, 6) + 0.0


def _nearest(query: NDArray[np.float32], admitted: dict[str, Any] | None, k: int) -> dict[str, Any]:
    near: dict[str, Any] = {"vector": query, "k": k}
    if admitted is not None:
        near["filter"] = admitted
    return {"knn": {"vector": near}}


def _exactly(query: NDArray[np.float32], admitted: dict[str, Any] | None) -> dict[str, Any]:
    params = {"field": "vector", "query_value": query, "space_type": "innerproduct"}
    return {
        "script_score": {
            "query": _ready(admitted),
            "script": {"lang": "knn", "source": "knn_score", "params": params},
        }
    }


def _ready(admitted: dict[str, Any] | None) -> dict[str, Any]:
    parts = [{"term": {"state": "ready"}}, *([admitted] if admitted else [])]
    return {"bool": {"filter": parts}}


def _matching(ask: Ask, admitted: dict[str, Any] | None) -> int:
    body = {"size": 0, "track_total_hits": True, "query": _ready(admitted)}
    count: int = ask(body)["hits"]["total"]["value"]
    return count


def _hits(
    ask: Ask, query: dict[str, Any], size: int, values: Sequence[str]
) -> list[dict[str, Any]]:
    """Ids come from doc values: reading the stored `_id` of a thousand hits takes longer than
    finding them."""
    body = {
        "size": size,
        "query": query,
        "track_total_hits": False,
        "_source": False,
        "stored_fields": "_none_",
        "docvalue_fields": [*values],
    }
    hits: list[dict[str, Any]] = ask(body)["hits"]["hits"]
    return hits


def _alike(values: dict[str, list[Any]]) -> Alike:
    """Of one hit's doc values; what is missing was not known, or too long to be a keyword."""
    collection, year, camera, kind = (next(iter(values.get(name, ())), "") for name in FACETS)
    return Alike(collection, int(year) if year else None, camera, kind)
