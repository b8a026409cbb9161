"""No route fetches an address that its caller names: addresses in every text of every route, and
all that the process connects to is watched."""

from __future__ import annotations

import copy
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import boto3
import pytest
from chalice.config import Config
from chalice.local import LocalGateway

import app as routes
from chalicelib import openapi, wiring
from chalicelib.config import Settings
from tests.integration.pictures import jpeg

LETTERS = ("/dead-letters/redrive", "/dead-letters/discard")


class Trap:
    """A web server that remembers who came."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        trap = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                trap.asked.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(jpeg(1))

            do_HEAD = do_PUT = do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture(scope="module")
def trap() -> Iterator[Trap]:
    trap = Trap()
    yield trap
    trap.server.shutdown()
    trap.server.server_close()


@pytest.fixture
def gateway(
    endpoint: str, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LocalGateway]:
    """The application over its real services."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    session = boto3.Session("local", "local", region_name="us-east-1")
    queues = [
        session.client("sqs", endpoint_url=endpoint).create_queue(QueueName=name)["QueueUrl"]
        for name in ("ingest", "given-up")
    ]
    known = Settings(
        bucket="photos", thumbnails_bucket="small", endpoint=endpoint, region="us-east-1",
        queue_url=queues[0], dead_letter_queue_url=queues[1], auth="none", decoders=1,
        index_folder=str(tmp_path / "index"), model_folder=str(tiny),
    )  # fmt: skip
    s3 = session.client("s3", endpoint_url=endpoint)
    for bucket in ("photos", "small"):
        s3.create_bucket(Bucket=bucket)
    services = wiring.build(known)
    services.bucket.put("a/1.jpg", jpeg(1), "image/jpeg")
    services.ingest.process(["a/1.jpg"])
    monkeypatch.setattr(wiring, "services", lambda: services)
    yield LocalGateway(routes.app, Config())
    services.close()


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address this process connects to or asks the name of, from now on; but for what goes
    on in it already, such as servers of other tests."""
    seen: list[str] = []
    others = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}
    connect, named = socket.socket.connect, socket.getaddrinfo

    def watching(self: socket.socket, address: Any) -> None:
        said = f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)
        if threading.get_ident() not in others:
            seen.append(said)
        connect(self, address)

    def asking(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if threading.get_ident() not in others:
            seen.append(f"{host}:{port}")
        return named(host, port, *rest, **more)

    monkeypatch.setattr(socket.socket, "connect", watching)
    monkeypatch.setattr(socket, "getaddrinfo", asking)
    return seen


def addresses(trap: str) -> list[str]:
    host = urlsplit(trap).netloc
    return [
        f"{trap}/picture.jpg",
        f"//{host}/picture.jpg",
        "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
        "https://example.org/picture.jpg",
        "s3://other-bucket/picture.jpg",
        "file:///etc/passwd",
        f"url({trap}/picture.jpg)",
    ]


def with_address(value: Any, address: str) -> Iterator[Any]:
    """`value` once for each text in it, with `address` in that one's place."""
    if isinstance(value, str):
        yield address
        yield f"data:image/jpeg;base64,{address}"
    elif isinstance(value, dict):
        for name, part in value.items():
            for changed in with_address(part, address):
                yield {**copy.deepcopy(value), name: changed}
    elif isinstance(value, list):
        for number, part in enumerate(value):
            for changed in with_address(part, address):
                yield [*value[:number], changed, *value[number + 1 :]]


def asked(address: str) -> Iterator[tuple[str, str, Any, dict[str, str]]]:
    """(method, path, body, headers): every route, with `address` wherever a text may stand."""
    said = json.loads(openapi.text(routes.app, auth="none", version="1", server="http://x"))
    schemas = said["components"]["schemas"]
    for path, methods in said["paths"].items():
        for method, operation in methods.items():
            verb, known = method.upper(), path.replace("{id}", "0" * 32)
            quoted = urlencode({"": address})[1:]
            if "{id}" in path:
                yield verb, path.replace("{id}", quoted), None, {}
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query":
                    yield verb, f"{known}?{parameter['name']}={quoted}", None, {}
            if body := operation.get("requestBody"):
                name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                for example in schemas[name]["examples"]:
                    for changed in with_address(example, address):
                        yield verb, known, changed, {}
            for header in ("referer", "origin", "x-forwarded-host", "authorization", "cookie"):
                yield verb, known, None, {header: address}


def test_no_address_that_a_caller_names_is_ever_asked(
    gateway: LocalGateway, endpoint: str, trap: Trap, connected: list[str]
) -> None:
    wanted = urlsplit(endpoint).netloc
    statuses: dict[int, int] = {}
    for address in addresses(trap.url):
        for method, path, body, headers in asked(address):
            sent = {"host": "127.0.0.1:8000", "content-type": "application/json", **headers}
            data = b"" if body is None else json.dumps(body).encode()
            answer = gateway.handle_request(method, path, sent, data)
            statuses[answer["statusCode"]] = statuses.get(answer["statusCode"], 0) + 1
    assert trap.asked == []
    assert set(connected) == {wanted}
    # It was not all refused at the door: names, texts and keys were taken as what they are.
    assert statuses[200] > 50
    assert statuses[201] > 10
    assert statuses[400] > 100


def test_the_trap_and_the_watch_would_notice(trap: Trap, connected: list[str]) -> None:
    with socket.create_connection((urlsplit(trap.url).hostname, urlsplit(trap.url).port)) as one:
        one.sendall(b"GET /noticed HTTP/1.0\r\n\r\n")
        assert one.recv(100)
    assert trap.asked.pop() == "/noticed"
    assert connected[-1] == urlsplit(trap.url).netloc
