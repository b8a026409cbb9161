"""A bucket in memory. `tests/contract/test_bucket.py` holds it to what S3 does."""

from __future__ import annotations

import hashlib
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
)


@dataclass(frozen=True)
class Stored:
    data: bytes
    metadata: dict[str, str]
    uploaded_at: datetime

    @property
    def etag(self) -> str:
        return hashlib.md5(self.data).hexdigest()


class MemoryBucket:
    def __init__(self, name: str = "photos") -> None:
        self._name = name
        self.objects: dict[str, Stored] = {}
        self.archived: set[str] = set()
        """Keys in an archive storage class."""
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
        if stored is None:
            return Missing()
        info = ObjectInfo(
            key=key,
            etag=stored.etag,
            size=len(stored.data),
            uploaded_at=stored.uploaded_at,
            name=unquote(stored.metadata.get("name", "")) or key.rsplit("/", 1)[-1],
            owner=unquote(stored.metadata.get("owner", "")),
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
        with self._lock:
            self.objects[key] = Stored(data, metadata or {}, datetime.now(timezone.utc))

    def delete(self, key: str) -> None:
        self.check()
        with self._lock:
            self.objects.pop(key, None)

    def list(self, prefix: str = "") -> Iterator[ListedObject]:
        self.check()
        with self._lock:
            rows = sorted(item for item in self.objects.items() if item[0].startswith(prefix))
        for key, stored in rows:
            yield ListedObject(key, stored.etag, len(stored.data), stored.uploaded_at)

    def presign_get(self, key: str, seconds: int, *, save_as: str = "") -> str:
        return f"memory://{self._name}/{key}?expires={seconds}&as={save_as}"

    def presign_post(
        self, key: str, content_type: str, max_bytes: int, seconds: int, metadata: dict[str, str]
    ) -> dict[str, Any]:
        fields = {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        return {"url": f"memory://{self._name}", "fields": {"key": key, **fields}}

    def check(self) -> None:
        if self.down:
            raise StorageUnavailable("S3 answered SlowDown.")
