"""Records as they stand in the embedded index's tables, and how they get there."""

from __future__ import annotations

import sqlite3
from typing import Any

from chalicelib.index import sql
from chalicelib.index.base import Version
from chalicelib.records import ImageRecord


def generation_of(db: sqlite3.Connection) -> int:
    """A random number given to each new database file: a version names one file's write only."""
    number: int = db.execute("SELECT generation FROM meta").fetchone()[0]
    return number


def held_version(
    db: sqlite3.Connection, id: str, generation: int
) -> tuple[int | None, Version | None]:
    """(row number, version) of what the store holds of `id`, (None, None) for nothing."""
    row = db.execute("SELECT num, seq FROM images WHERE id = ?", (id,)).fetchone()
    return (None, None) if row is None else (row[0], (row[1], generation))


def store(
    db: sqlite3.Connection, num: int | None, seq: int, record: ImageRecord, row: tuple[Any, ...]
) -> None:
    num = db.execute(sql.STORE, (num, record.id, seq, *row)).lastrowid
    if record.vector is None:
        db.execute("DELETE FROM vectors WHERE num = ?", (num,))
        db.execute("DELETE FROM words WHERE rowid = ?", (num,))
    else:
        db.execute(sql.STORE_WORDS, (num, *sql.to_words(record)))
        db.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?)", (num, record.vector.tobytes()))
