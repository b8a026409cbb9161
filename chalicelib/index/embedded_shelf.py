"""The embedded indexes of one folder: a file a model."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

from chalicelib.errors import ConfigurationError, NotFound
from chalicelib.index.naming import PREFIX

_ENDING = ".sqlite"


class EmbeddedShelf:
    """`Shelf` of the files under `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob(f"{PREFIX}*{_ENDING}"))

    def last_used(self, name: str) -> datetime | None:
        """Now, where a process has the file open; else nobody wrote it down."""
        address = f"{self._file(name).absolute().as_uri()}?mode=rw"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=0)) as db:
                # Every open connection holds a share of the file, which this wants whole.
                db.execute("PRAGMA locking_mode = EXCLUSIVE")
                db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.DatabaseError as error:
            busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            return datetime.now(timezone.utc) if busy else None
        return None

    def drop(self, name: str) -> None:
        file = self._file(name)
        # The database first: SQLite takes what is left of another one's log for nothing, but a
        # database without its log would be a damaged index.
        try:
            for part in ("", "-wal", "-shm"):
                file.with_name(file.name + part).unlink(missing_ok=True)
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be deleted: {error.strerror}.") from error

    def _file(self, name: str) -> Path:
        if name not in self.names():
            raise NotFound(f"There is no index {name}.")
        return self._folder / f"{name}{_ENDING}"
