"""What only the embedded index promises of words and notes: the exact answer, its table."""

from __future__ import annotations

import random
import sqlite3
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from index_helpers import (
    ANY,
    DIM,
    QUERY,
    bare,
    ids,
    later,
    name_of,
    put,
    random_units,
    ready,
    start_worker,
    tombstone,
    toward,
    walk_on,
)

from chalicelib.errors import ConfigurationError
from chalicelib.index import database, sql
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.index.memory import MemoryIndex
from chalicelib.index.remembered import Remembered
from chalicelib.records import Filters, ImageRecord
from chalicelib.relevance import Cut
from chalicelib.words import parse

FRUIT = ["apple", "pear", "plum", "fig", "redGrape", "IMG_7", "海滩"]
MANY = 700


def crowd() -> list[ImageRecord]:
    """More than are scored one by one; many with a word, many alike, vectors of many lengths."""
    chance = random.Random(8)
    rows = random_units(MANY, seed=8)
    rows[::9] = rows[0]
    responses = np.random.default_rng(8).choice([0.2, 0.5, 1.0], MANY)
    return [
        ready(
            n,
            (rows[n] / responses[n]).astype(np.float32),
            response=float(responses[n]),
            name=" ".join(chance.choices(FRUIT[: 2 + n % 6], k=1 + n % 3)) + ".jpg",
            text=" ".join(chance.choices(FRUIT, k=n % 4)),
            collection="ab"[n % 2],
            uploaded_at=later(days=n % 50) if n % 11 else None,
        )
        for n in range(MANY)
    ]


@pytest.fixture(scope="module")
def truth() -> MemoryIndex:
    index = MemoryIndex(dim=DIM)
    put(index, *crowd(), *(bare(n, name="fig") for n in range(800, 805)))
    return index


@pytest.fixture
def crowded(embedded: EmbeddedIndex) -> EmbeddedIndex:
    put(embedded, *crowd())
    put(embedded, *(bare(n, name="fig") for n in range(800, 805)))
    return embedded


def test_answers_among_many_are_those_of_the_plainest_index(
    crowded: EmbeddedIndex, truth: MemoryIndex
) -> None:
    chance = random.Random(9)
    queries = random_units(60, seed=10)
    for query in queries:
        text = chance.choice(["", "apple", "fig plum", "img 7", '"pear plum"', "jpg -fig", "grape"])
        threshold = chance.choice([None, -1.0, 0.3, 1.5, 3.0, 9.0])
        options: dict[str, Any] = {
            "filters": chance.choice([ANY, ANY, Filters(collection="a")]),
            "ranked": chance.choice([5, 40, 300, 1000]),
            "limit": chance.choice([3, 50, 400]),
            "wording": parse(text).wording if text else None,
            "cut": None if threshold is None else Cut(threshold, chance.random() < 0.3),
            "order": chance.choice(["best", "best", "newest", "oldest"]),
            "collapse": chance.choice(["none", "near"]),
            "facets": chance.random() < 0.5,
            "leave_out": chance.choice([frozenset(), frozenset([name_of(9)])]),
        }
        first = crowded.search(query, **options)
        assert first == truth.search(query, **options), options
        if first.next is not None:
            second = crowded.search(query, **options, after=first.next)
            assert second == truth.search(query, **options, after=first.next), options


def test_a_search_without_words_asks_nothing_of_them(crowded: EmbeddedIndex) -> None:
    asked: list[str] = []
    with crowded._database.reading() as db:
        crowded._vectors.snapshot(db)
        db.set_trace_callback(asked.append)
    crowded.search(QUERY, ANY, limit=5, ranked=100, cut=Cut(0.5))
    assert asked
    assert not any("words" in statement for statement in asked)


def test_what_words_find_is_remembered_until_something_is_written(crowded: EmbeddedIndex) -> None:
    asked: list[str] = []
    with crowded._database.reading() as db:
        db.set_trace_callback(asked.append)
    wording = parse("quince").wording
    for _ in range(2):
        assert crowded.search(QUERY, ANY, limit=1, ranked=9, wording=wording).hits[0].found is None
    assert len([one for one in asked if "MATCH" in one and "quince" in one]) == 3
    put(crowded, ready(9000, toward(-1), name="Quince"))
    hits = crowded.search(QUERY, ANY, limit=1, ranked=9, wording=wording).hits
    assert ids(hits) == [name_of(9000)]


