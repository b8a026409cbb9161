"""Places to upload to, and uploads in the request itself."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import time
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

from aws_lambda_powertools import Logger
from pydantic import Field, StringConstraints

from chalicelib.errors import InvalidRequest, TooLarge, UnsupportedType
from chalicelib.formats import READ
from chalicelib.formats.raw_kinds import kind_of
from chalicelib.forms import image_metadata
from chalicelib.log import SERVICE
from chalicelib.quota import NoQuota, Quota
from chalicelib.records import WHOLE, Wire, image_id
from chalicelib.storage import Bucket

logger = Logger(service=SERVICE, child=True)

MAX_FILES = 100
MAX_BASE64 = 4_400_000
"""Characters of base64 in one request: Lambda takes 6 MB, JSON and base64 included
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""

DEFAULT_COLLECTION = "uploads"

IMAGE_TYPES = {
    "image/jpeg": ("jpg", "jpeg", "jpe", "jfif"),
    "image/png": ("png", "apng"),
    "image/webp": ("webp",),
    "image/gif": ("gif",),
    "image/bmp": ("bmp", "dib"),
    "image/tiff": ("tif", "tiff"),
    "image/heic": ("heic",),
    "image/heif": ("heif", "hif"),
    "image/avif": ("avif",),
    "image/jxl": ("jxl",),
    "image/x-adobe-dng": ("dng",),
    "image/x-canon-cr2": ("cr2",),
    "image/x-canon-cr3": ("cr3",),
    "image/x-nikon-nef": ("nef", "nrw"),
    "image/x-sony-arw": ("arw", "sr2", "srf"),
    "image/x-olympus-orf": ("orf",),
    "image/x-panasonic-rw2": ("rw2",),
    "image/x-fuji-raf": ("raf",),
    "image/x-pentax-pef": ("pef",),
    "image/x-dcraw": ("srw", "3fr", "erf", "mef"),
}
"""Types and the endings of their files; the names of camera RAW are those of freedesktop.org."""
_ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-ms-bmp": "image/bmp",
    "image/dng": "image/x-adobe-dng",
}
_SAYS_NOTHING = ("", "application/octet-stream", "image/x-dcraw", "image/x-raw")
_BY_ENDING = {ending: kind for kind, endings in IMAGE_TYPES.items() for ending in endings}

_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\xff\x0a", "image/jxl"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
)

Name = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class FileToUpload(Wire):
    """One file a caller wants to upload; `size` in bytes. `sha256`, where it is given, is that of
    its bytes: the store takes no others."""

    name: Name
    type: Annotated[str, StringConstraints(max_length=100)] = ""
    size: Annotated[int, Field(ge=1), WHOLE]
    sha256: Annotated[str, StringConstraints(pattern="^([0-9a-f]{64})?$")] = ""


class UploadsRequest(Wire):
    """The body of `POST /uploads`."""

    collection: Annotated[str, StringConstraints(max_length=200)] = DEFAULT_COLLECTION
    files: Annotated[list[FileToUpload], Field(min_length=1, max_length=MAX_FILES)]


class ImageUpload(Wire):
    """The body of `POST /images`: base64 or a data URL."""

    file: Annotated[str, StringConstraints(min_length=1)]
    name: Name | None = None
    collection: Annotated[str, StringConstraints(max_length=200)] = DEFAULT_COLLECTION


@dataclass(frozen=True, slots=True)
class Place:
    """Where one file goes; `post` is the presigned form POST, {"url", "fields"}."""

    id: str
    key: str
    name: str
    post: dict[str, Any]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Uploaded:
    id: str
    key: str
    name: str


