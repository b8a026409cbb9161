"""The buckets: presign, head, get, put, list, delete. Holds no rule about images."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, Protocol
from urllib.parse import quote, unquote

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from chalicelib.errors import NotFound, StorageUnavailable
from chalicelib.forms import fixed_fields
from chalicelib.handed import Handed
from chalicelib.s3errors import broken_off, explained

_MISSING = {"NoSuchKey", "404", "NotFound"}
_UNCHANGED = {"304", "NotModified", "PreconditionFailed"}

_NO_ANSWER = (BotoCoreError, HTTPError, OSError)
"""What breaks off on the way, while a body is read too."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What S3 tells of an object besides its bytes. `name`, `owner` and `trace`, the tracing header
    of the request that it came by, are from its metadata."""

    key: str
    etag: str
    size: int
    uploaded_at: datetime
    version_id: str = ""
    name: str = ""
    owner: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The object, whole; `data` and `info` come from one response, so they belong together."""

    info: ObjectInfo
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Oversized:
    """The object is over the limit the caller named; its bytes were not read."""

    info: ObjectInfo


@dataclass(frozen=True, slots=True)
class Archived:
    """The object is in an archive storage class; its bytes cannot be read before a restore."""

    info: ObjectInfo


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no such object."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The object still has the etag the caller knows."""


Look = Fetched | Oversized | Archived | Missing | Unchanged


