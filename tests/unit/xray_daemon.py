"""X-Ray's daemon, as far as what is sent to it is looked at: each document must keep the rules of
https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Document = dict[str, Any]

MOST_BYTES = 64 * 1024
_EVERY = {
    "name",
    "id",
    "start_time",
    "end_time",
    "in_progress",
    "error",
    "throttle",
    "fault",
    "cause",
    "annotations",
    "metadata",
    "subsegments",
    "http",
    "aws",
}
SEGMENT = _EVERY | {"trace_id", "parent_id", "service", "user", "origin"}
SUBSEGMENT = _EVERY | {"trace_id", "parent_id", "type", "namespace", "traced", "precursor_ids"}


class Daemon:
    """Holds what came in, in order."""

    def __init__(self, taken: socket.socket) -> None:
        self._socket = taken
        host, port = taken.getsockname()
        self.address = f"{host}:{port}"

    def documents(self) -> list[Document]:
        """Those that came since this was last asked; each keeps the rules."""
        found = []
        while True:
            try:
                data = self._socket.recv(MOST_BYTES + 1)
            except BlockingIOError:
                return found
            assert len(data) <= MOST_BYTES
            head, _, body = data.partition(b"\n")
            assert json.loads(head) == {"format": "json", "version": 1}
            found.append(json.loads(body))
            assert faults(found[-1]) == []


@contextmanager
def daemon() -> Iterator[Daemon]:
    """On 127.0.0.1: what was sent to it before it is asked has arrived."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.setblocking(False)
        yield Daemon(taken)


def faults(document: Document) -> list[str]:
    """What is wrong with a document, a sentence each."""
    alone = document.get("type") == "subsegment"
    known = SUBSEGMENT if alone else SEGMENT
    wrong = [f"there is no field {name}" for name in document if name not in known]
    if not re.fullmatch(r"1-[0-9a-f]{8}-[0-9a-f]{24}", document.get("trace_id", "")):
        wrong.append("trace_id is none")
    if alone and "parent_id" not in document:
        wrong.append("a subsegment sent alone needs parent_id")
    parent = document.get("parent_id", "0" * 16)
    if not re.fullmatch(r"[0-9a-f]{16}", parent) or parent == document.get("id"):
        wrong.append("parent_id is none")
    return wrong + _faults(document)


def _faults(part: Document) -> list[str]:
    """Those of what segments and subsegments have in common."""
    wrong = []
    if not re.fullmatch(r"[\w \-_.:/%&#=+\\@]{1,200}", part.get("name", "")):
        wrong.append("name is none")
    if not re.fullmatch(r"[0-9a-f]{16}", part.get("id", "")):
        wrong.append("id is none")
    began, ended = part.get("start_time"), part.get("end_time")
    # Seconds, not milliseconds.
    if not (isinstance(began, float) and 1e9 < began < 1e10):
        wrong.append("start_time is none")
    if not (isinstance(ended, float) and isinstance(began, float) and ended >= began):
        wrong.append("end_time is none")
    for key, value in part.get("annotations", {}).items():
        if not re.fullmatch(r"[A-Za-z0-9_]{1,500}", key):
            wrong.append(f"no annotation can be called {key}")
        if not isinstance(value, str | int | float | bool) or len(str(value)) > 1000:
            wrong.append(f"the annotation {key} has no value")
    for within in part.get("subsegments", []):
        wrong += [f"there is no field {name}" for name in within if name not in SUBSEGMENT]
        wrong += _faults(within)
    return wrong
