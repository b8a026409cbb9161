"""The embedded index as SQL: tables, records as rows, filters as conditions. No connections."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import orjson

from chalicelib import words
from chalicelib.facts import EARTH_RADIUS_KM, Exposure, Location
from chalicelib.index.base import Summary
from chalicelib.index.folding import signature
from chalicelib.index.times import micros, recency
from chalicelib.records import Filters, ImageRecord, Near
from chalicelib.relevance import FIELDS

SCHEMA = 5
"""Written into each file. Files of `OLD_SCHEMAS` are brought up to it, others are refused."""

OLD_SCHEMAS = (1, 2, 3, 4)

PAGE_BYTES = 8192
"""Three 512-d vectors fit a page; SQLite's own 4,096 holds one and wastes the other half."""

META = """CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  dim INTEGER NOT NULL, model TEXT NOT NULL, generation INTEGER NOT NULL,
  seq INTEGER NOT NULL, purged INTEGER NOT NULL
)"""
IMAGES = """CREATE TABLE images (
  num INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL,
  state TEXT NOT NULL, collection TEXT NOT NULL, owner TEXT NOT NULL, format TEXT NOT NULL,
  camera TEXT NOT NULL, year INTEGER, date INTEGER,
  width INTEGER NOT NULL, height INTEGER NOT NULL, orientation TEXT, lat REAL, lon REAL,
  recency INTEGER NOT NULL, indexed INTEGER NOT NULL, signature BLOB NOT NULL, body TEXT NOT NULL
)"""
VECTORS = "CREATE TABLE vectors (num INTEGER PRIMARY KEY, vector BLOB NOT NULL)"
WORDS = (
    "CREATE VIRTUAL TABLE words USING fts5 (name, collection, camera, text, title,"
    " tokenize = 'ascii')"
)
NOTES = "CREATE TABLE notes (name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID"
INDEXES = {
    "images_by_seq": "seq",
    "images_by_recency": "state, recency, id",
    # These two hold all that filters and facets look at, so that bodies are never read for them;
    # the first begins with the columns that facets group by.
    "images_by_collection": "state, collection, year, camera, format, owner, date, width, height,"
    " orientation, lat, lon",
    "images_by_owner": "state, owner, collection, year, camera, format, date, width, height,"
    " orientation, lat, lon",
}
# meta.seq      the number of the last write; every write takes the next, none is ever used twice
# meta.purged   the highest seq among the tombstones purged so far
# images.seq    the number of the write that made this row what it is: the record's version
# images.signature  what copies are told by, as chalicelib.index.folding has it
# images.body   the whole record but its vector, as JSON; the other columns are read from it
# images.recency  -uploaded_at in microseconds, so that listings run up one index
# words         the texts of ready images, by images.num, as chalicelib.words.indexed has them, so
#               that FTS5 need not take them apart; title has what each file may be called

