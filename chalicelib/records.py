"""The words every room speaks: ImageRecord, Filters, SearchRequest, Hit, Page."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from chalicelib.copies import Folded
from chalicelib.facts import Exposure, Location
from chalicelib.relevance import Found

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.index.base import Facets

State = Literal["ready", "rejected", "archived", "deleted"]
STATES: tuple[State, ...] = ("ready", "rejected", "archived", "deleted")

Format = Literal[
    "jpeg", "png", "webp", "gif", "bmp", "tiff", "heif", "avif", "jxl",
    "dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf", "pef", "raw",
]  # fmt: skip
"""The last ten are camera RAW; "raw" is that of any other maker."""

Orientation = Literal["landscape", "portrait", "square"]

MAX_RANKED = 1000
"""A search ranks at most this many images; paging walks that one set."""


def image_id(bucket: str, key: str) -> str:
    """The id of the image at `key`: 32 hex digits.

    A hash, because S3 keys reach 1,024 bytes and an OpenSearch `_id` only 512. Bucket names
    cannot hold a slash, so the pair is unambiguous.
    """
    return hashlib.sha256(f"{bucket}/{key}".encode()).hexdigest()[:32]


def collection_of(key: str) -> str:
    """The collection a key belongs to: its first path part, or "" for a key at the top."""
    head, slash, _ = key.partition("/")
    return head if slash else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """What the index knows of one image.

    `vector` is float32 of shape [D], present exactly when `state` is "ready": the model's own, of
    unit length, or where `calibration` names one, that vector seen from the mean picture and
    divided by `response` (docs/adr/0031). `text` is what `text_model` read in the picture;
    `placeholder` what `images.placeholder` made of it, "" in records of before there was one.
    Times are aware and in UTC; `taken_at` keeps the offset the camera wrote, where it did.
    """

    id: str
    bucket: str
    key: str
    name: str
    collection: str
    state: State
    indexed_at: datetime
    owner: str = ""
    etag: str = ""
    version_id: str = ""
    bytes: int = 0
    format: str = ""
    width: int = 0
    height: int = 0
    taken_at: datetime | None = None
    uploaded_at: datetime | None = None
    camera: str = ""
    lens: str = ""
    exposure: Exposure | None = None
    location: Location | None = None
    sha256: str = ""
    perceptual_hash: str = ""
    text: str = ""
    text_model: str = ""
    model: str = ""
    form: str = ""
    calibration: str = ""
    response: float = 0.0
    decoder_version: int = 0
    thumbnail_key: str = ""
    placeholder: str = ""
    reason: str = ""
    vector: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    @property
    def date(self) -> datetime | None:
        """The moment date filters and date order use: when it was taken, else uploaded."""
        return self.taken_at or self.uploaded_at

    @property
    def year(self) -> int | None:
        """The year of `date`, in UTC as date filters are."""
        return None if self.date is None else self.date.astimezone(timezone.utc).year

    @property
    def orientation(self) -> Orientation | None:
        """How the picture stands, upright; None where its size is not known."""
        if not (self.width and self.height):
            return None
        if self.width == self.height:
            return "square"
        return "landscape" if self.width > self.height else "portrait"


class Wire(BaseModel):
    """A part of a request: unknown fields are refused, values are never guessed."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=False)


def _moment_given(value: object) -> object:
    """ISO 8601 text → a day or a time; what is neither is left to be refused.

    By hand, because pydantic would read "2021" as seconds since 1970 and a day as its midnight.
    """
    if not isinstance(value, str):
        return value
    moment: date | None = None
    for parse in (date.fromisoformat, datetime.fromisoformat):
        with suppress(ValueError):
            moment = moment or parse(value)
    if moment is None:
        raise ValueError("must be a day or time in ISO 8601, such as 2024-05-31")
    if not 1000 <= moment.year <= 9998:
        raise ValueError("the year must be between 1000 and 9998")
    return moment


def _whole(value: object) -> object:
    """JSON knows one kind of number: 20.0 is as whole as 20 (RFC 8259, 6; and so JSON Schema's
    "integer", https://json-schema.org/draft/2020-12/json-schema-core#section-4.2.3)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""Behind the bounds of an int: in front of them the JSON schema would lack these."""

Moment = Annotated[datetime | date, BeforeValidator(_moment_given)]
Collection = Annotated[str, StringConstraints(max_length=200)]

MAX_FILTER_DEPTH = 4
MAX_FILTER_PARTS = 50
"""Filters within filters: enough for people, too few to wear an index out."""


class Near(Wire):
    """Taken within `km` kilometres of a place, in degrees (WGS 84)."""

    lat: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    lon: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
    km: Annotated[float, Field(gt=0, le=20_100, allow_inf_nan=False)]


