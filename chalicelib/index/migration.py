"""Files of an older schema brought up to date, without their vectors being made again."""

from __future__ import annotations

import sqlite3

from chalicelib.index import sql

_SOME = 1000


def migrate(db: sqlite3.Connection) -> None:
    """Make the columns of `images` anew from the bodies, which hold whole records. Row numbers,
    and so the vectors, and versions stay. Runs in the transaction of its caller."""
    for name in sql.INDEXES:
        db.execute(f"DROP INDEX {name}")
    db.execute("ALTER TABLE images RENAME TO old_images")
    db.execute(sql.IMAGES)
    old = db.execute("SELECT num, id, seq, body FROM old_images ORDER BY num")
    while rows := old.fetchmany(_SOME):
        db.executemany(sql.STORE, [(*row[:3], *sql.to_row(sql.from_body(row[3]))) for row in rows])
    db.execute("DROP TABLE old_images")
    for statement in sql.create_indexes():
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {sql.SCHEMA}")
