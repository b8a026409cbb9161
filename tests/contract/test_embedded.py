"""What only the embedded index promises: its file, its memory, its errors."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from index_helpers import (
    ANY,
    DIM,
    QUERY,
    ROOT,
    later,
    name_of,
    put,
    random_units,
    ready,
    search_ids,
    tombstone,
    toward,
    version_of,
    walk,
)

from chalicelib.errors import ConfigurationError, IndexUnavailable
from chalicelib.index import database
from chalicelib.index.base import Write
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.index.memory import MemoryIndex
from chalicelib.records import Filters


def reopened(index: EmbeddedIndex) -> EmbeddedIndex:
    """A second index object at the same file, as another process would have."""
    return EmbeddedIndex(index.path.parent, dim=DIM, model="tiny")


def test_everything_is_still_there_after_closing(embedded: EmbeddedIndex) -> None:
    put(embedded, ready(1, text="kept"))
    version = version_of(embedded, 1)
    embedded.close()
    again = reopened(embedded)
    again.ensure()
    assert search_ids(again) == [name_of(1)]
    assert version_of(again, 1) == version
    assert again.write([Write(ready(1), version)]) == ["written"]
    again.close()


def test_another_size_or_model_is_refused(embedded: EmbeddedIndex) -> None:
    wider = EmbeddedIndex(embedded.path.parent, dim=DIM + 1, model="tiny")
    with pytest.raises(ConfigurationError, match=r"vectors of 8 numbers .* not of 9"):
        wider.ensure()
    with pytest.raises(ConfigurationError, match="delete the file: it is rebuilt"):
        wider.read(["x"])
    embedded.close()
    other = EmbeddedIndex(embedded.path.parent, dim=DIM, model="other")
    embedded.path.rename(other.path)
    with pytest.raises(ConfigurationError, match="'tiny', not of 8 from 'other'"):
        other.ensure()


def test_each_model_has_a_file_of_its_own(tmp_path: Path) -> None:
    names = {
        EmbeddedIndex(tmp_path, dim=DIM, model=model).path.name
        for model in ("clip", "org/clip", "org-clip", "../clip", "é" * 300, "è" * 300)
    }
    assert len(names) == 6
    assert "images-clip.sqlite" in names
    assert all("/" not in name and len(name) < 140 for name in names)


def test_a_new_file_never_honours_the_versions_of_the_old_one(embedded: EmbeddedIndex) -> None:
    put(embedded, ready(1))
    version = version_of(embedded, 1)
    embedded.close()
    embedded.path.unlink()
    again = reopened(embedded)
    again.ensure()
    put(again, ready(1))
    assert again.write([Write(ready(1), version)]) == ["conflict"]
    again.close()


def test_a_damaged_file_says_that_it_can_be_deleted(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path, dim=DIM, model="tiny")
    index.path.write_bytes(b"this is not a database" * 1000)
    with pytest.raises(ConfigurationError, match=r"delete it: it is rebuilt from the bucket"):
        index.ensure()
    with pytest.raises(ConfigurationError, match=r"delete it: it is rebuilt from the bucket"):
        index.read(["x"])


def test_a_file_damaged_in_the_middle_is_told_apart_from_a_busy_one(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path, dim=DIM, model="tiny")
    index.ensure()
    put(index, *(ready(n, row) for n, row in enumerate(random_units(2000))))
    index.close()
    content = bytearray(index.path.read_bytes())
    content[16384:] = b"\xa5" * (len(content) - 16384)
    index.path.write_bytes(content)
    again = reopened(index)
    with pytest.raises(ConfigurationError, match="damaged"):
        search_ids(again)
    again.close()


def test_a_file_of_another_program_or_version_is_refused(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path, dim=DIM, model="tiny")
    other = sqlite3.connect(index.path)
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(ConfigurationError, match="another version"):
        index.ensure()


def test_use_before_ensure_and_after_close_is_said_plainly(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path / "absent", dim=DIM, model="tiny")
    with pytest.raises(IndexUnavailable, match=r"ensure\(\)"):
        index.read(["x"])
    index.ensure()
    index.close()
    with pytest.raises(IndexUnavailable, match="closed"):
        index.read(["x"])


def test_a_folder_that_cannot_be_made_is_a_setting_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        EmbeddedIndex(tmp_path / "file" / "index", dim=DIM, model="tiny").ensure()


def test_readers_go_on_and_writers_give_up_while_another_writes(
    embedded: EmbeddedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(embedded, ready(1))
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    slow, patient = sqlite3.connect(embedded.path, isolation_level=None), reopened(embedded)
    slow.execute("BEGIN IMMEDIATE")
    slow.execute("UPDATE meta SET seq = seq + 1")
    with pytest.raises(IndexUnavailable, match="another process has been writing"):
        patient.write([Write(ready(2), None)])
    assert search_ids(patient) == [name_of(1)]
    slow.execute("ROLLBACK")
    assert patient.write([Write(ready(2), None)]) == ["written"]
    slow.close()
    patient.close()


def test_a_full_disk_loses_nothing_that_was_acknowledged(embedded: EmbeddedIndex) -> None:
    put(embedded, *(ready(n, row) for n, row in enumerate(random_units(50))))
    with embedded._database.reading() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages + 2}")
    many = [Write(ready(100 + n, text="x" * 9000), None) for n in range(50)]
    with pytest.raises(IndexUnavailable, match="disk is full"):
        embedded.write(many)
    assert embedded.counts()["ready"] == 50
    assert len(search_ids(embedded)) == 50
    with embedded._database.reading() as db:
        db.execute(f"PRAGMA max_page_count = {2**30}")
    assert embedded.write(many) == ["written"] * 50
    assert len(search_ids(embedded)) == 100


def test_a_search_after_no_change_reads_no_vectors(embedded: EmbeddedIndex) -> None:
    put(embedded, *(ready(n, row) for n, row in enumerate(random_units(20))))
    search_ids(embedded)
    asked: list[str] = []
    with embedded._database.reading() as db:
        db.set_trace_callback(asked.append)
    assert search_ids(embedded, limit=1)
    assert [sql.split(" WHERE")[0] for sql in asked if sql.startswith("SELECT")] == [
        "SELECT seq, purged FROM meta",
        "SELECT num, body FROM images",
    ]
    put(embedded, ready(3))
    asked.clear()
    search_ids(embedded, limit=1)
    assert sum("vector" in sql for sql in asked) == 1


def test_a_process_that_missed_a_tombstone_and_its_purge_drops_the_image(
    embedded: EmbeddedIndex,
) -> None:
    other = reopened(embedded)
    put(embedded, ready(1), ready(2), ready(3))
    assert len(search_ids(other)) == 3
    put(embedded, tombstone(3), tombstone(1))
    embedded.purge(later(days=1))
    assert search_ids(other) == [name_of(2)]
    put(embedded, ready(4), ready(1, toward(0.5)))
    assert search_ids(other) == [*sorted([name_of(2), name_of(4)]), name_of(1)]
    assert search_ids(other, Filters(collection="trips")) == search_ids(embedded)
    other.close()


@pytest.mark.usefixtures("small_blocks")
def test_vectors_written_over_and_over_do_not_pile_up(tmp_path: Path) -> None:
    index, truth = EmbeddedIndex(tmp_path, dim=DIM, model="tiny"), MemoryIndex(dim=DIM)
    index.ensure()
    rows = random_units(6000)
    for turn in range(0, len(rows), 100):
        records = [ready(n % 700, rows[turn + n % 100]) for n in range(turn, turn + 100)]
        for store in (index, truth):
            put(store, *records)
        if turn % 300 == 0:
            for store in (index, truth):
                put(store, tombstone(turn // 100))
        filters = Filters(owner="") if turn % 200 else ANY
        assert walk(index, rows[turn], filters, limit=90, ranked=300) == walk(
            truth, rows[turn], filters, limit=90, ranked=300
        )
    assert index._vectors._size < 1000
    index.close()


@pytest.mark.usefixtures("small_blocks")
def test_threads_search_while_others_write(embedded: EmbeddedIndex) -> None:
    """Each record carries the cosine it was stored with: a torn answer would contradict it."""
    put(embedded, *(ready(n, toward(n / 400), text=f"{n / 400:.6f}") for n in range(300)))
    done = threading.Event()

    def write() -> None:
        rng = np.random.default_rng(3)
        for n in range(150):
            cosine = round(float(rng.uniform(0, 1)), 4)
            put(embedded, ready(n % 300, toward(cosine), text=f"{cosine:.6f}"))
            put(embedded, tombstone(1000 + n), ready(2000 + n, toward(0.25), text="0.250000"))
        done.set()

    def search(filters: Filters) -> int:
        searches = 0
        while not done.is_set() or searches == 0:
            found = embedded.search(QUERY, filters, limit=200, ranked=1000)
            assert len(found.hits) == 200
            for hit in found.hits:
                assert abs(hit.score - float(hit.record.text)) < 2e-6
            searches += 1
        return searches

    with ThreadPoolExecutor(4) as pool:
        searching = [pool.submit(search, f) for f in (ANY, Filters(owner=""), ANY)]
        try:
            write()
        finally:
            done.set()
        assert all(future.result() > 0 for future in searching)
    assert embedded.search(QUERY, ANY, limit=1, ranked=1000).total == 450


def test_many_threads_share_few_connections(embedded: EmbeddedIndex) -> None:
    put(embedded, ready(1))
    for _ in range(5):
        threads = [threading.Thread(target=search_ids, args=(embedded,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(embedded._database._idle) <= 4


def test_the_protocol_can_be_imported_without_numpy() -> None:
    code = (
        "import sys, chalicelib.index.base, chalicelib.index.checks; print('numpy' in sys.modules)"
    )
    asked = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert asked.stdout.strip() == "False"


def test_a_search_under_way_is_not_changed_by_what_others_write(embedded: EmbeddedIndex) -> None:
    put(embedded, *(ready(n) for n in range(5)))
    put(embedded, tombstone(0))
    with embedded._database.reading() as db:
        snapshot = embedded._vectors.snapshot(db)
        assert snapshot.alive is None
    put(embedded, tombstone(1))
    with embedded._database.reading() as db:
        snapshot = embedded._vectors.snapshot(db)
    assert snapshot.alive is not None
    before = snapshot.alive.tolist(), list(snapshot.ids[: snapshot.size])
    put(embedded, tombstone(2), ready(3, toward(0.1)), ready(9))
    assert len(search_ids(embedded)) == 3
    assert (snapshot.alive.tolist(), list(snapshot.ids[: snapshot.size])) == before


def test_a_search_whose_view_of_the_records_is_older_than_the_vectors_looks_again(
    embedded: EmbeddedIndex,
) -> None:
    put(embedded, ready(1))
    with embedded._database.reading() as db:
        assert db.execute("SELECT count(*) FROM images").fetchone() == (1,)
        put(embedded, ready(2))
        assert len(search_ids(embedded)) == 2
        assert embedded._vectors.snapshot(db).size == 2
        assert db.execute("SELECT count(*) FROM images").fetchone() == (2,)