class Uploads:
    """Hands out places in the bucket and puts base64 uploads there."""

    def __init__(
        self, *, bucket: Bucket, max_bytes: int, seconds: int, quota: Quota | None = None
    ) -> None:
        """Without a `quota` anyone may upload as much as they like."""
        self._bucket = bucket
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._quota = quota or NoQuota()

    def places(self, request: UploadsRequest, *, owner: str = "", trace: str = "") -> list[Place]:
        """A presigned POST for each file, in order. `trace`, a tracing header, goes along with
        each.

        Raises `UnsupportedType` or `TooLarge`, naming the file's field, and what `Quota.take`
        does; what may not come is not counted, and what was given a place is, used or not.
        """
        collection = safe_collection(request.collection)
        kinds = [self._kind(n, file) for n, file in enumerate(request.files)]
        self._quota.take(owner, [file.size for file in request.files], field="files")
        expires = datetime.now(timezone.utc) + timedelta(seconds=self._seconds)
        places = []
        for file, kind in zip(request.files, kinds, strict=True):
            key = new_key(collection, file.name, kind)
            post = self._bucket.presign_post(
                key,
                kind,
                # What was announced was counted: no byte more may come.
                file.size,
                self._seconds,
                image_metadata(file.name, owner, trace),
                sha256=file.sha256,
            )
            place_id = image_id(self._bucket.name, key)
            places.append(Place(place_id, key, file.name, post, expires))
        _log(owner, len(places), sum(file.size for file in request.files))
        return places

    def _kind(self, number: int, file: FileToUpload) -> str:
        kind = content_type(file.type, file.name)
        if kind is None:
            raise UnsupportedType(
                f"The type {file.type or 'of this file'} is not an image type we read ({READ}).",
                field=f"files.{number}.type",
            )
        if file.size > self._max_bytes:
            limit = self._max_bytes / 1024**2
            raise TooLarge(
                f"The file is over the limit of {limit:.0f} MB.", field=f"files.{number}.size"
            )
        return kind

    def put(self, request: ImageUpload, *, owner: str = "", trace: str = "") -> Uploaded:
        """Store a base64 upload. What the bytes are is judged by ingest, as for every object.

        Raises what `decode_base64` and `Quota.take` do.
        """
        data = decode_base64(request.file, field="file")
        self._quota.take(owner, [len(data)], field="file")
        kind = sniff(data) or "application/octet-stream"
        name = request.name or f"image.{IMAGE_TYPES.get(kind, ('bin',))[0]}"
        key = new_key(safe_collection(request.collection), name, kind)
        self._bucket.put(key, data, kind, image_metadata(name, owner, trace))
        _log(owner, 1, len(data))
        return Uploaded(image_id(self._bucket.name, key), key, name)


def _log(owner: str, files: int, size: int) -> None:
    """Who uploads how much; no names, since people say things in those. `size` in bytes."""
    logger.info("upload", owner=owner, files=files, bytes=size)


def decode_base64(text: str, *, field: str) -> bytes:
    """Base64 or a base64 data URL → bytes.

    Raises `TooLarge` over `MAX_BASE64` characters, `InvalidRequest` (code "invalid_base64").
    """
    if text.startswith("data:"):
        head, comma, text = text.partition(",")
        if not comma or not head.endswith(";base64"):
            raise InvalidRequest(
                "A data URL must be base64, as in data:image/png;base64,iVBORw0KGgo=.",
                code="invalid_base64",
                field=field,
            )
    if len(text) > MAX_BASE64:
        raise TooLarge(
            f"At most {MAX_BASE64 / 1e6:.1f} MB of base64 fit in one request; "
            "ask POST /uploads for a place for larger files.",
            field=field,
        )
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(
            "The value is not base64.", code="invalid_base64", field=field
        ) from None
    if not data:
        raise InvalidRequest("The value is empty.", code="invalid_base64", field=field)
    return data


def content_type(type: str, name: str) -> str | None:
    """The image type to store a file under; None where it is none we read."""
    given = type.partition(";")[0].strip().lower()
    given = _ALIASES.get(given, given)
    if given in _SAYS_NOTHING and (by_ending := _BY_ENDING.get(name.rpartition(".")[2].lower())):
        return by_ending
    return given if given in IMAGE_TYPES else None


def sniff(data: bytes) -> str | None:
    """The image type the first bytes speak of; only for Content-Type, never for trust."""
    if raw := kind_of(data):
        return next((kind for kind in IMAGE_TYPES if kind.endswith(f"-{raw}")), "image/x-dcraw")
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        return {b"avif": "image/avif", b"avis": "image/avif"}.get(data[8:12], "image/heic")
    return None


_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


def new_key(collection: str, name: str, kind: str) -> str:
    """A key no one else has: collection / time and chance / the file's name made safe.

    The middle part is a ULID (https://github.com/ulid/spec), so keys sort by time.
    """
    number = (int(time.time() * 1000) << 80) | secrets.randbits(80)
    ulid = "".join(_CROCKFORD[(number >> (5 * n)) & 31] for n in range(25, -1, -1))
    return f"{collection}/{ulid}/{safe_name(name, kind)}"


def safe_name(name: str, kind: str) -> str:
    """The last part of `name` in ASCII letters, digits, "-", "_" and ".", at most 100 long."""
    last = re.split(r"[/\\]", name.rstrip("/\\"))[-1]
    stem, dot, ending = last.rpartition(".")
    if not dot or not ending.isalnum() or len(ending) > 5:
        stem, ending = last, IMAGE_TYPES.get(kind, ("bin",))[0]
    return f"{_ascii(stem)[:90] or 'image'}.{_ascii(ending).lower() or 'bin'}"


def safe_collection(name: str) -> str:
    """`name` in small ASCII letters, digits, "-", "_" and "."; "uploads" when nothing is left."""
    return _ascii(name).lower()[:60].strip("-._") or DEFAULT_COLLECTION


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.")
