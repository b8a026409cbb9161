"""The client of OpenSearch: what it tries again and what not, what it says, how it signs."""

from __future__ import annotations

import base64
import datetime
import hashlib
import http.server
import ipaddress
import json
import random
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chalicelib import deadline, wiring
from chalicelib.config import Settings
from chalicelib.errors import ConfigurationError, IndexUnavailable, IntellisenseError
from chalicelib.index.base import Refused, WriteResult
from chalicelib.index.opensearch import OpenSearchIndex, Shape, bulk, client, patience
from chalicelib.index.opensearch.client import (
    BodyTooLarge,
    Client,
    IndexMissing,
    RequestRefused,
)
from chalicelib.records import Filters
from tests.unit import logs, sentences

PASSWORD = "correct-horse-battery"


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Say:
    status: int = 200
    body: bytes = b'{"well": true}'
    kind: str = "application/json"
    missing: int = 0
    """So many bytes more are promised than come."""


CUT = None
"""The connection ends without an answer."""

Answer = Say | None


def error(status: int, kind: str = "some_exception", reason: str = "so it is") -> Say:
    body = {"error": {"type": kind, "reason": reason, "root_cause": []}, "status": status}
    return Say(status, json.dumps(body).encode())


class FakeServer:
    """Plays OpenSearch: gives the answers it is told to, then `always`, and keeps what it got."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.received: list[Received] = []
        self.always: Answer | Callable[[], Answer] = Say()
        self._front = _Front(("127.0.0.1", 0), _handler_of(self))
        self.port = self._front.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def over_tls(self, context: ssl.SSLContext) -> None:
        self._front.socket = context.wrap_socket(self._front.socket, server_side=True)

    def next_answer(self, received: Received) -> Answer:
        self.received.append(received)
        if self.answers:
            return self.answers.pop(0)
        return self.always() if callable(self.always) else self.always

    @contextmanager
    def running(self) -> Iterator[FakeServer]:
        thread = threading.Thread(target=self._front.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._front.shutdown()
            self._front.server_close()
            thread.join()


class _Front(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Handshakes that fail are what some tests are about."""


def _handler_of(server: FakeServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received = Received(self.command, self.path, headers, body)
            answer = server.next_answer(received)
            if answer is CUT or answer.missing:
                self.close_connection = True
            if answer is CUT:
                return
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body) + answer.missing))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_DELETE = _do

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on standard error."""

    return Handler


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer().running() as server:
        yield server


class Clock:
    """Stands in for `time` and `random`: a pause takes as long as it may and no time passes."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.bounds: list[float] = []
        self.pauses: list[float] = []
        self.share = 1.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def uniform(self, least: float, most: float) -> float:
        assert least == 0
        self.bounds.append(most)
        return most * self.share


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (client, bulk, patience):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(patience, "random", clock)
    return clock


@contextmanager
def client_of(server: FakeServer, path: str = "", **options: Any) -> Iterator[Client]:
    with closing(Client(server.url + path, **options)) as made:
        yield made


def failure(server: FakeServer, **options: Any) -> IntellisenseError:
    """What a request to `server` raises."""
    with client_of(server, **options) as client, pytest.raises(IntellisenseError) as raised:
        client.call("GET", "/images-x/_search")
    return raised.value


# --- trying again ---------------------------------------------------------------------------------

FOR_NOW: list[Answer] = [error(status) for status in (408, 429, 500, 502, 503, 504)]
STARTING = "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];"
FOR_NOW += [
    CUT,
    Say(503, b"<html><h1>Busy</h1></html>", "text/html"),
    Say(502, b""),
    Say(200, b'{"well": tr', missing=100),
    error(503, "cluster_block_exception", STARTING),
]


@pytest.mark.parametrize("answer", FOR_NOW, ids=lambda answer: str(answer)[:60])
def test_what_may_pass_is_tried_again_after_a_pause(
    server: FakeServer, clock: Clock, answer: Answer
) -> None:
    server.answers = [answer, answer]
    told: list[int] = []
    with client_of(server) as client:
        said = client.call("POST", "/x/_bulk", b"{}\n", on_retry=lambda: told.append(1))
    assert said == {"well": True}
    assert len(server.received) == 3
    assert clock.pauses == [0.1, 0.2]
    assert len(told) == 2
    assert {(r.method, r.path, r.body) for r in server.received} == {("POST", "/x/_bulk", b"{}\n")}


