"""What stands between somebody and a server, on a port of its own: what a proxy for programs and
one for a browser have in common."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tests.served import served


class Front(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked may have gone away: that is what many a test is about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def break_off(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on standard error."""


class Middle:
    """Stands before `server`, an address; `handler` answers."""

    def __init__(self, server: str, handler: type[Handler]) -> None:
        self._server = urlsplit(server).netloc
        self.front = Front(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.front.server_address[1]}"

    def pass_on(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """What the server answers: (status, headers, body)."""
        return passed_on(self._server, method, path, headers, body)


def passed_on(
    server: str, method: str, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """What `server`, a host and port, answers: (status, headers, body)."""
    connection = http.client.HTTPConnection(server, timeout=120)
    with contextlib.closing(connection):
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


AnyMiddle = TypeVar("AnyMiddle", bound=Middle)


@contextmanager
def standing(middle: AnyMiddle) -> Iterator[AnyMiddle]:
    """It answers until the end."""
    with served(middle.front):
        yield middle
