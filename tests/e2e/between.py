"""A server between the browser and a stack, on which a test plays what networks, throttles and
servers on the way do. To the browser it is the site: page, API and pictures have its address."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from tests.integration.middle import Handler, Middle, standing


@dataclass(frozen=True)
class Say:
    """Answer in the stack's place."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hold:
    """Pass it on once `until` is set."""

    until: threading.Event


@dataclass(frozen=True)
class Half:
    """Break the connection in the middle of the answer."""


Fault = Say | Hold | Half | None
Answer = tuple[int, dict[str, str], bytes]


class Between(Middle):
    """`fault` says of each path with its query what becomes of it; None: it is passed on."""

    def __init__(self, server: str) -> None:
        super().__init__(server, _handler_of(self))
        self.fault: Callable[[str], Fault] = lambda _: None
        self.asked: list[str] = []
        """Method and path of all that came, in order."""

    def times(self, *parts: str) -> int:
        """How many requests had all of `parts` in them."""
        return sum(all(part in line for part in parts) for line in list(self.asked))

    def first(self, count: int, fault: Fault, part: str) -> None:
        """`fault` for the next `count` paths with `part` in them; all others are passed on."""
        left, lock = [fault] * count, threading.Lock()

        def one(path: str) -> Fault:
            with lock:
                return left.pop() if part in path and left else None

        self.fault = one

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer | None:
        """None: the connection breaks half-way."""
        self.asked.append(f"{method} {path}")
        fault = self.fault(path)
        if isinstance(fault, Say):
            return fault.status, dict(fault.headers), fault.body
        if isinstance(fault, Half):
            return None
        if isinstance(fault, Hold):
            fault.until.wait()
        return self.pass_on(method, path, headers, body)


_NOT_PASSED = {"connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"}


def _handler_of(between: Between) -> type[Handler]:
    class Passing(Handler):
        def _do(self) -> None:
            body = self.body()
            # The host stays as it is, so that addresses in answers lead back here; the stack
            # would not know the origin.
            given = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in _NOT_PASSED | {"origin"}
            }
            answer = between.answer(self.command, self.path, given, body)
            status, headers, data = answer or (200, {"Content-Type": "application/json"}, b'{"it')
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in _NOT_PASSED:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data) if answer else 1000))
            self.end_headers()
            self.wfile.write(data)
            if not answer:
                self.break_off()

        do_GET = do_POST = do_DELETE = _do

    return Passing


def between(server: str) -> AbstractContextManager[Between]:
    return standing(Between(server))
