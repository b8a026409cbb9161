"""An HTTP proxy before a server, on which a test plays what networks and busy servers do."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from tests.integration.middle import Handler, Middle, standing


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


class Proxy(Middle):
    """`fault` says of each request what becomes of it; None: it is passed on."""

    def __init__(self, server: str) -> None:
        super().__init__(server, _handler_of(self))
        self.exchanges: list[Exchange] = []
        """All so far, in the order of their ends."""
        self.fault: Callable[[Asked], Fault] = lambda _: None
        self.rewrite: Callable[[bytes], bytes] = lambda answer: answer
        """What becomes of answers on the way back."""
        self._lock = threading.Lock()

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
        status, answered, answer = self.pass_on(asked.method, asked.path, headers, asked.body)
        said = {k: v for k, v in answered.items() if k.lower() in _PASSED_BACK}
        return status, self.rewrite(answer), said


def _handler_of(proxy: Proxy) -> type[Handler]:
    class Passing(Handler):
        def _do(self) -> None:
            body = self.body()
            given = {k: v for k, v in self.headers.items() if k.lower() in _PASSED_ON}
            exchange = proxy.answer(Asked(self.command, self.path, body), given)
            if exchange.status == 0:
                return self.break_off()
            self.send_response(exchange.status)
            for name, value in {"Content-Type": "application/json", **exchange.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(exchange.answer)))
            self.end_headers()
            self.wfile.write(exchange.answer)
            return None

        do_GET = do_POST = do_PUT = do_DELETE = _do

    return Passing


_PASSED_ON = {"content-type", "authorization", "host", "range"}
_PASSED_BACK = {"content-range", "location", "retry-after"}


def proxy_before(server: str) -> AbstractContextManager[Proxy]:
    return standing(Proxy(server))


def lines_of(bulk: Exchange) -> list[dict[str, Any]]:
    """The lines of a bulk request, actions and documents."""
    return [json.loads(line) for line in bulk.asked.body.splitlines()]