def test_pauses_are_drawn_up_to_a_bound_that_doubles_to_five_seconds(
    server: FakeServer, clock: Clock
) -> None:
    server.answers = [error(503)] * 9
    clock.share = 0.5
    with client_of(server, patience_s=1000) as client:
        client.call("GET", "/x")
    assert clock.bounds == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert clock.pauses == [bound / 2 for bound in clock.bounds]


def test_it_gives_up_when_its_patience_ends_and_never_sleeps_over_that_end(
    server: FakeServer, clock: Clock
) -> None:
    server.always = error(503, reason="all shards failed")
    raised = failure(server, patience_s=2)
    assert type(raised) is IndexUnavailable
    assert raised.message == f"OpenSearch at {server.url} did not answer: 503 all shards failed."
    assert sum(clock.pauses) < 2 <= sum(clock.bounds)
    assert len(server.received) == len(clock.pauses) + 1


def test_the_caller_may_have_less_patience(server: FakeServer, clock: Clock) -> None:
    server.always = error(429)
    with client_of(server, patience_s=100) as client, pytest.raises(IndexUnavailable):
        client.call("GET", "/x", patience_s=1)
    assert sum(clock.pauses) < 1


@pytest.mark.parametrize("seconds", [1.0, 0.0, -5.0])
def test_a_deadline_comes_before_patience(server: FakeServer, clock: Clock, seconds: float) -> None:
    server.always = error(503)
    with deadline.until(clock.now + seconds):
        failure(server, patience_s=100)
    assert sum(clock.pauses) < max(seconds, 0.01)
    assert len(server.received) == len(clock.pauses) + 1


