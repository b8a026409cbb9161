"""What every tally does: DynamoDB as moto serves it over HTTP, SQLite, and the fake in memory."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from chalicelib import wiring
from chalicelib.config import Settings
from chalicelib.errors import QuotaUnavailable
from chalicelib.quota import NO_LIMIT, Allowance, DynamoTally, SqliteTally, Tally, Used
from chalicelib.quota import sqlite as sqlite_tally
from tests.fakes.tally import MemoryTally
from tests.served import served

LATER = int(time.time()) + 1_000_000
"""Long after the last of these tests, however slow the others before them were."""
_numbers = count()

PATIENCE_S = 300.0


@pytest.fixture(scope="module")
def one_by_one() -> Iterator[str]:
    """The address of a moto that answers one request at a time: it looks at the condition and
    adds in two steps, which DynamoDB does in one."""
    application = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, application, threaded=False)
    with served(server):
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers that wait for each other on a slow disk; SQLite does not let them in in turn."""
    monkeypatch.setattr("chalicelib.quota.sqlite._PATIENCE_S", PATIENCE_S)


def patiently(**given: Any) -> Config:
    """What is asked again because no answer came in time would be counted twice."""
    return Config(**given | {"read_timeout": PATIENCE_S, "connect_timeout": PATIENCE_S})


@pytest.fixture(scope="module")
def dynamodb(one_by_one: str) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "Config", patiently)
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        patch.setenv("AWS_ACCESS_KEY_ID", "local")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        known = Settings(
            bucket="photos", thumbnails_bucket="small", endpoint=one_by_one, region="us-east-1"
        )
        client = wiring.client("dynamodb", known)
        yield client
        client.close()


@pytest.fixture(scope="module")
def table(dynamodb: Any) -> str:
    name = f"quota-{uuid4()}"
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


