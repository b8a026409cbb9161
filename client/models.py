"""What the API answers, typed. What it adds later is in `raw` until it has a name here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Location:
    """Degrees."""

    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Exposure:
    """Each None where the file does not say it."""

    seconds: float | None
    f_number: float | None
    iso: float | None
    focal_mm: float | None


@dataclass(frozen=True, slots=True)
class Image:
    """One image of the library; `state` is ready, rejected (then `reason` says why), archived or
    deleted. `raw` is the answer itself."""

    id: str
    key: str
    name: str
    collection: str
    state: str
    reason: str
    format: str
    bytes: int
    width: int
    height: int
    taken_at: datetime | None
    uploaded_at: datetime | None
    camera: str
    lens: str
    exposure: Exposure | None
    location: Location | None
    owner: str
    sha256: str
    url: str
    thumbnail_url: str | None
    raw: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Match:
    """An image as a search found it. `confidence`, 0 to 1, and `within` are None where the model
    has no calibration; `words` has those of the query as they stand in its name and the like."""

    image: Image
    score: float
    confidence: float | None
    within: bool | None
    why: tuple[str, ...]
    words: Mapping[str, list[str]]
    text: str


@dataclass(frozen=True, slots=True)
class SearchPage:
    """`matched` is False where nothing in the library is what was asked for; `rest` says how many
    more `closest` shows. `total` counts the answer, not the page."""

    matches: tuple[Match, ...]
    matched: bool | None
    rest: int
    total: int
    next_cursor: str | None
    raw: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Part:
    """One of several things looked for at once: exactly one of `text`, `image` (the bytes of a
    file), `id` and `vector` (of a picture, as an answer said it). `weight` is from -1 (not this)
    to 1; `region` is [left, top, width, height] in shares of the picture's sides."""

    text: str = ""
    image: bytes = field(default=b"", repr=False)
    id: str = ""
    vector: str = field(default="", repr=False)
    weight: float = 1.0
    region: tuple[float, float, float, float] | None = None


def image_of(raw: Mapping[str, Any]) -> Image:
    where, how = raw.get("location"), raw.get("exposure")
    return Image(
        id=raw["id"],
        key=raw["key"],
        name=raw["name"],
        collection=raw["collection"],
        state=raw["state"],
        reason=raw.get("reason", ""),
        format=raw.get("format", ""),
        bytes=raw.get("bytes", 0),
        width=raw.get("width", 0),
        height=raw.get("height", 0),
        taken_at=_moment(raw.get("taken_at")),
        uploaded_at=_moment(raw.get("uploaded_at")),
        camera=raw.get("camera", ""),
        lens=raw.get("lens", ""),
        exposure=Exposure(*(how.get(n) for n in Exposure.__slots__)) if how else None,
        location=Location(where["lat"], where["lon"]) if where else None,
        owner=raw.get("owner", ""),
        sha256=raw.get("sha256", ""),
        url=raw["url"],
        thumbnail_url=raw.get("thumbnail_url"),
        raw=raw,
    )


def page_of(raw: Mapping[str, Any]) -> SearchPage:
    return SearchPage(
        matches=tuple(_match_of(item) for item in raw["items"]),
        matched=raw.get("matched"),
        rest=raw.get("rest", 0),
        total=raw["total"],
        next_cursor=raw["next_cursor"],
        raw=raw,
    )


def _match_of(raw: Mapping[str, Any]) -> Match:
    return Match(
        image=image_of(raw),
        score=raw["score"],
        confidence=raw.get("confidence"),
        within=raw.get("within"),
        why=tuple(raw.get("why", ())),
        words=raw.get("words", {}),
        text=raw.get("text", ""),
    )


def _moment(text: str | None) -> datetime | None:
    """ISO 8601; a camera's time may be without an offset."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
