"""The bodies of searches that rank images, and what their hits say. No requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.index.opensearch.documents import Query

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Body = dict[str, Any]
Hit = dict[str, Any]


def ranking(query: Query, size: int, values: Sequence[str]) -> Body:
    """Asks for the `size` best of `query` with these of their doc values. Ids come from there too:
    reading the stored `_id` of a thousand hits takes longer than finding them."""
    return {
        "size": size,
        "query": query,
        "track_total_hits": False,
        "_source": False,
        "stored_fields": "_none_",
        "docvalue_fields": ["id", *values],
    }


def nearest(query: NDArray[np.float32], admitted: Query | None, k: int) -> Query:
    near: dict[str, Any] = {"vector": query, "k": k}
    if admitted is not None:
        near["filter"] = admitted
    return {"knn": {"vector": near}}


def exactly(query: NDArray[np.float32], admitted: Query | None) -> Query:
    """All that `admitted` lets through, scored one by one."""
    params = {"field": "vector", "query_value": query, "space_type": "innerproduct"}
    return {
        "script_score": {
            "query": ready(admitted),
            "script": {"lang": "knn", "source": "knn_score", "params": params},
        }
    }


def telling(query: Query, told: Sequence[Query]) -> Query:
    """`query`, its hits saying which of `told` they also match; those must score nothing."""
    return {"bool": {"must": [query], "should": [*told]}} if told else query


def scored_again(body: Body, query: NDArray[np.float32]) -> Body:
    """`body`, its hits scored by their inner products in the end."""
    products = {
        "query_weight": 0,
        "rescore_query_weight": 1,
        "rescore_query": exactly(query, None),
    }
    return {**body, "rescore": {"window_size": body["size"], "query": products}}


def counting(query: Query) -> Body:
    """Asks how many images `query` lets through."""
    return {"size": 0, "track_total_hits": True, "query": query}


def ready(admitted: Query | None) -> Query:
    """The "ready" images that `admitted` (None: all) lets through."""
    return every({"term": {"state": "ready"}}, admitted)


def every(*queries: Query | None, must: Query | None = None) -> Query:
    """What all of `queries` (None: all) let through, scored by `must`, which does so too."""
    parts = [query for query in queries if query is not None]
    return {"bool": {"filter": parts, "must": [must] if must else []}}


def at_least(score: float, query: Query) -> Query:
    """What `query` scores so much or more."""
    return {"function_score": {"query": query, "min_score": score}}


def total(answer: Any) -> int:
    count: int = answer["hits"]["total"]["value"]
    return count


def hits(answer: Any) -> list[Hit]:
    found: list[Hit] = answer["hits"]["hits"]
    return found


def id_of(hit: Hit) -> str:
    (name,) = hit["fields"]["id"]
    return str(name)


def inner_product(hit: Hit) -> float:
    """Lucene keeps scores positive: 1 + x from nothing up, 1 / (1 - x) below; rounded to the 6
    decimals that its float32 is good for."""
    score: float = hit["_score"]
    return round(score - 1 if score >= 1 else 1 - 1 / score, 6) + 0.0
