"""Files that an earlier version of the embedded index wrote go on serving, vectors and all."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from index_helpers import (
    ANY,
    DIM,
    NOW,
    QUERY,
    bare,
    in_order,
    later,
    name_of,
    put,
    random_units,
    ready,
    search_ids,
    start_worker,
    tombstone,
    true_facets,
    version_of,
    walk,
)

from chalicelib.errors import ConfigurationError, IndexUnavailable
from chalicelib.facts import Location
from chalicelib.index import sql
from chalicelib.index.base import Write
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.index.folding import signature
from chalicelib.index.memory import MemoryIndex
from chalicelib.records import Filters, ImageRecord, Near
from chalicelib.relevance import FIELDS
from chalicelib.words import indexed, parse, titles

SCHEMA_1 = """
CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  dim INTEGER NOT NULL, model TEXT NOT NULL, generation INTEGER NOT NULL,
  seq INTEGER NOT NULL, purged INTEGER NOT NULL
);
CREATE TABLE images (
  num INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL,
  state TEXT NOT NULL, collection TEXT NOT NULL, owner TEXT NOT NULL, format TEXT NOT NULL,
  date INTEGER, recency INTEGER NOT NULL, indexed INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE TABLE vectors (num INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE INDEX images_by_seq ON images (seq);
CREATE INDEX images_by_recency ON images (recency, id);
CREATE INDEX images_by_collection ON images (state, collection, owner, format, date);
CREATE INDEX images_by_owner ON images (state, owner, collection, format, date);
PRAGMA user_version = 1;
"""
FIELDS_1 = [
    "id", "bucket", "key", "name", "collection", "state", "indexed_at", "owner", "etag",
    "version_id", "bytes", "format", "width", "height", "taken_at", "uploaded_at", "camera",
    "location", "sha256", "perceptual_hash", "text", "model", "form", "decoder_version",
    "thumbnail_key", "reason",
]  # fmt: skip
GENERATION = 77
COLUMNS_4 = (*FIELDS, "title")

SCHEMA_2 = """
CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  dim INTEGER NOT NULL, model TEXT NOT NULL, generation INTEGER NOT NULL,
  seq INTEGER NOT NULL, purged INTEGER NOT NULL
);
CREATE TABLE images (
  num INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL,
  state TEXT NOT NULL, collection TEXT NOT NULL, owner TEXT NOT NULL, format TEXT NOT NULL,
  camera TEXT NOT NULL, year INTEGER, date INTEGER,
  width INTEGER NOT NULL, height INTEGER NOT NULL, orientation TEXT, lat REAL, lon REAL,
  recency INTEGER NOT NULL, indexed INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE TABLE vectors (num INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE INDEX images_by_seq ON images (seq);
CREATE INDEX images_by_recency ON images (state, recency, id);
CREATE INDEX images_by_collection ON images (state, collection, year, camera, format, owner,
  date, width, height, orientation, lat, lon);
CREATE INDEX images_by_owner ON images (state, owner, collection, year, camera, format,
  date, width, height, orientation, lat, lon);
PRAGMA user_version = 2;
"""


SCHEMA_3 = SCHEMA_2.replace(
    "indexed INTEGER NOT NULL, body", "indexed INTEGER NOT NULL, signature BLOB NOT NULL, body"
).replace("user_version = 2", "user_version = 3")

SCHEMA_4 = """
CREATE VIRTUAL TABLE words USING fts5 (name, collection, camera, text, title, tokenize = 'ascii');
CREATE TABLE notes (name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 4;
"""


def micros(moment: datetime | None) -> int | None:
    since = None if moment is None else moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return None if since is None else since // timedelta(microseconds=1)


def body_1(record: ImageRecord) -> str:
    body: dict[str, Any] = {name: getattr(record, name) for name in FIELDS_1}
    for name in ("indexed_at", "taken_at", "uploaded_at"):
        body[name] = body[name] and body[name].isoformat()
    body["location"] = record.location and [record.location.lat, record.location.lon]
    return json.dumps(body, separators=(",", ":"))


def write_schema_1(path: Path, records: list[ImageRecord]) -> None:
    """The file as the first version wrote it: row 3 is record 0, row 6 record 1, …"""
    db = sqlite3.connect(path)
    db.executescript(f"PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; {SCHEMA_1}")
    db.execute("INSERT INTO meta VALUES (1, ?, 'tiny', ?, ?, 2)", (DIM, GENERATION, len(records)))
    for number, r in enumerate(records):
        num, uploaded = 3 * number + 3, micros(r.uploaded_at)
        db.execute(
            "INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (num, r.id, number + 1, r.state, r.collection, r.owner, r.format,
             micros(r.taken_at or r.uploaded_at), 2**62 if uploaded is None else -uploaded,
             micros(r.indexed_at), body_1(r)),
        )  # fmt: skip
        if r.vector is not None:
            db.execute("INSERT INTO vectors VALUES (?, ?)", (num, r.vector.tobytes()))
    db.commit()
    db.close()


def write_schema_2(path: Path, records: list[ImageRecord]) -> None:
    """The file as the second version wrote it, its rows numbered as those of the first."""
    db = sqlite3.connect(path)
    db.executescript(f"PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; {SCHEMA_2}")
    db.execute("INSERT INTO meta VALUES (1, ?, 'tiny', ?, ?, 2)", (DIM, GENERATION, len(records)))
    for number, r in enumerate(records):
        num, place, uploaded = 3 * number + 3, r.location, micros(r.uploaded_at)
        db.execute(
            f"INSERT INTO images VALUES ({', '.join('?' * 18)})",
            (num, r.id, number + 1, r.state, r.collection, r.owner, r.format, r.camera, r.year,
             micros(r.date), r.width, r.height, r.orientation, place and place.lat,
             place and place.lon, 2**62 if uploaded is None else -uploaded,
             micros(r.indexed_at), body_1(r)),
        )  # fmt: skip
        if r.vector is not None:
            db.execute("INSERT INTO vectors VALUES (?, ?)", (num, r.vector.tobytes()))
    db.commit()
    db.close()


def write_schema_3(path: Path, records: list[ImageRecord]) -> None:
    """The file as the third version wrote it, its rows numbered as those of the first."""
    write_schema_2(path, records)
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT * FROM images").fetchall()
        vectors = db.execute("SELECT * FROM vectors").fetchall()
    db.close()
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    db = sqlite3.connect(path)
    db.executescript(f"PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; {SCHEMA_3}")
    db.execute("INSERT INTO meta VALUES (1, ?, 'tiny', ?, ?, 2)", (DIM, GENERATION, len(records)))
    for row, r in zip(rows, records, strict=True):
        mark = signature(r.sha256, r.perceptual_hash)
        body = json.loads(row[-1]) | {"lens": r.lens, "exposure": None}
        db.execute(
            f"INSERT INTO images VALUES ({', '.join('?' * 19)})",
            (*row[:-1], mark, json.dumps(body)),
        )
    db.executemany("INSERT INTO vectors VALUES (?, ?)", vectors)
    db.commit()
    db.close()


def write_schema_4(path: Path, records: list[ImageRecord]) -> None:
    """The file as the fourth version wrote it: with words, and bodies without placeholders."""
    write_schema_3(path, records)
    db = sqlite3.connect(path)
    db.executescript(SCHEMA_4)
    for number, r in enumerate(records):
        if r.state == "ready":
            columns = (indexed(getattr(r, field)) for field in FIELDS)
            row = (3 * number + 3, *columns, " ".join(titles(r.name)))
            db.execute(
                f"INSERT INTO words (rowid, {', '.join(COLUMNS_4)}) VALUES ({'?, ' * 5}?)", row
            )
    db.commit()
    db.close()


OLD_FILES = {1: write_schema_1, 2: write_schema_2, 3: write_schema_3, 4: write_schema_4}


def old_records(count: int = 40) -> list[ImageRecord]:
    rows = random_units(count, seed=4)
    made = [
        ready(
            n,
            rows[n],
            collection="ab"[n % 2],
            owner=["", "ann"][n % 3 == 0],
            camera=["", "X100", "Canon EOS 80D"][n % 3],
            format=["jpeg", "heif"][n % 5 == 0],
            width=100 * (n % 4),
            height=200,
            location=Location(n % 40 - 20, 9 * (n % 40) - 180) if n % 4 else None,
            taken_at=later(days=-30 * n) if n % 3 else None,
            uploaded_at=later(hours=n) if n % 7 else None,
            text='日本 "quoted" \\ \u0000',
        )
        for n in range(count)
    ]
    return [*made, bare(-1), tombstone(-2, indexed_at=NOW)]


@pytest.fixture(params=OLD_FILES, ids="schema {}".format)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> EmbeddedIndex:
    """An index whose file was written by an earlier version; nothing has touched it since."""
    index = EmbeddedIndex(tmp_path, dim=DIM, model="tiny")
    OLD_FILES[request.param](index.path, old_records())
    return index


def assert_as_written(index: EmbeddedIndex, records: list[ImageRecord]) -> None:
    """In everything it answers, `index` is one that has just been filled with `records`."""
    truth = MemoryIndex(dim=DIM)
    put(truth, *records)
    names = [record.id for record in records]
    assert {n: v.record for n, v in index.read(names).items()} == {
        n: v.record for n, v in truth.read(names).items()
    }
    for record in records:
        kept = index.vector(record.id)
        assert (kept is None) == (record.vector is None)
        assert record.vector is None or np.array_equal(kept, record.vector)  # type: ignore[arg-type]
    filters = [
        ANY,
        Filters(camera="X100"),
        Filters(orientation="portrait", min_width=100),
        Filters(near=Near(lat=0, lon=0, km=4000)),
        Filters(none_of=(Filters(near=Near(lat=0, lon=0, km=4000)), Filters(owner="ann"))),
        Filters.model_validate({"date_from": "2023-01-01", "collection": "a"}),
    ]
    for each in filters:
        assert walk(index, QUERY, each, limit=7, ranked=30) == walk(
            truth, QUERY, each, limit=7, ranked=30
        )
        assert index.list(each, ["ready", "rejected"], limit=100) == truth.list(
            each, ["ready", "rejected"], limit=100
        )
    for words in ("photo 7", '"quoted"', "日 x100", "b -80", "nothing of it"):
        asked: dict[str, Any] = {"limit": 50, "ranked": 30, "wording": parse(words).wording}
        assert index.search(QUERY, ANY, **asked) == truth.search(QUERY, ANY, **asked)
    assert index.counts() == truth.counts()
    assert set(index.scan()) == set(truth.scan())
    assert in_order(index.facets()) == true_facets(r for r in records if r.state == "ready")


def schema_of(path: Path) -> tuple[int, list[Any]]:
    with sqlite3.connect(path) as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        made = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    return version, sorted(([*row[:3], " ".join((row[3] or "").split())] for row in made), key=str)


def test_a_file_of_an_earlier_version_is_brought_up_to_date(old: EmbeddedIndex) -> None:
    old.ensure()
    assert_as_written(old, old_records())
    old.close()
    fresh = EmbeddedIndex(old.path.parent / "fresh", dim=DIM, model="tiny")
    fresh.ensure()
    fresh.close()
    assert schema_of(old.path) == schema_of(fresh.path)
    assert schema_of(old.path)[0] == sql.SCHEMA


@pytest.mark.parametrize("old", [1, 2, 3], indirect=True)
def test_a_name_of_long_ago_that_is_no_unicode_stays_and_has_its_other_words(
    old: EmbeddedIndex,
) -> None:
    with sqlite3.connect(old.path) as db:
        row = db.execute("SELECT num, body FROM images WHERE id = ?", (name_of(1),)).fetchone()
        body = json.dumps(json.loads(row[1]) | {"name": "half \ud83d pair"})
        db.execute("UPDATE images SET body = ? WHERE num = ?", (body, row[0]))
    db.close()
    old.ensure()
    hits = old.search(QUERY, ANY, limit=5, ranked=50, wording=parse('"half pair"').wording).hits
    assert [(hit.record.id, hit.record.name) for hit in hits] == [(name_of(1), "half \ud83d pair")]
    old.close()


def test_versions_from_before_still_count(old: EmbeddedIndex) -> None:
    """A worker that read a record before the program was renewed may still write over it."""
    old.ensure()
    assert version_of(old, 1) == (2, GENERATION)
    assert old.write([Write(ready(1, text="new"), (2, GENERATION))]) == ["written"]
    assert old.write([Write(ready(2), (2, GENERATION))]) == ["conflict"]
    assert version_of(old, 1) == (len(old_records()) + 1, GENERATION)
    assert old.purge(later(days=1)) == 1
    old.close()


def test_it_is_done_once(old: EmbeddedIndex) -> None:
    old.ensure()
    put(old, ready(5000, collection="later"))
    for _ in range(2):
        old.ensure()
    again = EmbeddedIndex(old.path.parent, dim=DIM, model="tiny")
    again.ensure()
    assert search_ids(again, Filters(collection="later")) == [name_of(5000)]
    assert_as_written(again, [*old_records(), ready(5000, collection="later")])
    again.close()
    old.close()


def test_an_old_file_asks_for_ensure_before_it_answers(old: EmbeddedIndex) -> None:
    with pytest.raises(IndexUnavailable, match=r"older version and ensure\(\) was not called"):
        old.read([name_of(1)])
    old.ensure()
    assert len(old.read([name_of(1)])) == 1
    old.close()


def test_the_old_file_of_another_model_is_still_refused(old: EmbeddedIndex) -> None:
    other = EmbeddedIndex(old.path.parent, dim=DIM + 1, model="tiny")
    with pytest.raises(ConfigurationError, match="holds vectors of 8 numbers"):
        other.ensure()


def test_a_migration_that_breaks_off_leaves_the_file_as_it_was(
    old: EmbeddedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = schema_of(old.path)
    with monkeypatch.context() as patched:
        patched.setattr(sql, "SCHEMA", "no number")  # the last thing that is written
        with pytest.raises(IndexUnavailable):
            old.ensure()
    assert schema_of(old.path) == before
    old.ensure()
    assert_as_written(old, old_records())
    old.close()


def test_two_processes_may_migrate_at_once(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path, dim=DIM, model="tiny")
    records = old_records(2000)
    write_schema_1(index.path, records)
    with start_worker("obey", tmp_path) as one, start_worker("obey", tmp_path) as two:
        try:
            for worker in (one, two):
                assert worker.stdout is not None
                assert worker.stdout.readline() == "ready\n"
        finally:
            one.kill()
            two.kill()
    assert_as_written(index, records)
    index.close()


def test_a_process_that_was_reading_goes_on(old: EmbeddedIndex) -> None:
    """What an older program has open stays as it was for the transaction it is in."""
    with sqlite3.connect(old.path, isolation_level=None) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM images").fetchone() == (42,)
        old.ensure()
        assert reader.execute("SELECT count(*) FROM images").fetchone() == (42,)
        reader.execute("COMMIT")
    reader.close()
    assert_as_written(old, old_records())
    old.close()
