"""What an upload has done so far, written down before and after each step.

One SQLite file for each server and collection, so that a run that ended at any moment, by a kill
or a power cut too, can be taken up by the next.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from client.errors import UsageError
from client.surroundings import made_private

_TABLE = """
CREATE TABLE IF NOT EXISTS files (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, sha256 TEXT, id TEXT, url TEXT,
    state TEXT, post TEXT, good_until REAL
) WITHOUT ROWID
"""
_BY_DIGEST = "CREATE INDEX IF NOT EXISTS by_digest ON files (sha256)"

State = Literal["placed", "sent"]


@dataclass(frozen=True, slots=True)
class Stamp:
    """By which a file is known to be unchanged without reading it: bytes, and nanoseconds since
    1970."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Stamp:
        return cls(stat.st_size, stat.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file. "placed": it has a place in the bucket, `post`, which is good until then (seconds
    since 1970), and may or may not be there; "sent": the bucket has taken it. `url` leads to it."""

    path: Path
    stamp: Stamp
    sha256: str
    id: str
    url: str
    state: State
    post: dict[str, Any] = field(default_factory=dict, repr=False)
    good_until: float = 0.0


class Journal:
    """Safe to use from several threads, and of one process at a time."""

    def __init__(self, folder: Path, server: str, collection: str) -> None:
        """Raises `UsageError` where another upload has it."""
        name = hashlib.sha256(f"{server} {collection}".encode()).hexdigest()[:24]
        self._lock = threading.Lock()
        file = made_private(folder / "uploads") / f"{name}.db"
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        self._db = sqlite3.connect(file, check_same_thread=False, timeout=1)
        try:
            # The lock lasts as long as the process, however that ends.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(_TABLE)
            self._db.execute(_BY_DIGEST)
            self._db.commit()
        except sqlite3.OperationalError as error:
            self._db.close()
            raise UsageError(
                f"Another upload to this server and collection is under way, or {file} cannot be "
                f"written ({error})."
            ) from error

    def close(self) -> None:
        self._db.close()

    def of(self, path: Path) -> Entry | None:
        return next(iter(self._entries("path = ?", os.fsencode(path))), None)

    def with_digest(self, sha256: str) -> list[Entry]:
        return self._entries("sha256 = ?", sha256)

    def write(self, entry: Entry) -> None:
        """Is on disk when this returns."""
        row = (
            os.fsencode(entry.path), entry.stamp.size, entry.stamp.mtime_ns, entry.sha256,
            entry.id, entry.url, entry.state, json.dumps(entry.post), entry.good_until,
        )  # fmt: skip
        with self._lock, self._db:
            self._db.execute("INSERT OR REPLACE INTO files VALUES (?,?,?,?,?,?,?,?,?)", row)

    def sent(self, entry: Entry) -> None:
        """What the place was is forgotten: it is of no use any more."""
        self.write(replace(entry, state="sent", post={}, good_until=0.0))

    def moved(self, entry: Entry, to: Path, stamp: Stamp) -> None:
        """The file is elsewhere now."""
        with self._lock, self._db:
            self._db.execute("DELETE FROM files WHERE path = ?", (os.fsencode(entry.path),))
        self.sent(replace(entry, path=to, stamp=stamp))

    def _entries(self, where: str, value: object) -> list[Entry]:
        with self._lock:
            rows = self._db.execute(f"SELECT * FROM files WHERE {where}", (value,)).fetchall()
        return [
            Entry(
                Path(os.fsdecode(path)), Stamp(size, mtime), sha256, image, url, state,
                json.loads(post), good_until,
            )
            for path, size, mtime, sha256, image, url, state, post, good_until in rows
        ]  # fmt: skip
