"""A bucket in memory. `tests/contract/test_bucket.py` holds it to what S3 does."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote

from chalicelib.errors import StorageUnavailable
from chalicelib.storage import (
    Archived,
    Fetched,
    ListedObject,
    Look,
    Missing,
    ObjectInfo,
    Oversized,
    Unchanged,
    is_folder,
)


@dataclass(frozen=True)
class Stored:
    data: bytes
    metadata: dict[str, str]
    uploaded_at: datetime
    version_id: str = ""

    @property
    def etag(self) -> str:
        return hashlib.md5(self.data).hexdigest()


@dataclass(frozen=True)
class Marker:
    """Says that the key was deleted, in a bucket that keeps versions."""

    version_id: str


class MemoryBucket:
    def __init__(self, name: str = "photos", *, versioned: bool = False) -> None:
        self._name = name
        self._versioned = versioned
        self.objects: dict[str, Stored] = {}
        """What is there now."""
        self.versions: dict[str, list[Stored | Marker]] = {}
        """Of each key what was ever there, the newest last, where versions are kept."""
        self.archived: set[str] = set()
        """Keys whose object is in an archive storage class, and not restored."""
        self.down = False
        """While true, nothing answers."""
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    def look(
        self,
        key: str,
        *,
        known_etag: str = "",
        max_bytes: int,
        before_read: Callable[[int], object] = lambda _: None,
    ) -> Look:
        self.check()
        with self._lock:
            stored = self.objects.get(key)
        if stored is None or is_folder(key, len(stored.data)):
            return Missing()
        info = ObjectInfo(
            key=key,
            etag=stored.etag,
            size=len(stored.data),
            uploaded_at=stored.uploaded_at,
            version_id=stored.version_id,
            name=unquote(stored.metadata.get("name", ""))
            or key.rstrip("/").rsplit("/", 1)[-1]
            or key,
            owner=unquote(stored.metadata.get("owner", "")),
            trace=unquote(stored.metadata.get("trace", "")),
        )
        if key in self.archived:
            return Archived(info)
        if known_etag == stored.etag:
            return Unchanged()
        if info.size > max_bytes:
            return Oversized(info)
        before_read(info.size)
        return Fetched(info, stored.data)

    def put(
        self, key: str, data: bytes, content_type: str, metadata: dict[str, str] | None = None
    ) -> None:
        self.check()
        version = secrets.token_hex(8) if self._versioned else ""
        stored = Stored(data, metadata or {}, datetime.now(timezone.utc), version)
        self._change(key, stored)

    def delete(self, key: str) -> None:
        self.check()
        self._change(key, Marker(secrets.token_hex(8) if self._versioned else ""))

    def delete_version(self, key: str, version_id: str) -> None:
        """For good. What was there before is there again when that was the newest."""
        with self._lock:
            held = self.versions[key]
            newest = held[-1]
            held[:] = [v for v in held if v.version_id != version_id]
            if newest not in held:
                self._show(key, held[-1] if held else Marker(""))

    def _change(self, key: str, now: Stored | Marker) -> None:
        with self._lock:
            if self._versioned:
                self.versions.setdefault(key, []).append(now)
            self._show(key, now)

    def _show(self, key: str, now: Stored | Marker) -> None:
        self.archived.discard(key)
        if isinstance(now, Stored):
            self.objects[key] = now
        else:
            self.objects.pop(key, None)

    def list(self, prefix: str = "") -> Iterator[ListedObject]:
        self.check()
        with self._lock:
            rows = sorted(item for item in self.objects.items() if item[0].startswith(prefix))
        for key, stored in rows:
            if not is_folder(key, len(stored.data)):
                yield ListedObject(key, stored.etag, len(stored.data), stored.uploaded_at)

    def presign_get(self, key: str, seconds: int, *, save_as: str = "", turn: str = "") -> str:
        return f"memory://{self._name}/{key}?expires={seconds}&as={save_as}"

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
        fields = {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        return {"url": f"memory://{self._name}", "fields": {"key": key, **fields}}

    def check(self) -> None:
        if self.down:
            raise StorageUnavailable("S3 answered SlowDown.")
