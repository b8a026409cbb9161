"""An HTTP proxy before a server, on which a test plays what networks and busy servers do."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it came in; `path` with its query."""

    method: str
    path: str
    body: bytes

    @property
    def is_bulk(self) -> bool:
        return self.path.partition("?")[0].endswith("/_bulk")


@dataclass(frozen=True)
class Say:
    """Answer in the server's place."""

    status: int
    body: bytes = b'{"error": {"type": "from_the_proxy", "reason": "as the test wants it"}}'
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Alter:
    """Let other bytes reach the server than were sent."""

    change: Callable[[bytes], bytes]


@dataclass(frozen=True)
class Lose:
    """Let the server carry it out and break the connection instead of answering."""


@dataclass(frozen=True)
class Cut:
    """Break the connection; the server never hears of it."""


@dataclass(frozen=True)
class Hold:
    """Pass it on only after `until` is set, whether somebody still waits for the answer or not."""

    until: threading.Event


Fault = Say | Alter | Lose | Cut | Hold | None


@dataclass(frozen=True)
class Exchange:
    """`status` is 0 where nobody got an answer."""

    asked: Asked
    status: int
    answer: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Proxy:
    """`fault` says of each request what becomes of it; None: it is passed on."""

    def __init__(self, server: str) -> None:
        self.exchanges: list[Exchange] = []
        """All so far, in the order of their ends."""
        self.fault: Callable[[Asked], Fault] = lambda _: None
        self.rewrite: Callable[[bytes], bytes] = lambda answer: answer
        """What becomes of answers on the way back."""
        self._server = urlsplit(server)
        self._lock = threading.Lock()
        self._front = _Front(("127.0.0.1", 0), _handler_of(self))
        self.url = f"http://127.0.0.1:{self._front.server_address[1]}"

    @property
    def bulks(self) -> list[Exchange]:
        return [e for e in list(self.exchanges) if e.asked.is_bulk]

    def first(self, count: int, fault: Fault) -> None:
        """`fault` for the next `count` bulk requests; all others are passed on."""
        left = [fault] * count

        def one(asked: Asked) -> Fault:
            with self._lock:
                return left.pop() if asked.is_bulk and left else None

        self.fault = one

    def serve(self) -> None:
        self._front.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        self._front.shutdown()
        self._front.server_close()

    def answer(self, asked: Asked, headers: dict[str, str]) -> Exchange:
        exchange = self._answer(asked, headers)
        with self._lock:
            self.exchanges.append(exchange)
        return exchange

    def _answer(self, asked: Asked, headers: dict[str, str]) -> Exchange:
        fault = self.fault(asked)
        if isinstance(fault, Say):
            return Exchange(asked, fault.status, fault.body, fault.headers)
        if isinstance(fault, Cut):
            return Exchange(asked, 0)
        if isinstance(fault, Hold):
            fault.until.wait()
        sent = fault.change(asked.body) if isinstance(fault, Alter) else asked.body
        try:
            status, answer, said = self._passed_on(Asked(asked.method, asked.path, sent), headers)
        except (OSError, http.client.HTTPException):
            return Exchange(asked, 0)
        return Exchange(asked, 0 if isinstance(fault, Lose) else status, answer, said)

    def _passed_on(
        self, asked: Asked, headers: dict[str, str]
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection(self._server.netloc, timeout=120)
        with contextlib.closing(connection):
            connection.request(asked.method, asked.path, asked.body or None, headers)
            answer = connection.getresponse()
            said = {k: v for k, v in answer.getheaders() if k.lower() in _PASSED_BACK}
            return answer.status, self.rewrite(answer.read()), said


class _Front(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked may have gone away: that is what many a test is about."""


def _handler_of(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            given = {k: v for k, v in self.headers.items() if k.lower() in _PASSED_ON}
            exchange = proxy.answer(Asked(self.command, self.path, body), given)
            if exchange.status == 0:
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(exchange.status)
            for name, value in {"Content-Type": "application/json", **exchange.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(exchange.answer)))
            self.end_headers()
            self.wfile.write(exchange.answer)

        do_GET = do_POST = do_PUT = do_DELETE = _do

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on standard error."""

    return Handler


_PASSED_ON = {"content-type", "authorization", "host", "range"}
_PASSED_BACK = {"content-range", "location", "retry-after"}


@contextmanager
def proxy_before(server: str) -> Iterator[Proxy]:
    proxy = Proxy(server)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()


def lines_of(bulk: Exchange) -> list[dict[str, Any]]:
    """The lines of a bulk request, actions and documents."""
    return [json.loads(line) for line in bulk.asked.body.splitlines()]