def test_a_server_that_does_not_answer_in_time_is_asked_again_and_then_given_up(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = threading.Event()
    monkeypatch.setattr(client, "REQUEST_S", 0.2)
    monkeypatch.setattr(random, "uniform", lambda least, most: 0.0)

    def slow() -> Answer:
        waiting.wait()
        return Say()

    server.always = slow
    try:
        raised = failure(server, patience_s=0.5)
    finally:
        waiting.set()
    assert type(raised) is IndexUnavailable
    assert raised.message == f"OpenSearch at {server.url} did not answer: no answer in time."
    assert len(server.received) > 1


def test_nobody_at_the_address_is_said_as_such(clock: Clock) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with closing(Client(url)) as client, pytest.raises(IndexUnavailable) as raised:
            client.call("GET", "/x")
    assert raised.value.message == f"OpenSearch at {url} did not answer: no connection."
    assert len(clock.pauses) > 5


def test_a_search_fails_while_somebody_still_waits_though_its_mark_of_use_is_due(
    server: FakeServer, clock: Clock
) -> None:
    server.always = error(503)
    index = OpenSearchIndex(
        Client(server.url), name="x", dim=2, model="fake", bucket="photos", shape=Shape()
    )
    with closing(index), pytest.raises(IndexUnavailable):
        index.search(np.array([1, 0], dtype=np.float32), Filters(), limit=1, ranked=1)
    assert {r.path.partition("?")[0] for r in server.received} == {"/x/_mapping", "/x/_search"}
    assert sum(clock.pauses) < 10


# --- what is final --------------------------------------------------------------------------------

FULL = (
    "index [images-x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark]"
)
DENIED = "User: anonymous is not authorized to perform: es:ESHttpGet"


def aws(status: int, **body: str) -> Say:
    return Say(status, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        (
            error(400, "illegal_argument_exception", "no such field"),
            RequestRefused,
            "OpenSearch refused a request (400): no such field.",
        ),
        (
            Say(400, b"<html>Bad</html>", "text/html"),
            RequestRefused,
            "OpenSearch refused a request (400): Bad Request.",
        ),
        (Say(302, b""), RequestRefused, "OpenSearch refused a request (302): Found."),
        (
            Say(401, b"Unauthorized", "text/plain"),
            ConfigurationError,
            "OpenSearch at URL refused the sign-in (401 Unauthorized).",
        ),
        (
            aws(403, Message=DENIED),
            ConfigurationError,
            f"OpenSearch at URL refused the sign-in (403 {DENIED}).",
        ),
        (
            aws(403, message="The security token included in the request is expired."),
            ConfigurationError,
            "OpenSearch at URL refused the sign-in "
            "(403 The security token included in the request is expired).",
        ),
        (
            error(403, "security_exception", "no permissions for [indices:data/read/search]"),
            ConfigurationError,
            "OpenSearch at URL refused the sign-in "
            "(403 no permissions for [indices:data/read/search]).",
        ),
        (
            error(404, "index_not_found_exception", "no such index [images-x]"),
            IndexMissing,
            "The index is not there (any more): no such index [images-x].",
        ),
        (
            Say(404, b"404 page not found", "text/plain"),
            IndexMissing,
            "The index is not there (any more): Not Found.",
        ),
        (Say(413, b""), BodyTooLarge, "OpenSearch takes only smaller requests."),
        (
            error(429, "cluster_block_exception", FULL),
            IndexUnavailable,
            f"The index takes no writes ({FULL}). Most often the disk of OpenSearch is full: "
            "give it more, or delete an index that is not in use.",
        ),
        (
            error(403, "cluster_block_exception", "blocked by: [FORBIDDEN/5/index read-only];"),
            IndexUnavailable,
            "The index takes no writes (blocked by: [FORBIDDEN/5/index read-only];). Most often "
            "the disk of OpenSearch is full: give it more, or delete an index that is not in use.",
        ),
        (
            Say(200, b"<html>Welcome to the network of our hotel</html>", "text/html"),
            IndexUnavailable,
            "What answers at URL does not speak like OpenSearch: no JSON.",
        ),
        (
            Say(200, b'{"well": tr'),
            IndexUnavailable,
            "What answers at URL does not speak like OpenSearch: no JSON.",
        ),
        (
            Say(200, b"hello", "text/plain"),
            IndexUnavailable,
            "What answers at URL does not speak like OpenSearch: no JSON.",
        ),
        (
            Say(200, b""),
            IndexUnavailable,
            "What answers at URL does not speak like OpenSearch: no JSON.",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_final_is_not_tried_again_and_is_said_in_a_sentence(
    server: FakeServer, clock: Clock, answer: Say, kind: type[IntellisenseError], sentence: str
) -> None:
    server.answers = [answer]
    raised = failure(server)
    assert type(raised) is kind
    assert raised.message == sentence.replace("URL", server.url)
    assert sentences.faults(raised.message) == []
    assert len(server.received) == 1
    assert clock.pauses == []


def test_the_innermost_reason_is_given(server: FakeServer) -> None:
    cause = {"type": "parsing_exception", "reason": "unknown query [wish]"}
    outer = {"type": "x_content_parse_exception", "reason": "[1:20] failed", "caused_by": cause}
    server.answers = [Say(400, json.dumps({"error": outer}).encode())]
    assert failure(server).message == "OpenSearch refused a request (400): unknown query [wish]."
    shards = {"type": "search_phase_execution_exception", "reason": "all shards failed"}
    server.answers = [
        Say(400, json.dumps({"error": shards | {"root_cause": [cause]}}).encode()),
    ]
    assert failure(server).message == "OpenSearch refused a request (400): unknown query [wish]."


def test_a_reason_without_end_is_cut(server: FakeServer) -> None:
    server.answers = [error(400, reason="long " * 1000)]
    assert len(failure(server).message) < 400


# --- items of a bulk ------------------------------------------------------------------------------


def sent(server: FakeServer, *items: tuple[int, dict[str, Any]]) -> list[WriteResult]:
    """The results of a bulk whose items the server answers so, and "written" when asked again."""
    said = [{"create": {"_id": str(n), "status": s} | more} for n, (s, more) in enumerate(items)]
    answer = Say(200, json.dumps({"errors": True, "items": said}).encode())

    def written() -> Answer:
        count = len(server.received[-1].body.splitlines())
        return Say(200, json.dumps({"items": [{"create": {"status": 201}}] * count}).encode())

    server.answers, server.always = [answer], written
    actions = [b'{"create":{"_id":"%d"}}\n' % n for n in range(len(items))]
    with client_of(server) as client:
        return bulk.send(client, "x", actions, refresh=False, confirm=lambda _: set())


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_items_that_may_pass_are_sent_again_alone(
    server: FakeServer, clock: Clock, status: int
) -> None:
    busy = {"error": {"type": "busy", "reason": "later"}}
    assert sent(server, (201, {}), (status, busy), (201, {}), (409, {})) == [
        "written",
        "written",
        "written",
        "conflict",
    ]
    assert [r.body for r in server.received[1:]] == [b'{"create":{"_id":"1"}}\n']


def test_an_item_that_will_never_be_taken_is_refused_with_its_reasons(server: FakeServer) -> None:
    why = {"type": "mapper_parsing_exception", "reason": "failed to parse field [bytes]"}
    cause = {"caused_by": {"type": "input_coercion_exception", "reason": "out of range of long"}}
    results = sent(server, (400, {"error": why}), (400, {"error": why | cause}), (400, {}))
    assert results == [
        Refused("failed to parse field [bytes]"),
        Refused("failed to parse field [bytes] out of range of long"),
        Refused("status 400"),
    ]


@pytest.mark.parametrize("status", [401, 403])
def test_an_item_that_the_role_may_not_write_is_no_fault_of_the_record(
    server: FakeServer, status: int
) -> None:
    denied = {"error": {"type": "security_exception", "reason": "no permissions for [bulk]"}}
    with pytest.raises(ConfigurationError) as raised:
        sent(server, (201, {}), (status, denied))
    assert raised.value.message == (
        f"OpenSearch at {server.url} refused the sign-in ({status} no permissions for [bulk])."
    )


def test_a_node_that_is_starting_does_not_count_as_a_full_disk(
    server: FakeServer, clock: Clock
) -> None:
    starting = {"error": {"type": "cluster_block_exception", "reason": STARTING}}
    assert sent(server, (503, starting)) == ["written"]
    full = {"error": {"type": "cluster_block_exception", "reason": FULL}}
    for status in (403, 429):
        with pytest.raises(IndexUnavailable, match="Most often the disk of OpenSearch is full"):
            sent(server, (status, full))


def test_items_that_are_never_taken_in_time_end_the_patience(
    server: FakeServer, clock: Clock
) -> None:
    busy = {"create": {"status": 429, "error": {"type": "rejected", "reason": "queue is full"}}}
    server.always = Say(200, json.dumps({"items": [busy]}).encode())
    with client_of(server, patience_s=2) as client, pytest.raises(IndexUnavailable) as raised:
        bulk.send(client, "x", [b"{}\n"], refresh=False, confirm=lambda _: set())
    assert raised.value.message == (
        f"OpenSearch at {server.url} did not take 1 writes: 429 queue is full."
    )
    assert sum(clock.pauses) < 2


# --- addresses and secrets ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:9200",
        f"user:{PASSWORD}@host:9200",
        "ftp://host",
        "https://",
        f"https://user:{PASSWORD}@",
        "https://host:port",
        "https://host:99999",
        "http://[::1",
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Client(url)
    assert raised.value.message.startswith("The address of OpenSearch must be like https://host,")
    assert PASSWORD not in raised.value.message


def test_passwords_are_in_no_message_and_in_no_log(server: FakeServer, clock: Clock) -> None:
    secret = base64.b64encode(f"anna:{PASSWORD}".encode()).decode()
    url = server.url.replace("//", f"//other:{PASSWORD}@")
    told = []
    with closing(Client(url, auth=("anna", PASSWORD))) as client, logs.captured() as lines:
        for answer in (CUT, error(503), error(400), error(401), error(404), Say(200, b"<html>")):
            server.answers = [answer, error(400)]
            with pytest.raises(IntellisenseError) as raised:
                client.call("GET", "/x")
            told.append(str(raised.value))
    told += [json.dumps(line) for line in lines()]
    assert any("index asked again" in line for line in told)
    assert [line for line in told if PASSWORD in line or secret in line] == []
    assert [line for line in told if "Basic" in line] == []


def test_name_and_password_are_sent_as_basic_sign_in(server: FakeServer) -> None:
    settings = opensearch_settings(
        server, opensearch_auth="basic", opensearch_user="änna", opensearch_password=PASSWORD
    )
    with closing(wiring._opensearch(settings)) as client:
        client.call("GET", "/x")
    (received,) = server.received
    scheme, _, given = received.headers["authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(given).decode() == f"änna:{PASSWORD}"


def test_without_a_sign_in_none_is_sent(server: FakeServer) -> None:
    with closing(wiring._opensearch(opensearch_settings(server, opensearch_auth="none"))) as client:
        client.call("GET", "/x")
    assert "authorization" not in server.received[0].headers


@pytest.mark.parametrize("prefix", ["/search", "/search/", "/a/deeper/place"])
def test_an_address_may_have_a_path(server: FakeServer, prefix: str) -> None:
    with client_of(server, prefix) as client:
        client.call("POST", "/images-x/_search", {"size": 1}, params={"format": "json"})
        client.call("GET", "/_cat/indices/images-*")
    assert [r.path for r in server.received] == [
        prefix.rstrip("/") + "/images-x/_search?format=json",
        prefix.rstrip("/") + "/_cat/indices/images-*",
    ]


def test_bodies_are_json_with_every_digit_of_a_vector(server: FakeServer) -> None:
    vector = np.random.default_rng(1).standard_normal(64).astype(np.float32)
    with client_of(server) as client:
        client.call("POST", "/x/_search", {"vector": vector, "name": "größe"})
        client.call("POST", "/x/_bulk", b"{}\n")
    first, second = server.received
    body = json.loads(first.body)
    assert body["name"] == "größe"
    np.testing.assert_array_equal(np.array(body["vector"], dtype=np.float32), vector)
    assert first.headers["content-type"] == "application/json"
    assert second.headers["content-type"] == "application/x-ndjson"


# --- signatures -----------------------------------------------------------------------------------

REGION = "eu-central-1"


def opensearch_settings(server: FakeServer, **more: Any) -> Settings:
    values = {"bucket": "photos", "thumbnails_bucket": "thumbs", "opensearch_url": server.url}
    return Settings(**(values | {"region": REGION, "opensearch_auth": "iam"} | more))


def signature_of(received: Received, credentials: Credentials) -> str:
    """The Authorization that whoever has `credentials` would send with what was received."""
    given = received.headers
    signed = re.search(r"SignedHeaders=([^,]+)", given["authorization"])
    assert signed is not None
    request = AWSRequest(
        method=received.method,
        url=f"http://{given['host']}{received.path}",
        data=received.body,
        headers={name: given[name] for name in signed[1].split(";")},
    )
    request.context["timestamp"] = given["x-amz-date"]
    auth = SigV4Auth(credentials, "es", REGION)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return (
        f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={signed[1]}, "
        f"Signature={auth.signature(text, request)}"
    )


@pytest.mark.parametrize("token", [None, "a-session-token/with+odd=characters"])
@pytest.mark.parametrize("prefix", ["", "/behind/a/gateway"])
def test_requests_are_signed_so_that_aws_comes_to_the_same_signature(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, token: str | None, prefix: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    credentials = Credentials("AKIAEXAMPLE", "very-secret", token)
    settings = opensearch_settings(server, opensearch_url=server.url + prefix)
    with closing(wiring._opensearch(settings)) as client:
        client.call("GET", "/_cat/indices/images-*", params={"format": "json"})
        client.call("GET", "/images-x~1.2/_mapping")
        client.call("POST", "/x/_search", {"query": "größe"}, params={"b": "2 3", "a": "x,y*/"})
        client.call("POST", "/x.writes/_bulk", b'{"create":{}}\n{}\n', params={"refresh": "true"})
        client.call("PUT", "/x", {"settings": {}})
        client.call("DELETE", "/x")
    assert len(server.received) == 6
    for received in server.received:
        headers = received.headers
        assert headers["authorization"] == signature_of(received, credentials)
        assert headers["x-amz-content-sha256"] == hashlib.sha256(received.body).hexdigest()
        assert headers.get("x-amz-security-token") == token
        assert f"/{REGION}/es/aws4_request" in headers["authorization"]
        signed = re.search(r"SignedHeaders=([^,]+)", headers["authorization"])
        assert signed is not None
        assert {"host", "x-amz-date"} <= set(signed[1].split(";"))
        # What is changed on the way is noticed.
        for altered in (
            Received("PATCH", received.path, received.headers, received.body),
            Received(received.method, received.path + "x", received.headers, received.body),
            Received(received.method, received.path, received.headers, received.body + b"x"),
        ):
            assert headers["authorization"] != signature_of(altered, credentials)
        assert "very-secret" not in str(received)


def test_a_request_that_is_sent_again_is_signed_anew(
    server: FakeServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS refuses signatures that are older than some minutes."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "first-secret")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    signer = wiring._opensearch_auth(opensearch_settings(server))
    assert callable(signer)
    signatures: list[dict[str, str]] = []

    def counted(*arguments: Any) -> dict[str, str]:
        signatures.append(signer(*arguments))
        return signatures[-1] | {"X-Number": str(len(signatures))}

    server.answers = [error(503)]
    with client_of(server, auth=counted) as client:
        client.call("GET", "/x")
    assert [r.headers["x-number"] for r in server.received] == ["1", "2"]


@pytest.mark.parametrize("lacking", ["credentials", "region"])
def test_signing_without_credentials_or_region_is_a_matter_of_configuration(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lacking: str
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    if lacking == "region":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    settings = opensearch_settings(server, region="" if lacking == "region" else REGION)
    with pytest.raises(ConfigurationError) as raised:
        wiring._opensearch(settings)
    assert raised.value.message == (
        "IMAGES_OPENSEARCH_AUTH=iam needs AWS credentials and a region (IMAGES_REGION)."
    )


@pytest.mark.parametrize("name", ["opensearch_user", "opensearch_password"])
def test_basic_sign_in_needs_both_name_and_password(server: FakeServer, name: str) -> None:
    given = {"opensearch_user": "anna", "opensearch_password": PASSWORD} | {name: ""}
    with pytest.raises(ConfigurationError) as raised:
        wiring._opensearch(opensearch_settings(server, opensearch_auth="basic", **given))
    assert "needs IMAGES_OPENSEARCH_USER and IMAGES_OPENSEARCH_PASSWORD." in raised.value.message


# --- certificates ---------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Key and self-signed certificate of 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
def secure(certificate: Path) -> Iterator[FakeServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = FakeServer()
    server.over_tls(context)
    with server.running():
        yield server


def https(server: FakeServer) -> str:
    return f"https://127.0.0.1:{server.port}"


NAMES_CA_FILE = "IMAGES_OPENSEARCH_CA_FILE names the certificate to trust."


def test_a_certificate_that_nobody_vouches_for_ends_with_the_setting_that_trusts_it(
    secure: FakeServer, certificate: Path, clock: Clock
) -> None:
    url = https(secure)
    with closing(Client(url)) as client, pytest.raises(ConfigurationError) as raised:
        client.call("GET", "/x")
    assert raised.value.message.startswith(f"No secure connection to OpenSearch at {url}: ")
    assert "self-signed certificate" in raised.value.message
    assert raised.value.message.endswith(NAMES_CA_FILE)
    assert clock.pauses == []
    with closing(Client(url, ca_file=str(certificate))) as client:
        assert client.call("GET", "/x") == {"well": True}


def test_a_certificate_file_that_is_not_there_ends_with_its_setting(
    secure: FakeServer, tmp_path: Path, clock: Clock
) -> None:
    missing = str(tmp_path / "missing.pem")
    with (
        closing(Client(https(secure), ca_file=missing)) as client,
        pytest.raises(ConfigurationError) as raised,
    ):
        client.call("GET", "/x")
    assert raised.value.message.endswith(NAMES_CA_FILE)
    assert clock.pauses == []


def test_a_server_without_tls_at_an_https_address_is_a_matter_of_configuration(
    server: FakeServer, clock: Clock
) -> None:
    with closing(Client(https(server))) as client, pytest.raises(ConfigurationError) as raised:
        client.call("GET", "/x")
    assert raised.value.message.startswith("No secure connection to OpenSearch at https://")
    assert clock.pauses == []


def test_a_server_that_ends_in_mid_handshake_is_asked_again(
    secure: FakeServer, certificate: Path, clock: Clock
) -> None:
    """As one that is restarted behind a load balancer does."""
    hung_up: list[bytes] = []

    def hang_up() -> None:
        for _ in range(2):
            connection = listener.accept()[0]
            with connection:
                hung_up.append(connection.recv(65536))

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(30)
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=hang_up)
        thread.start()
        with (
            closing(Client(url, ca_file=str(certificate), patience_s=0.25)) as client,
            pytest.raises(IndexUnavailable) as raised,
        ):
            client.call("GET", "/x")
        thread.join()
    assert raised.value.message == f"OpenSearch at {url} did not answer: no connection."
    assert len(hung_up) == 2