@pytest.fixture(scope="module", params=["dynamodb", "sqlite", "memory"])
def tally(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tally:
    if request.param == "dynamodb":
        return DynamoTally(request.getfixturevalue("dynamodb"), request.getfixturevalue("table"))
    if request.param == "sqlite":
        return SqliteTally(tmp_path_factory.mktemp("tally") / "not" / "there" / "quota.sqlite")
    return MemoryTally()


@pytest.fixture(name="id")
def _id() -> str:
    return new_id()


def new_id() -> str:
    """Nobody's until now."""
    return f"2026-11-26#böd🦊 {next(_numbers)}"


def test_what_was_never_counted_is_nothing(tally: Tally, id: str) -> None:
    assert tally.read(id) == Used(0, 0)


def test_what_is_counted_adds_up_to_the_very_limit_and_no_further(tally: Tally, id: str) -> None:
    allowance = Allowance(10, 1000)
    assert tally.add(id, Used(4, 400), allowance, expires_at=LATER) is None
    assert tally.add(id, Used(6, 600), allowance, expires_at=LATER) is None
    assert tally.read(id) == Used(10, 1000)
    assert tally.add(id, Used(1, 0), allowance, expires_at=LATER) == Used(10, 1000)
    assert tally.add(id, Used(0, 1), allowance, expires_at=LATER) == Used(10, 1000)
    assert tally.read(id) == Used(10, 1000)


@pytest.mark.parametrize(
    "more", [Used(7, 1), Used(1, 700), Used(7, 700), Used(11, 1), Used(1, 2000)]
)
def test_what_does_not_fit_is_refused_whole_and_says_what_is_counted(
    tally: Tally, id: str, more: Used
) -> None:
    allowance = Allowance(10, 1000)
    tally.add(id, Used(4, 400), allowance, expires_at=LATER)
    assert tally.add(id, more, allowance, expires_at=LATER) == Used(4, 400)
    assert tally.read(id) == Used(4, 400)


@pytest.mark.parametrize("more", [Used(11, 1), Used(1, 1001), Used(11, 1001)])
def test_the_first_of_a_day_may_be_too_much_too(tally: Tally, id: str, more: Used) -> None:
    assert tally.add(id, more, Allowance(10, 1000), expires_at=LATER) == Used(0, 0)
    assert tally.read(id) == Used(0, 0)


def test_a_limit_of_nothing_is_no_limit(tally: Tally, id: str) -> None:
    big = 2**53
    assert tally.add(id, Used(1_000_000, big), NO_LIMIT, expires_at=LATER) is None
    assert tally.add(id, Used(1, 1), Allowance(files=1_000_001), expires_at=LATER) is None
    assert tally.add(id, Used(1, 1), Allowance(files=1_000_001), expires_at=LATER) is not None
    assert tally.add(id, Used(1, 1), Allowance(bytes=big + 2), expires_at=LATER) is None
    assert tally.read(id) == Used(1_000_002, big + 2)


def test_each_id_has_a_count_of_its_own(tally: Tally) -> None:
    one, other = new_id(), new_id()
    tally.add(one, Used(3, 30), Allowance(3, 30), expires_at=LATER)
    assert tally.add(other, Used(2, 20), Allowance(3, 30), expires_at=LATER) is None
    assert (tally.read(one), tally.read(other)) == (Used(3, 30), Used(2, 20))


def test_a_limit_that_was_lowered_since_holds(tally: Tally, id: str) -> None:
    tally.add(id, Used(8, 8), Allowance(10), expires_at=LATER)
    assert tally.add(id, Used(1, 1), Allowance(5), expires_at=LATER) == Used(8, 8)


@settings(max_examples=15, deadline=None)
@given(
    st.builds(Allowance, st.integers(0, 30), st.integers(0, 300)),
    st.lists(st.builds(Used, st.integers(1, 12), st.integers(1, 120)), max_size=8),
)
def test_any_history_counts_what_a_person_with_a_pencil_would(
    tally: Tally, allowance: Allowance, asked: list[Used]
) -> None:
    new, files, size = new_id(), 0, 0
    for more in asked:
        fits = (not allowance.files or files + more.files <= allowance.files) and (
            not allowance.bytes or size + more.bytes <= allowance.bytes
        )
        said = tally.add(new, more, allowance, expires_at=LATER)
        assert said == (None if fits else Used(files, size))
        if fits:
            files, size = files + more.files, size + more.bytes
        assert tally.read(new) == Used(files, size)


def test_many_who_count_at_once_never_exceed_the_limit_and_use_it_up(tally: Tally, id: str) -> None:
    allowance = Allowance(files=50, bytes=10_000)

    def add(_: int) -> bool:
        return tally.add(id, Used(1, 10), allowance, expires_at=LATER) is None

    with ThreadPoolExecutor(16) as pool:
        taken = sum(pool.map(add, range(120)))
    assert taken == 50
    assert tally.read(id) == Used(50, 500)


def _add_many(path: str, id: str, times: int, taken: Any) -> None:
    sqlite_tally._PATIENCE_S = PATIENCE_S
    tally = SqliteTally(Path(path))
    done = sum(
        tally.add(id, Used(1, 3), Allowance(60), expires_at=LATER) is None for _ in range(times)
    )
    taken.put(done)


def test_processes_that_count_in_one_file_share_its_limit(tmp_path: Path, id: str) -> None:
    start = multiprocessing.get_context("spawn")
    taken = start.Queue()
    path = str(tmp_path / "quota.sqlite")
    workers = [start.Process(target=_add_many, args=(path, id, 40, taken)) for _ in range(3)]
    for worker in workers:
        worker.start()
    total = sum(taken.get(timeout=300) for _ in workers)
    for worker in workers:
        worker.join()
    assert total == 60
    assert SqliteTally(Path(path)).read(id) == Used(60, 180)


# --- what each store does by itself -----------------------------------------------------------


def test_dynamodb_keeps_the_time_to_live_and_nothing_else(
    dynamodb: Any, table: str, id: str
) -> None:
    tally = DynamoTally(dynamodb, table)
    tally.add(id, Used(1, 2), Allowance(10), expires_at=LATER)
    tally.add(id, Used(1, 2), Allowance(10), expires_at=LATER + 5)
    item = dynamodb.get_item(TableName=table, Key={"id": {"S": id}})["Item"]
    assert item == {
        "id": {"S": id},
        "files": {"N": "2"},
        "bytes": {"N": "4"},
        "expires_at": {"N": str(LATER + 5)},
    }


def test_dynamodb_is_asked_once_for_each_upload(dynamodb: Any, table: str, id: str) -> None:
    asked: list[str] = []
    dynamodb.meta.events.register(
        "before-send.dynamodb.*",
        lambda request, **_: asked.append(request.headers["X-Amz-Target"].decode()),
        unique_id="counting",
    )
    try:
        tally = DynamoTally(dynamodb, table)
        tally.add(id, Used(2, 2), Allowance(2), expires_at=LATER)
        tally.add(id, Used(1, 1), Allowance(2), expires_at=LATER)
    finally:
        dynamodb.meta.events.unregister("before-send.dynamodb.*", unique_id="counting")
    assert asked == ["DynamoDB_20120810.UpdateItem"] * 2


ANSWERS: dict[str, tuple[int, bytes]] = {
    "it fails": (500, b'{"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError"}'),
    "it is busy": (400, b'{"__type": "com.amazon.coral.availability#ThrottlingException"}'),
    "it has no right": (400, b'{"__type": "com.amazon.coral.service#AccessDeniedException"}'),
    "it refuses without a reason": (403, b""),
    "another answers": (200, b"<html>Please sign in to this network</html>"),
    "it says nothing": (200, b"{}"),
    "it is cut off": (200, b""),
}


@contextmanager
def answering(status: int, body: bytes, *, promised: int | None = None) -> Iterator[str]:
    """The address of a server that gives this one answer, `promised` bytes of which it has not."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body) + (promised or 0)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ANSWERS)
def test_whatever_dynamodb_answers_but_yes_is_no(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    status, body = ANSWERS[name]
    with answering(status, body, promised=100 if name == "it is cut off" else None) as address:
        known = Settings(bucket="p", thumbnails_bucket="t", endpoint=address, region="us-east-1")
        client = wiring.client("dynamodb", known)
        tally = DynamoTally(client, "quota")
        message = _refused_by(lambda: tally.add("a", Used(1, 1), Allowance(5), expires_at=LATER))
        assert message.endswith(" for the table quota.")
        client.close()


def test_a_sqlite_tally_forgets_what_has_expired(tmp_path: Path) -> None:
    now = [1000.0]
    path = tmp_path / "quota.sqlite"
    tally = SqliteTally(path, clock=lambda: now[0])
    for number in range(5):
        tally.add(f"old {number}", Used(1, 1), NO_LIMIT, expires_at=2000)
    now[0] = 2001.0
    tally.add("new", Used(1, 1), NO_LIMIT, expires_at=3000)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT id FROM tally").fetchall() == [("new",)]


def _refused_by(call: Callable[[], object]) -> str:
    with pytest.raises(QuotaUnavailable) as caught:
        call()
    return caught.value.message


def test_a_store_that_does_not_answer_is_unavailable(
    dynamodb: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    nowhere = Settings(
        bucket="p", thumbnails_bucket="t", endpoint="http://127.0.0.1:9", region="us-east-1"
    )
    away = wiring.client("dynamodb", nowhere)
    (tmp_path / "quota.sqlite").write_bytes(b"this is no database, " * 100)
    broken: dict[str, Tally] = {
        "ResourceNotFoundException": DynamoTally(dynamodb, "no-such-table"),
        "EndpointConnectionError": DynamoTally(away, "quota"),
        "file is not a database": SqliteTally(tmp_path / "quota.sqlite"),
        "File exists": SqliteTally(tmp_path / "quota.sqlite" / "below"),
    }
    for said, tally in broken.items():
        for call in (
            lambda tally=tally: tally.add("a", Used(1, 1), Allowance(5), expires_at=LATER),
            lambda tally=tally: tally.read("a"),
        ):
            message = _refused_by(call)
            assert said in message
            assert message.startswith("Uploads cannot be counted, so none are taken: ")
    away.close()


def test_a_sqlite_file_that_somebody_holds_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.quota.sqlite._PATIENCE_S", 0.1)
    path = tmp_path / "quota.sqlite"
    tally = SqliteTally(path)
    tally.add("a", Used(1, 1), NO_LIMIT, expires_at=LATER)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert "locked" in _refused_by(
            lambda: tally.add("a", Used(1, 1), NO_LIMIT, expires_at=LATER)
        )
        holder.execute("ROLLBACK")
    assert tally.read("a") == Used(1, 1)