STORE = (
    "INSERT OR REPLACE INTO images (num, id, seq, state, collection, owner, format, camera, year,"
    " date, width, height, orientation, lat, lon, recency, indexed, signature, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

STORE_WORDS = (
    "INSERT OR REPLACE INTO words (rowid, name, collection, camera, text, title)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)

ALIKE = (
    "SELECT collection, year, camera, format, count(*) FROM images WHERE {}"
    " GROUP BY collection, year, camera, format"
)
"""The groups that facets are counted from."""

_SUMMARY_DEFAULTS = {name: Summary._field_defaults.get(name) for name in Summary._fields}
_FIELDS = tuple(f.name for f in fields(ImageRecord) if f.name != "vector")
_TIMES = ("indexed_at", "taken_at", "uploaded_at")


def file_name(model: str) -> str:
    """The database file of `model`: readable, and different for different models."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", model)[:100]
    if plain != model:
        plain += "-" + hashlib.sha256(model.encode()).hexdigest()[:8]
    return f"images-{plain}.sqlite"


def to_row(record: ImageRecord) -> tuple[Any, ...]:
    """The columns of `STORE` behind `num, id, seq`."""
    place = record.location
    return (
        record.state,
        record.collection,
        record.owner,
        record.format,
        record.camera,
        record.year,
        None if record.date is None else micros(record.date),
        record.width,
        record.height,
        record.orientation,
        None if place is None else place.lat,
        None if place is None else place.lon,
        recency(record.uploaded_at),
        micros(record.indexed_at),
        signature(record.sha256, record.perceptual_hash),
        to_body(record),
    )


def to_words(record: ImageRecord) -> tuple[str, ...]:
    """The columns of `STORE_WORDS` behind `rowid`."""
    return (
        *(words.indexed(getattr(record, field)) for field in FIELDS),
        " ".join(words.titles(record.name)),
    )


def to_body(record: ImageRecord) -> str:
    body: dict[str, Any] = {name: getattr(record, name) for name in _FIELDS}
    for name in _TIMES:
        if body[name] is not None:
            body[name] = body[name].isoformat()
    if record.location is not None:
        body["location"] = [record.location.lat, record.location.lon]
    if record.exposure is not None:
        body["exposure"] = asdict(record.exposure)
    return json.dumps(body, separators=(",", ":"))


def from_body(body: str) -> ImageRecord:
    """Bodies of older files lack what has been added to records since."""
    values: dict[str, Any] = json.loads(body)
    for name in _TIMES:
        if values[name] is not None:
            values[name] = datetime.fromisoformat(values[name])
    if values["location"] is not None:
        values["location"] = Location(*values["location"])
    if values.get("exposure") is not None:
        values["exposure"] = Exposure(**values["exposure"])
    return ImageRecord(**values)


def summary(body: str) -> Summary:
    """Of a record's body, without making the record: reconcile reads millions."""
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        # Half a surrogate pair, as in a name of long ago; Python's own reader takes it.
        values = json.loads(body)
    return Summary(*(values.get(name, default) for name, default in _SUMMARY_DEFAULTS.items()))


def create_indexes() -> list[str]:
    return [f"CREATE INDEX {name} ON images ({columns})" for name, columns in INDEXES.items()]


def where(filters: Filters) -> tuple[str, list[Any]]:
    """`filters` as an " AND …" condition on `images`, "" when everything is admitted."""
    terms = _terms(filters)
    return "".join(f" AND {text}" for text, _ in terms), _values(terms)


Term = tuple[str, list[Any]]
"""A condition and its values. It is true for what is admitted; for the rest false, or NULL where
a column is. AND and OR treat the two alike, and what turns a condition round asks `IS NOT TRUE`."""


def _terms(filters: Filters) -> list[Term]:
    """The conditions that must all be true."""
    start, end = filters.date_bounds()
    parts: list[tuple[str, Any]] = [
        ("collection = ?", filters.collection),
        ("owner = ?", filters.owner),
        ("format = ?", filters.format),
        ("orientation = ?", filters.orientation),
        ("camera = ?", filters.camera),
        ("width >= ?", filters.min_width),
        ("height >= ?", filters.min_height),
        ("date >= ?", None if start is None else micros(start)),
        ("date < ?", None if end is None else micros(end)),
    ]
    terms: list[Term] = [(text, [value]) for text, value in parts if value is not None]
    terms += map(_together, filters.all_of or ())
    if filters.any_of is not None:
        terms.append(_joined(" OR ", [_together(inner) for inner in filters.any_of]))
    for inner in filters.none_of or ():
        text, values = _together(inner)
        terms.append((f"{text} IS NOT TRUE", values))
    if filters.near is not None:
        terms += _near(filters.near)
    return terms


def _together(filters: Filters) -> Term:
    return _joined(" AND ", _terms(filters) or [("TRUE", [])])


def _joined(word: str, terms: list[Term]) -> Term:
    return f"({word.join(text for text, _ in terms)})", _values(terms)


def _values(terms: list[Term]) -> list[Any]:
    return [value for _, values in terms for value in values]


KM_BETWEEN = "km_between"
"""`km_between` below, as connections know it."""

_SLACK = 1e-3
"""Degrees (some 100 m) by which a box is wider than its circle: far more than rounding."""


def km_between(
    lat: float | None, lon: float | None, other_lat: float, other_lon: float
) -> float | None:
    if lat is None or lon is None:
        return None
    return Location(lat, lon).km_to(other_lat, other_lon)


def _near(near: Near) -> list[Term]:
    """First a box that holds the circle, which is cheap, then the circle itself."""
    angle = near.km / EARTH_RADIUS_KM
    reach = math.degrees(angle) + _SLACK
    terms: list[Term] = [("lat BETWEEN ? AND ?", [near.lat - reach, near.lat + reach])]
    if abs(near.lat) + reach < 90:
        widest = math.asin(min(1.0, math.sin(angle) / math.cos(math.radians(near.lat))))
        terms.append(_between_meridians(near.lon, math.degrees(widest) + _SLACK))
    # Otherwise a pole is in the circle, and with it every meridian.
    return [*terms, (f"{KM_BETWEEN}(lat, lon, ?, ?) <= ?", [near.lat, near.lon, near.km])]


def _between_meridians(lon: float, reach: float) -> Term:
    west, east = lon - reach, lon + reach
    if west < -180 or east > 180:
        # The box crosses the antimeridian: it is the two ends of the map.
        return "(lon >= ? OR lon <= ?)", [west + 360 * (west < -180), east - 360 * (east > 180)]
    return "lon BETWEEN ? AND ?", [west, east]


def marks(values: int) -> str:
    """Placeholders for an IN list."""
    return ",".join("?" * values)
