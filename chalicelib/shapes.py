"""What answers look like: `answers` is held to these shapes by its types, the tests hold every
answer to them, and `GET /openapi.json` tells them. Nothing looks at them while a request runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config

# pydantic reads no other TypedDict before Python 3.12
# (https://docs.pydantic.dev/latest/errors/usage_errors/#typed-dict-version).
from typing_extensions import TypedDict

from chalicelib import relevance
from chalicelib.auth import Scope
from chalicelib.copies import CopyKind
from chalicelib.index.base import Facet
from chalicelib.reasons import Reason
from chalicelib.records import State

Id = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="32 hex digits")]
Url = Annotated[str, Field(json_schema_extra={"format": "uri"})]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Count = Annotated[int, Field(ge=0)]
Cursor = Annotated[str | None, Field(description="for the next page; null at the end")]
Facets = Annotated[
    dict[Facet, dict[str, int]],
    Field(description="how many images of each collection, year, camera and format"),
]


class Exposure(TypedDict):
    """How the light came in; each part null where the camera did not say."""

    seconds: float | None
    f_number: float | None
    iso: int | None
    focal_mm: Annotated[float | None, Field(description="the lens's own, not that of 35 mm film")]


class Location(TypedDict):
    """Where a photo was taken, in degrees (WGS 84)."""

    lat: Annotated[float, Field(ge=-90, le=90)]
    lon: Annotated[float, Field(ge=-180, le=180)]


class Image(TypedDict):
    """One image of the library."""

    id: Id
    key: Annotated[str, Field(description="of its file in the bucket")]
    name: str
    collection: str
    state: State
    reason: Annotated[str, Field(description="why it was rejected")]
    format: str
    bytes: Count
    width: Count
    height: Count
    taken_at: Time | None
    uploaded_at: Time | None
    indexed_at: Time
    camera: str
    lens: str
    exposure: Exposure | None
    location: Location | None
    owner: Annotated[str, Field(description="who uploaded it; empty where nobody was signed in")]
    sha256: Annotated[str, Field(description="of its bytes, in hex digits")]
    perceptual_hash: str
    url: Url
    thumbnail_url: Url | None
    placeholder: Annotated[
        str, Field(description="4 x 3 pixels, RGB in base64, to show until the thumbnail is there")
    ]


class WholeImage(Image):
    """An image with all of the text in it."""

    text: Annotated[str, Field(description="what was read in the picture")]


class Counted(TypedDict):
    """How many copies of an image there are."""

    exact: Count
    near: Count


class ListedImage(Image):
    """An image of a listing; `copies` where they were asked for."""

    copies: NotRequired[Counted]


class Images(TypedDict):
    """A page of the library."""

    items: list[ListedImage]
    next_cursor: Cursor
    total: Annotated[int, Field(description="how many there are in all")]


class CopiedImage(Image):
    """A copy of another image."""

    copy: CopyKind
    distance: Annotated[int, Field(description="bits in which the perceptual hashes differ")]


class Copies(TypedDict):
    """The copies of an image, the nearest first."""

    items: list[CopiedImage]


class Deleted(TypedDict):
    """An image that is no more."""

    id: Id
    state: Literal["deleted"]


class Behind(Counted):
    """The copies that stand behind an item."""

    ids: list[Id]


class Told(TypedDict):
    """What an answer to a search says of an image: why it is there."""

    why: list[Reason]
    words: Annotated[
        dict[relevance.Field, list[str]], Field(description="those of the query, by field")
    ]
    text: Annotated[str, Field(description="some of the text in the picture")]
    confidence: Annotated[float | None, Field(ge=0, le=1)]
    score: float
    within: Annotated[bool, Field(description="whether it is inside the cut-off")]
    copies: NotRequired[Behind]


class Hit(Image, Told):
    """An image in the answer to a search, and why it is there."""


class Found(TypedDict):
    """One page of what a search found."""

    items: list[Hit]
    next_cursor: Cursor
    total: int | None
    matched: Annotated[bool | None, Field(description="whether anything is what was asked for")]
    rest: Annotated[int, Field(description="how many more `closest` shows")]
    timings_ms: dict[str, float]
    model: dict[str, Any]
    facets: NotRequired[Facets]
    vectors: NotRequired[
        Annotated[
            list[str | None], Field(description="of each part, that of the picture that was sent")
        ]
    ]


class Uploaded(TypedDict):
    """Where a file is, and where it can be seen."""

    id: Id
    key: str
    name: str
    url: Url


class Form(TypedDict):
    """A form that S3 takes: all `fields`, then the bytes as the field `file`, as
    multipart/form-data to `url`."""

    url: Url
    fields: dict[str, str]


class Place(Uploaded):
    """A place to upload one file to."""

    expires_at: Time
    post: Form


class Places(TypedDict):
    """Places to upload to, in the order of the files asked for."""

    uploads: list[Place]


class QuotaPart(TypedDict):
    """Files or bytes of a day."""

    limit: Annotated[Count | None, Field(description="null: no limit of that kind")]
    used: Annotated[Count | None, Field(description="null: not known just now")]


class Quota(TypedDict):
    """What an owner may upload in a day, and what of it is used."""

    files: QuotaPart
    bytes: QuotaPart
    resets_at: Time


class Session(TypedDict):
    """What the caller may do."""

    owner: str
    name: str
    scopes: list[Scope]
    expires_at: Time | None
    quota: Annotated[Quota | None, Field(description="null: no limits, or no right to upload")]


class Ended(TypedDict):
    """The session is over."""

    state: Literal["ended"]


class Queue(TypedDict):
    """Messages in the ingest queue, approximately."""

    waiting: Count
    in_flight: Count


class Waiting(TypedDict):
    """Messages that were given up, approximately."""

    waiting: Count


class Stats(TypedDict):
    """How many images there are, and what they have in common."""

    images: dict[str, int]
    facets: Facets
    model: dict[str, Any]
    queue: NotRequired[Queue]
    dead_letters: NotRequired[Waiting]


class Letter(TypedDict):
    """A message that was given up; with its `body` where one was asked for by its id."""

    id: str
    came_at: Time
    receives: int | None
    keys: list[str]
    more_keys: int
    code: str
    error: str
    message_id: str
    body: NotRequired[str]


class Letters(TypedDict):
    """Dead letters, oldest first."""

    items: list[Letter]
    total: Annotated[int, Field(description="all there are, approximately")]


class LettersRedriven(TypedDict):
    """Letters that are in the ingest queue again."""

    redriven: int
    more: Annotated[bool, Field(description="whether letters were left for another call")]


class LettersDiscarded(TypedDict):
    """Letters that were written to the log and deleted."""

    discarded: int
    more: Annotated[bool, Field(description="whether letters were left for another call")]


class Health(TypedDict):
    """Whether all is well; admins are told what is not."""

    status: Literal["ok", "failing"]
    version: NotRequired[str]
    checks: NotRequired[dict[str, str]]


@with_config(ConfigDict(extra="allow"))
class Document(TypedDict):
    """An OpenAPI document."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
    components: dict[str, Any]


class Fault(TypedDict):
    """What went wrong: a stable code, and a sentence for people."""

    code: str
    message: str
    field: NotRequired[Annotated[str, Field(description="the part of the request to blame")]]
    request_id: Annotated[str, Field(description="by which the log knows the request")]


class Error(TypedDict):
    """Every answer of 400 and above, but for that of `/health`."""

    error: Fault
