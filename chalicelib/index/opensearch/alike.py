"""Which images may be copies of one, as a search. No requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chalicelib.copies import BANDS, EQUAL_BANDS, Marks, bands
from chalicelib.records import ImageRecord

MOST_LOOKED_AT = 1000
"""Candidates of one image, the likeliest first."""


def candidates(record: ImageRecord, admitted: dict[str, Any]) -> dict[str, Any] | None:
    """The body of a search for all that may be copies of `record`, among what the query `admitted`
    finds; None where nothing can be."""
    ways = []
    if found := bands(record.perceptual_hash):
        parts = [_scored({"term": {"bands": band}}, 1) for band in found]
        ways.append({"bool": {"should": parts, "minimum_should_match": EQUAL_BANDS}})
    if record.sha256:
        ways.append(_scored({"term": {"sha256": record.sha256}}, BANDS + 1))
    if not ways:
        return None
    return {
        "query": {
            "bool": {
                "filter": [admitted],
                "must_not": [{"term": {"id": record.id}}],
                "should": ways,
                "minimum_should_match": 1,
            }
        },
        "sort": ["_score", {"id": "asc"}],
        "size": MOST_LOOKED_AT,
        "track_total_hits": False,
        "_source": False,
        "stored_fields": "_none_",
        "docvalue_fields": ["id", *Marks._fields],
    }


def marked(answer: dict[str, Any]) -> Iterator[tuple[str, Marks]]:
    """(id, what copies are told by) of each candidate."""
    for hit in answer["hits"]["hits"]:
        values = hit["fields"]
        yield values["id"][0], marks(values)


def marks(values: dict[str, list[Any]]) -> Marks:
    """Of one hit's doc values; a hash that is not known is missing there."""
    return Marks(*(next(iter(values.get(name, ())), "") for name in Marks._fields))


def _scored(query: dict[str, Any], boost: int) -> dict[str, Any]:
    return {"constant_score": {"filter": query, "boost": boost}}
