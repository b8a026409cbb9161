"""The words every room speaks: ImageRecord, Filters, SearchRequest, Hit, Page."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

State = Literal["ready", "rejected", "archived", "deleted"]
STATES: tuple[State, ...] = ("ready", "rejected", "archived", "deleted")

Format = Literal["jpeg", "png", "webp", "gif", "bmp", "tiff", "heif", "avif"]

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


@dataclass(frozen=True, slots=True)
class Location:
    """Where a photo was taken, in degrees (WGS 84)."""

    lat: float
    lon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """What the index knows of one image.

    `vector` is float32 of shape [D] with unit length, present exactly when `state` is "ready".
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
    location: Location | None = None
    sha256: str = ""
    perceptual_hash: str = ""
    text: str = ""
    model: str = ""
    form: str = ""
    decoder_version: int = 0
    thumbnail_key: str = ""
    reason: str = ""
    vector: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    @property
    def date(self) -> datetime | None:
        """The moment date filters and date order use: when it was taken, else uploaded."""
        return self.taken_at or self.uploaded_at


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


Moment = Annotated[datetime | date, BeforeValidator(_moment_given)]
Collection = Annotated[str, StringConstraints(max_length=200)]


class Filters(Wire):
    """Which images may be in an answer; an absent part admits all."""

    collection: Collection | None = None
    owner: Annotated[str, StringConstraints(max_length=200)] | None = None
    date_from: Moment | None = None
    date_to: Moment | None = None
    format: Format | None = None

    @model_validator(mode="after")
    def _dates_in_order(self) -> Filters:
        start, end = self.date_bounds()
        if start is not None and end is not None and start >= end:
            raise ValueError("the days are the wrong way round: date_from is after date_to")
        return self

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


def _moment(value: datetime | date) -> datetime:
    if not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    if value.tzinfo is None:
        return value.replace(tzinfo=timezone.utc)
    return value.astimezone(timezone.utc)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


Words = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_not_blank)]


class SearchRequest(Wire):
    """What to look for: exactly one of `text`, `image` (base64 or data URL) or `id`."""

    text: Words | None = None
    image: str | None = None
    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None
    filters: Filters = Filters()
    limit: Annotated[int, Field(ge=1, le=200)] = 20
    cursor: Annotated[str, StringConstraints(max_length=500)] | None = None

    @model_validator(mode="after")
    def _one_query(self) -> SearchRequest:
        given = [n for n in ("text", "image", "id") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of text, image or id")
        return self


@dataclass(frozen=True, slots=True)
class Hit:
    """One image of a ranked set; `score` is the inner product of unit vectors, -1 to 1."""

    record: ImageRecord
    score: float


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an answer.

    `total` counts the ranked set (at most `MAX_RANKED`) or, for listings, all that match.
    `timings_ms` gives milliseconds by part.
    """

    items: tuple[Hit, ...]
    next_cursor: str | None
    total: int | None
    timings_ms: dict[str, float] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
