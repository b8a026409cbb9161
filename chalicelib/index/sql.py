"""The embedded index as SQL: tables, records as rows, filters as conditions. No connections."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import Any

from chalicelib.records import Filters, ImageRecord, Location

SCHEMA = 1
"""Written into each file; a file with another number is refused, deleted and rebuilt."""

PAGE_BYTES = 8192
"""Three 512-d vectors fit a page; SQLite's own 4,096 holds one and wastes the other half."""

TABLES = """
CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  dim INTEGER NOT NULL, model TEXT NOT NULL, generation INTEGER NOT NULL,
  seq INTEGER NOT NULL, purged INTEGER NOT NULL
);
CREATE TABLE images (
  num INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL,
  state TEXT NOT NULL, collection TEXT NOT NULL, owner TEXT NOT NULL, format TEXT NOT NULL,
  date INTEGER, recency INTEGER NOT NULL, indexed INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE TABLE vectors (num INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE INDEX images_by_seq ON images (seq);
CREATE INDEX images_by_recency ON images (recency, id);
CREATE INDEX images_by_collection ON images (state, collection, owner, format, date);
CREATE INDEX images_by_owner ON images (state, owner, collection, format, date);
"""
# meta.seq      the number of the last write; every write takes the next, none is ever used twice
# meta.purged   the highest seq among the tombstones purged so far
# images.seq    the number of the write that made this row what it is: the record's version
# images.body   the whole record but its vector, as JSON; the other columns are read from it
# images.recency  -uploaded_at in microseconds, so that listings run up one index

STORE = (
    "INSERT OR REPLACE INTO images (num, id, seq, state, collection, owner, format, date,"
    " recency, indexed, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NEVER = 2**62
_FIELDS = tuple(f.name for f in fields(ImageRecord) if f.name != "vector")
_TIMES = ("indexed_at", "taken_at", "uploaded_at")


def file_name(model: str) -> str:
    """The database file of `model`: readable, and different for different models."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", model)[:100]
    if plain != model:
        plain += "-" + hashlib.sha256(model.encode()).hexdigest()[:8]
    return f"images-{plain}.sqlite"


def micros(moment: datetime) -> int:
    """Microseconds since 1970 in UTC, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def recency(uploaded_at: datetime | None) -> int:
    """Rises from the newest upload to the oldest; records without a time come last."""
    return _NEVER if uploaded_at is None else -micros(uploaded_at)


def to_row(record: ImageRecord) -> tuple[Any, ...]:
    """The columns of `STORE` behind `num, id, seq`."""
    return (
        record.state,
        record.collection,
        record.owner,
        record.format,
        None if record.date is None else micros(record.date),
        recency(record.uploaded_at),
        micros(record.indexed_at),
        to_body(record),
    )


def to_body(record: ImageRecord) -> str:
    body: dict[str, Any] = {name: getattr(record, name) for name in _FIELDS}
    for name in _TIMES:
        if body[name] is not None:
            body[name] = body[name].isoformat()
    if record.location is not None:
        body["location"] = [record.location.lat, record.location.lon]
    return json.dumps(body, separators=(",", ":"))


def from_body(body: str) -> ImageRecord:
    values: dict[str, Any] = json.loads(body)
    for name in _TIMES:
        if values[name] is not None:
            values[name] = datetime.fromisoformat(values[name])
    if values["location"] is not None:
        values["location"] = Location(*values["location"])
    return ImageRecord(**values)


def where(filters: Filters) -> tuple[str, list[Any]]:
    """`filters` as " AND …" conditions on `images`, "" when everything is admitted."""
    start, end = filters.date_bounds()
    parts: list[tuple[str, Any]] = [
        ("collection = ?", filters.collection),
        ("owner = ?", filters.owner),
        ("format = ?", filters.format),
        ("date >= ?", None if start is None else micros(start)),
        ("date < ?", None if end is None else micros(end)),
    ]
    given = [(condition, value) for condition, value in parts if value is not None]
    return "".join(f" AND {c}" for c, _ in given), [v for _, v in given]


def marks(values: int) -> str:
    """Placeholders for an IN list."""
    return ",".join("?" * values)