def test_the_table_of_words_has_a_row_of_each_ready_image(embedded: EmbeddedIndex) -> None:
    put(embedded, *(ready(n, name=f"Photo {n}", text="a b") for n in range(30)))
    put(embedded, *(tombstone(n) for n in range(5)), bare(6), ready(7, name="again"))
    embedded.purge(later(days=1))
    with embedded._database.writing() as db:
        rows = db.execute("SELECT rowid FROM words ORDER BY rowid").fetchall()
        held = db.execute("SELECT num FROM images WHERE state = 'ready' ORDER BY num").fetchall()
        assert rows == held
        assert len(rows) == 24
        db.execute("INSERT INTO words (words) VALUES ('integrity-check')")


def test_words_and_notes_are_still_there_after_closing(embedded: EmbeddedIndex) -> None:
    put(embedded, ready(1, name="kept"))
    embedded.keep_note("thresholds", "0.5")
    embedded.close()
    again = EmbeddedIndex(embedded.path.parent, dim=DIM, model="tiny")
    again.ensure()
    hits = again.search(QUERY, ANY, limit=1, ranked=1, wording=parse('"kept"').wording).hits
    assert ids(hits) == [name_of(1)]
    assert again.note("thresholds") == "0.5"
    again.close()


def test_another_process_sees_words_and_notes_at_once(embedded: EmbeddedIndex) -> None:
    with start_worker("obey", embedded.path.parent) as worker:
        try:
            assert worker.stdin is not None
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
            for number in range(5):
                for line in (f"put {number}", f"note n{number}"):
                    worker.stdin.write(f"{line}\n")
                    worker.stdin.flush()
                    assert worker.stdout.readline() == "done\n"
                asked = parse(f"photo {number}").wording
                hits = embedded.search(QUERY, ANY, limit=1, ranked=9, wording=asked).hits
                assert ids(hits) == [name_of(number)]
                assert embedded.note("other") == f"n{number}"
        finally:
            worker.kill()


def test_words_are_found_while_others_write(embedded: EmbeddedIndex) -> None:
    """Whatever a search sees, words and records are of one moment."""
    put(embedded, *(ready(n, name="odd" if n % 2 else "even") for n in range(40)))
    stop = threading.Event()

    def write() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            put(embedded, *(ready(n, name="odd" if (n + turn) % 2 else "even") for n in range(40)))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(60):
            found = walk_on(embedded, limit=50, wording=parse('"odd"').wording)
            assert {hit.record.name for hit in found} == {"odd"}
            assert len(found) == 20
    finally:
        stop.set()
        writer.join()


def test_a_python_whose_sqlite_cannot_find_words_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "WORDS", sql.WORDS.replace("fts5", "fts5_is_missing"))
    index = EmbeddedIndex(tmp_path, dim=DIM, model="tiny")
    with pytest.raises(ConfigurationError, match="lacks FTS5"):
        index.ensure()


def test_a_note_waits_for_other_writers_and_says_when_it_was_too_long(
    embedded: EmbeddedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    index = EmbeddedIndex(embedded.path.parent, dim=DIM, model="tiny")
    with sqlite3.connect(embedded.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert index.note("a") is None
        with pytest.raises(database.IndexUnavailable, match="another process has been writing"):
            index.keep_note("a", "b")
        other.execute("COMMIT")
    other.close()
    index.keep_note("a", "b")
    assert embedded.note("a") == "b"
    index.close()


def test_only_the_last_values_are_remembered() -> None:
    made: list[int] = []
    remembered: Remembered[int] = Remembered(2)

    def get(key: int) -> int:
        return remembered.get(key, lambda: made.append(key) or -key)  # type: ignore[func-returns-value]

    assert [get(key) for key in (1, 2, 1, 3, 1, 2)] == [-1, -2, -1, -3, -1, -2]
    assert made == [1, 2, 3, 2]
    remembered.clear()
    assert get(2) == -2
    assert made == [1, 2, 3, 2, 2]