class Filters(Wire):
    """Which images may be in an answer; an absent part admits all.

    An image must satisfy every part given. `any_of` asks that at least one of several filters
    admit it, `all_of` that each do, `none_of` that none do.
    """

    collection: Collection | None = None
    owner: Annotated[str, StringConstraints(max_length=200)] | None = None
    date_from: Moment | None = None
    date_to: Moment | None = None
    format: Format | None = None
    orientation: Orientation | None = None
    min_width: Annotated[int, Field(ge=1, le=1_000_000), WHOLE] | None = None
    min_height: Annotated[int, Field(ge=1, le=1_000_000), WHOLE] | None = None
    camera: Annotated[str, StringConstraints(max_length=300)] | None = None
    near: Near | None = None
    all_of: Annotated[tuple[Filters, ...], Field(min_length=1)] | None = None
    any_of: Annotated[tuple[Filters, ...], Field(min_length=1)] | None = None
    none_of: Annotated[tuple[Filters, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _dates_in_order(self) -> Filters:
        start, end = self.date_bounds()
        if start is not None and end is not None and start >= end:
            raise ValueError("the days are the wrong way round: date_from is after date_to")
        return self

    @model_validator(mode="after")
    def _not_endless(self) -> Filters:
        if self.depth() > MAX_FILTER_DEPTH:
            raise ValueError(f"filters may stand at most {MAX_FILTER_DEPTH} deep in each other")
        if self.parts() > MAX_FILTER_PARTS:
            raise ValueError(f"filters may have at most {MAX_FILTER_PARTS} filters in them")
        return self

    def inner(self) -> tuple[Filters, ...]:
        """The filters directly inside this one."""
        return (*(self.all_of or ()), *(self.any_of or ()), *(self.none_of or ()))

    def depth(self) -> int:
        return 1 + max((filters.depth() for filters in self.inner()), default=0)

    def parts(self) -> int:
        return 1 + sum(filters.parts() for filters in self.inner())

    def date_bounds(self) -> tuple[datetime | None, datetime | None]:
        """(first moment admitted, first moment no longer admitted), both in UTC.

        A plain day in `date_to` admits that whole day. A time without an offset is UTC.
        """
        start = None if self.date_from is None else _moment(self.date_from)
        if self.date_to is None:
            return start, None
        if isinstance(self.date_to, datetime):
            return start, _moment(self.date_to) + timedelta(microseconds=1)
        return start, _moment(self.date_to) + timedelta(days=1)

    def admits(self, record: ImageRecord) -> bool:
        """Whether `record` passes: the plainest statement of what each index must do."""
        return (
            self.collection in (None, record.collection)
            and self.owner in (None, record.owner)
            and self.format in (None, record.format)
            and self.orientation in (None, record.orientation)
            and self.camera in (None, record.camera)
            and (self.min_width or 0) <= record.width
            and (self.min_height or 0) <= record.height
            and self._admits_date(record.date)
            and self._admits_place(record.location)
            and all(filters.admits(record) for filters in self.all_of or ())
            and (self.any_of is None or any(filters.admits(record) for filters in self.any_of))
            and not any(filters.admits(record) for filters in self.none_of or ())
        )

    def _admits_date(self, moment: datetime | None) -> bool:
        start, end = self.date_bounds()
        if start is None and end is None:
            return True
        return (
            moment is not None
            and (start is None or moment >= start)
            and (end is None or moment < end)
        )

    def _admits_place(self, place: Location | None) -> bool:
        if self.near is None:
            return True
        return place is not None and place.km_to(self.near.lat, self.near.lon) <= self.near.km


def _moment(value: datetime | date) -> datetime:
    if not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    if value.tzinfo is None:
        return value.replace(tzinfo=timezone.utc)
    return value.astimezone(timezone.utc)


@dataclass(frozen=True, slots=True)
class Hit:
    """One image of a ranked set. `score` is what it is ranked by: `meaning`, the inner product
    of query and stored vector, and what words add to it. `found` says which of the query's words
    stand where; `within` whether it is inside the cut-off. `copies` stand behind it, where copies
    were to be collapsed."""

    record: ImageRecord
    score: float
    copies: Folded | None = None
    meaning: float = 0.0
    found: Found | None = None
    within: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an answer.

    `total` counts the kept set (at most `MAX_RANKED`) or, for listings, all that match; `rest`
    those that were ranked and not kept. `matched` says whether anything does, `threshold` the
    least ρ of a best answer; both are None where that cannot be told. `facets` are of the kept
    set, where they were asked for. `timings_ms` gives milliseconds by part. `vectors` has, where
    pictures were sent, for each part of the request the vector of its picture, or None.
    """

    items: tuple[Hit, ...]
    next_cursor: str | None
    total: int | None
    matched: bool | None = None
    rest: int = 0
    threshold: float | None = None
    facets: Facets | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    vectors: tuple[str | None, ...] | None = None
