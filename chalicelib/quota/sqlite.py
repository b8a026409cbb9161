"""A tally in an SQLite file, for one machine."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from chalicelib.errors import QuotaUnavailable
from chalicelib.quota.base import Allowance, Used

_PATIENCE_S = 10.0
"""For whoever else is adding."""

_TABLE = """
CREATE TABLE IF NOT EXISTS tally (
    id TEXT PRIMARY KEY, files INTEGER NOT NULL, bytes INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID
"""

_ADD = """
INSERT INTO tally VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    files = files + excluded.files, bytes = bytes + excluded.bytes, expires_at = excluded.expires_at
"""


class SqliteTally:
    """Several threads and processes may add at once: each addition is a transaction of its own,
    on a connection of its own, and writers wait for each other."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock

    def add(self, id: str, more: Used, allowance: Allowance, *, expires_at: int) -> Used | None:
        with self._transaction() as database:
            used = _read(database, id)
            files, size = allowance.room(used)
            if more.files > files or more.bytes > size:
                return used
            database.execute("DELETE FROM tally WHERE expires_at < ?", (int(self._clock()),))
            database.execute(_ADD, (id, *more, expires_at))
        return None

    def read(self, id: str) -> Used:
        with self._transaction() as database:
            return _read(database, id)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            path = self._path
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(path, _PATIENCE_S, isolation_level=None)) as database:
                database.execute("BEGIN IMMEDIATE")
                database.execute(_TABLE)
                yield database
                database.execute("COMMIT")
        except (sqlite3.Error, OSError, OverflowError) as error:
            raise QuotaUnavailable(
                f"Uploads cannot be counted, so none are taken: {self._path}: {error}."
            ) from error


def _read(database: sqlite3.Connection, id: str) -> Used:
    row = database.execute("SELECT files, bytes FROM tally WHERE id = ?", (id,)).fetchone()
    return Used(*row) if row else Used()
