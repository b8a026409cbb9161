"""The front of the one-machine stack over fakes, asked over real HTTP."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from werkzeug.serving import make_server

import app as routes
from local.front import Front
from tests.served import served

WEB = Path(__file__).resolve().parents[2] / "web"


class Fronted:
    """`url` is its address."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        given: dict[str, Any] = {"allow_redirects": False, "timeout": 60, **more}
        return requests.request(method, self.url + path, **given)

    def raw(
        self,
        method: str,
        target: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        *,
        chunked: bool = False,
    ) -> tuple[int, dict[str, str], bytes]:
        """With the target as it stands: requests would mend it."""  # fmt: skip
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            asked.request(method, target, body, headers or {}, encode_chunked=chunked)
            answer = asked.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        finally:
            asked.close()


@contextmanager
def fronted(origins: frozenset[str] = frozenset()) -> Iterator[Fronted]:
    front = Front(routes.app, WEB, "http://127.0.0.1:1", origins=origins)
    server = make_server("127.0.0.1", 0, front, threaded=True)
    with served(server):
        yield Fronted(server.server_port)
