"""The embedded index between real processes: what one writes, what another sees, what survives."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index_helpers import ANY, DIM, QUERY, name_of, put, ready, search_ids, start_worker
from index_worker import BATCH, batch

from chalicelib.index.embedded import EmbeddedIndex


def say(worker: subprocess.Popen[str], line: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(line + "\n")
    worker.stdin.flush()


def hear(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


def ask(worker: subprocess.Popen[str], line: str) -> str:
    say(worker, line)
    return hear(worker)


@contextmanager
def working(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    with start_worker(*arguments) as worker:
        try:
            yield worker
        finally:
            worker.kill()


def test_a_search_sees_what_another_process_wrote(embedded: EmbeddedIndex) -> None:
    with working("obey", embedded.path.parent) as worker:
        assert hear(worker) == "ready"
        for number in range(20):
            assert ask(worker, f"put {number}") == "done"
            assert search_ids(embedded) == sorted(name_of(n) for n in range(number + 1))


def test_of_two_processes_that_write_over_one_version_exactly_one_wins(
    embedded: EmbeddedIndex,
) -> None:
    folder = embedded.path.parent
    with working("obey", folder) as one, working("obey", folder) as two:
        workers = {"one": one, "two": two}
        assert [hear(worker) for worker in workers.values()] == ["ready", "ready"]
        for number in [0] * 15 + list(range(1, 16)):
            assert [ask(worker, f"read {number}") for worker in workers.values()] == ["done"] * 2
            for name, worker in workers.items():
                say(worker, f"write {name}")
            results = {name: hear(worker) for name, worker in workers.items()}
            assert sorted(results.values()) == ["conflict", "written"]
            winner = next(name for name, result in results.items() if result == "written")
            assert embedded.read([name_of(number)])[name_of(number)].record.text == winner


def test_two_processes_may_make_the_index_at_once(tmp_path: Path) -> None:
    with working("obey", tmp_path) as one, working("obey", tmp_path) as two:
        assert (hear(one), hear(two)) == ("ready", "ready")
        assert (ask(one, "put 1"), ask(two, "put 2")) == ("done", "done")


def acknowledged(round_: int, folder: Path) -> int:
    """Lets a process write and kills it in mid-stream; the number of the last batch it was
    told is stored."""
    with working("stream", folder, round_) as worker:
        assert hear(worker) == "0"
        time.sleep(random.Random(round_).uniform(0.02, 0.15))
        worker.send_signal(signal.SIGKILL)
        lines = worker.stdout.read().split("\n") if worker.stdout else []
        assert worker.wait() == -signal.SIGKILL
    return int(([line for line in lines[:-1] if line] or ["0"])[-1])


def test_a_killed_writer_leaves_all_it_acknowledged_and_nothing_by_halves(
    embedded: EmbeddedIndex,
) -> None:
    total = 0
    for round_ in range(4):
        last = acknowledged(round_, embedded.path.parent)
        for number in range(last + 2):
            writes = batch(round_, number)
            found = embedded.read([write.record.id for write in writes])
            assert len(found) == BATCH or (number > last and not found)
            total += len(found)
            for write in writes:
                if found:
                    stored = embedded.vector(write.record.id)
                    assert stored is not None
                    assert write.record.vector is not None
                    assert stored.tobytes() == write.record.vector.tobytes()
        assert embedded.search(QUERY, ANY, limit=1, ranked=10**9).total == total
        put(embedded, ready(-1 - round_))
        total += 1
    assert embedded.counts()["ready"] == total
    with sqlite3.connect(embedded.path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    again = EmbeddedIndex(embedded.path.parent, dim=DIM, model="tiny")
    assert again.search(QUERY, ANY, limit=1, ranked=10**9).total == total
    again.close()
