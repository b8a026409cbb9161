"""Records as OpenSearch documents, and back; filters as queries. No requests."""

from __future__ import annotations

from dataclasses import MISSING, asdict, fields
from datetime import datetime
from typing import Any

from chalicelib.copies import bands
from chalicelib.facts import Exposure, Location
from chalicelib.index.base import Summary
from chalicelib.index.times import micros, recency
from chalicelib.records import Filters, ImageRecord, State
from chalicelib.relevance import FIELDS
from chalicelib.sharding import Shard
from chalicelib.words import indexed, titles

Document = dict[str, Any]
Query = dict[str, Any]

WORDED = 1
"""Counts changes of what `words_of` gives; kept with every document that has words."""

NOT_OF_RECORDS = ["vector", "*_words", "titles", "worded"]
WITHOUT_VECTOR = {"excludes": NOT_OF_RECORDS}
"""Nor the words, which a record has in other fields."""

_TIMES = ("indexed_at", "taken_at", "uploaded_at")
_FIELDS = tuple(f.name for f in fields(ImageRecord) if f.name != "vector")
_DEFAULTS = {f.name: f.default for f in fields(ImageRecord) if f.default is not MISSING}
_FILTERED = frozenset({"collection", "owner", "format", "camera"})
"""Written also where empty: a filter may ask for the empty value."""


def to_document(record: ImageRecord) -> Document:
    """Everything of `record` that is not a default, and what is derived from it."""
    document: Document = {
        name: value
        for name in _FIELDS
        if (value := getattr(record, name)) != _DEFAULTS.get(name, MISSING) or name in _FILTERED
    }
    for name in _TIMES:
        if name in document:
            document[name] = document[name].isoformat()
    if record.location is not None:
        document["location"] = {"lat": record.location.lat, "lon": record.location.lon}
    if record.exposure is not None:
        document["exposure"] = asdict(record.exposure)
    document["recency"] = recency(record.uploaded_at)
    document["indexed"] = micros(record.indexed_at)
    if record.date is not None:
        document |= {"date": micros(record.date), "year": str(record.year)}
    if record.orientation is not None:
        document["orientation"] = record.orientation
    if record.state == "ready":
        document["bands"] = bands(record.perceptual_hash)
        document |= words_of(record)
    if record.vector is not None:
        document["vector"] = record.vector
    return document


def words_of(record: ImageRecord) -> Document:
    """What `record` is found by in words. Also what is empty is written: an update replaces what
    is there."""
    texts = {f"{field}_words": indexed(getattr(record, field)) for field in FIELDS}
    return {**texts, "titles": list(titles(record.name)), "worded": WORDED}


def without_words() -> Query:
    """The "ready" images whose words were never written, or by older rules."""
    other = {"bool": {"must_not": {"term": {"worded": WORDED}}}}
    return with_states(Filters(), ["ready"], other)


def from_document(source: Document) -> ImageRecord:
    values = {name: source[name] for name in _FIELDS if name in source}
    for name in _TIMES:
        if name in values:
            values[name] = datetime.fromisoformat(values[name])
    if "location" in values:
        values["location"] = Location(**values["location"])
    if "exposure" in values:
        values["exposure"] = Exposure(**values["exposure"])
    return ImageRecord(**values)


def summary(source: Document) -> Summary:
    """Of a document read with the fields of `Summary` only."""
    values: list[Any] = [source.get(name, _DEFAULTS.get(name)) for name in Summary._fields]
    return Summary(*values)


def filter_query(filters: Filters) -> Query | None:
    """`filters` as a query in filter context; None where everything is admitted."""
    start, end = filters.date_bounds()
    must: list[Query] = [
        {"term": {name: value}}
        for name in ("collection", "owner", "format", "orientation", "camera")
        if (value := getattr(filters, name)) is not None
    ]
    must += [
        {"range": {name: {"gte": least}}}
        for name, least in (("width", filters.min_width), ("height", filters.min_height))
        if least is not None
    ]
    if start is not None or end is not None:
        bounds = {"gte": start and micros(start), "lt": end and micros(end)}
        must.append({"range": {"date": {k: v for k, v in bounds.items() if v is not None}}})
    if near := filters.near:
        place = {"lat": near.lat, "lon": near.lon}
        must.append({"geo_distance": {"distance": f"{near.km * 1000}m", "location": place}})
    must += [_whole(inner) for inner in filters.all_of or ()]
    if filters.any_of is not None:
        alternatives = [_whole(inner) for inner in filters.any_of]
        must.append({"bool": {"should": alternatives, "minimum_should_match": 1}})
    must_not = [_whole(inner) for inner in filters.none_of or ()]
    if not must and not must_not:
        return None
    return {"bool": {"filter": must, "must_not": must_not}}


def _whole(filters: Filters) -> Query:
    return filter_query(filters) or {"match_all": {}}


def with_states(filters: Filters, states: list[State], *more: Query) -> Query:
    """The records in `states` that `filters` admit."""
    admitted = filter_query(filters)
    parts = [{"terms": {"state": states}}, *([admitted] if admitted else []), *more]
    return {"bool": {"filter": parts}}


def leaving_out(admitted: Query | None, ids: frozenset[str]) -> Query | None:
    if not ids:
        return admitted
    return {
        "bool": {
            "filter": [admitted] if admitted else [],
            "must_not": [{"terms": {"id": sorted(ids)}}],
        }
    }


def of_shard(shard: Shard) -> Query:
    """The records whose ids `shard` holds."""
    bounds = {"gte": shard.first or None, "lt": shard.end}
    given = {name: border for name, border in bounds.items() if border is not None}
    return {"range": {"id": given}} if given else {"match_all": {}}