def is_folder(key: str, size: int) -> bool:
    """Whether this is how consoles draw an empty folder
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-folders.html). Here that is no
    object: a `Bucket` neither lists nor finds it."""
    return size == 0 and key.endswith("/")


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One row of a bucket listing; `size` in bytes."""

    key: str
    etag: str
    size: int
    uploaded_at: datetime


def _nothing(_size: int) -> None:
    pass


class Bucket(Protocol):
    """One bucket, without its empty folders (`is_folder`). `tests/contract/test_bucket.py` holds
    each kind to it.

    Every method raises `StorageUnavailable` when the store does not answer, or refuses.
    """

    @property
    def name(self) -> str: ...

    def look(
        self,
        key: str,
        *,
        known_etag: str = "",
        max_bytes: int,
        before_read: Callable[[int], object] = _nothing,
    ) -> Look:
        """One GET of `key`, conditional where `known_etag` is given.

        `before_read` is told the size before the bytes are read, and may wait."""

    def put(
        self, key: str, data: bytes, content_type: str, metadata: dict[str, str] | None = None
    ) -> None: ...

    def delete(self, key: str) -> None:
        """Delete `key`; harmless when it is not there."""

    def list(self, prefix: str = "") -> Iterator[ListedObject]:
        """Every object whose key begins with `prefix`, by key."""

    def presign_get(self, key: str, seconds: int, *, save_as: str = "", turn: str = "") -> str:
        """A URL anyone may GET `key` with, good for `seconds` or for up to a third of them less;
        `save_as` makes browsers download. The same one comes for a while; another for another
        `turn`, as where the first ended with the credentials that signed it."""

    def presign_post(
        self,
        key: str,
        content_type: str,
        max_bytes: int,
        seconds: int,
        metadata: dict[str, str],
        *,
        sha256: str = "",
    ) -> dict[str, Any]:
        """{"url", "fields"} of a form POST good for this key, type and metadata only, and for 1 to
        `max_bytes` bytes; with `sha256`, in hex, for bytes of that digest only."""

    def check(self) -> None:
        """Raises unless the bucket is there and answers."""


class S3Bucket:
    """A `Bucket` on S3 or on anything that speaks its protocol."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name
        self._handed = Handed()

    @property
    def name(self) -> str:
        return self._name

    def look(
        self,
        key: str,
        *,
        known_etag: str = "",
        max_bytes: int,
        before_read: Callable[[int], object] = _nothing,
    ) -> Look:
        condition = {"IfNoneMatch": f'"{known_etag}"'} if known_etag else {}
        try:
            response = self._client.get_object(Bucket=self._name, Key=key, **condition)
            info = _info(key, response)
            # Entered by itself, a body of botocore's gives what is below it, where neither its
            # length nor its checksum is looked at.
            with closing(response["Body"]) as body:
                if is_folder(key, info.size):
                    return Missing()
                if info.size > max_bytes:
                    return Oversized(info)
                before_read(info.size)
                return Fetched(info, body.read())
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _UNCHANGED and condition:
                return Unchanged()
            if code in _MISSING:
                return Missing()
            if code == "InvalidObjectState":
                return self._archived(key)
            raise self._unavailable(error) from error
        except _NO_ANSWER as error:
            raise self._unavailable(error) from error

    def _archived(self, key: str) -> Look:
        try:
            info = _info(key, self._client.head_object(Bucket=self._name, Key=key))
            return Missing() if is_folder(key, info.size) else Archived(info)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return Missing()
            raise self._unavailable(error) from error
        except _NO_ANSWER as error:
            raise self._unavailable(error) from error

    def download(self, key: str, to: IO[bytes]) -> None:
        """Write the object's bytes, whatever their number. Raises `NotFound`."""
        try:
            with closing(self._client.get_object(Bucket=self._name, Key=key)["Body"]) as body:
                shutil.copyfileobj(body, to)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                raise NotFound(f"There is no {key} in the bucket {self._name}.") from error
            raise self._unavailable(error) from error
        except _NO_ANSWER as error:
            raise self._unavailable(error) from error

    def put(
        self, key: str, data: bytes, content_type: str, metadata: dict[str, str] | None = None
    ) -> None:
        self._call(
            "put_object", Key=key, Body=data, ContentType=content_type, Metadata=metadata or {}
        )

    def delete(self, key: str) -> None:
        self._call("delete_object", Key=key)

    def list(self, prefix: str = "") -> Iterator[ListedObject]:
        try:
            lister = self._client.get_paginator("list_objects_v2")
            for page in lister.paginate(Bucket=self._name, Prefix=prefix):
                for row in page.get("Contents", []):
                    if is_folder(row["Key"], row["Size"]):
                        continue
                    etag = row["ETag"].strip('"')
                    yield ListedObject(row["Key"], etag, row["Size"], row["LastModified"])
        except (ClientError, *_NO_ANSWER) as error:
            raise self._unavailable(error) from error

    def presign_get(self, key: str, seconds: int, *, save_as: str = "", turn: str = "") -> str:
        # The bytes may be kept as long as the address is good: by the browser, by nobody else.
        said = {"ResponseCacheControl": f"private, max-age={seconds}"}
        if save_as:
            said["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{quote(save_as)}"
        given = {"Bucket": self._name, "Key": key, **said}

        def sign() -> str:
            url: str = self._client.generate_presigned_url(
                "get_object", Params=given, ExpiresIn=seconds
            )
            return url

        return self._handed.address((key, seconds, save_as, turn), seconds, sign)

    def presign_post(
        self,
        key: str,
        content_type: str,
        max_bytes: int,
        seconds: int,
        metadata: dict[str, str],
        *,
        sha256: str = "",
    ) -> dict[str, Any]:
        fixed = fixed_fields(content_type, metadata, sha256)
        # boto3 turns "${filename}" in a key into a prefix rule; our keys never hold one.
        post: dict[str, Any] = self._client.generate_presigned_post(
            self._name,
            key,
            Fields=dict(fixed),
            Conditions=[
                *({name: value} for name, value in fixed.items()),
                ["content-length-range", 1, max_bytes],
            ],
            ExpiresIn=seconds,
        )
        return post

    def check(self) -> None:
        self._call("head_bucket")

    def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client, operation)(Bucket=self._name, **arguments)
        except (ClientError, *_NO_ANSWER) as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> StorageUnavailable:
        if isinstance(error, ClientError):
            said = error.response["Error"]
            return StorageUnavailable(explained(said["Code"], said.get("Message", ""), self._name))
        return StorageUnavailable(broken_off(type(error).__name__, self._name))


def _info(key: str, response: dict[str, Any]) -> ObjectInfo:
    metadata = response.get("Metadata", {})
    version = response.get("VersionId") or ""
    return ObjectInfo(
        key=key,
        etag=response["ETag"].strip('"'),
        size=response["ContentLength"],
        uploaded_at=response["LastModified"],
        version_id="" if version == "null" else version,
        name=unquote(metadata.get("name", "")) or key.rstrip("/").rsplit("/", 1)[-1] or key,
        owner=unquote(metadata.get("owner", "")),
        trace=unquote(metadata.get("trace", "")),
    )
