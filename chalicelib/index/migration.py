"""Files of an older schema brought up to date, without their vectors being made again."""

from __future__ import annotations

import sqlite3

from chalicelib.index import sql

_SOME = 1000


def migrate(db: sqlite3.Connection, schema: int) -> None:
    """From `schema` to the present one. Row numbers, and so the vectors, and versions stay. Runs
    in the transaction of its caller."""
    if schema < 3:
        _make_columns_anew(db)
    if schema < 4:
        _find_words(db)
    # Since 5 bodies may have a placeholder, which an older program could not read.
    db.execute(f"PRAGMA user_version = {sql.SCHEMA}")


def _find_words(db: sqlite3.Connection) -> None:
    """The tables of words and notes, and the words of all that is there."""
    db.execute(sql.WORDS)
    db.execute(sql.NOTES)
    ready = db.execute("SELECT num, body FROM images WHERE state = 'ready' ORDER BY num")
    while rows := ready.fetchmany(_SOME):
        db.executemany(
            sql.STORE_WORDS, [(num, *sql.to_words(sql.from_body(body))) for num, body in rows]
        )


def _make_columns_anew(db: sqlite3.Connection) -> None:
    """The columns of `images` from the bodies, which hold whole records."""
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
