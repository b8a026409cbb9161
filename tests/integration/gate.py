"""An S3 server behind a gate: of what a job reads of it, so much goes through and no more. Whoever
kills the job then kills it before its end, however late they come."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.local_stack import BUCKET
from tests.integration.middle import Handler, Middle, standing

_OURS = {"connection", "content-length", "date", "server", "transfer-encoding"}


class Gate(Middle):
    """`url` is the server's, by the way of the gate. Readings of objects beyond the first `count`
    wait for `open`."""

    def __init__(self, server: str, count: int) -> None:
        super().__init__(server, _handler_of(self))
        self._left = iter(range(count))
        self._opened = threading.Event()

    def open(self) -> None:
        self._opened.set()

    def admit(self, method: str, path: str) -> None:
        reads = method == "GET" and path.startswith(f"/{BUCKET}/") and "list-type=" not in path
        if reads and next(self._left, None) is None:
            self._opened.wait()


def _handler_of(gate: Gate) -> type[Handler]:
    class Passing(Handler):
        def _do(self) -> None:
            body = self.body()
            gate.admit(self.command, self.path)
            given = {k: v for k, v in self.headers.items() if k.lower() != "expect"}
            status, headers, answer = gate.pass_on(self.command, self.path, given, body)
            self.send_response(status)
            length = headers.get("Content-Length", "0") if self.command == "HEAD" else len(answer)
            kept = {k: v for k, v in headers.items() if k.lower() not in _OURS}
            for name, value in {**kept, "Content-Length": str(length)}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _do

    return Passing


@contextmanager
def gate_before(server: str, count: int) -> Iterator[Gate]:
    """Open at the end, for whoever waits still."""
    with standing(Gate(server, count)) as gate:
        try:
            yield gate
        finally:
            gate.open()
