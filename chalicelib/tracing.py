"""Traces: what became of a request, as X-Ray's segment documents.

The upload's place in its trace travels in the object's own metadata, and the embedder writes its
stages there, so that one trace tells of an image from the request to the index.

Documents go by UDP to the daemon that runs beside a function in Lambda
(https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html); their fields are those
of https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html. X-Ray's SDK is
not used: in Lambda it writes into no trace but the invocation's own, and it takes a quarter of a
second to import. Nothing here raises for a trace's sake, and nothing is done where there is none.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import secrets
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from chalicelib import __version__
from chalicelib.config import invocation_trace
from chalicelib.errors import IntellisenseError

Note = str | int | float | bool
Span = tuple[float, float]
"""When something began and ended, by `time.perf_counter`."""

UPLOADED_WITHIN_S = 3600
"""An object uploaded later than this after the request whose trace it names is a copy of what was
uploaded then, or was brought back: that trace is not about it."""

_PREFIX = b'{"format":"json","version":1}\n'
_ROOT = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Link:
    """A place in a trace that is kept: `root` names the trace, `parent` what asked for the rest
    ("" where nobody says)."""

    root: str
    parent: str

    @classmethod
    def parse(cls, header: str) -> Link | None:
        """From a tracing header
        (https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader).
        None where it is none, or says that this trace is not kept: anyone may write metadata."""
        parts = dict(part.strip().partition("=")[::2] for part in header.split(";"))
        root, parent = parts.get("Root", ""), parts.get("Parent", "")
        kept = parts.get("Sampled") == "1"
        if not (kept and _ROOT.fullmatch(root) and (not parent or _ID.fullmatch(parent))):
            return None
        return cls(root, parent)

    @property
    def header(self) -> str:
        return f"Root={self.root};Parent={self.parent};Sampled=1"

    @property
    def began_at(self) -> int:
        """Seconds since 1970, which each trace's name says of itself."""
        return int(self.root[2:10], 16)


def upload_link(header: str, uploaded_at: float) -> Link | None:
    """The place in a trace that an object's metadata name, if that trace is about this object.
    `uploaded_at` in seconds since 1970."""
    link = Link.parse(header)
    within = link is not None and -60 <= uploaded_at - link.began_at <= UPLOADED_WITHIN_S
    return link if within else None


@dataclass(slots=True)
class Step:
    """Something that is being done; what is noted here stands in its trace."""

    link: Link | None = None
    """Its own place, for what it asks of others; None where nothing is traced."""
    notes: dict[str, Note] = field(default_factory=dict)
    stages_ms: dict[str, float] = field(default_factory=dict)
    """Milliseconds of its parts, one after the other from its beginning."""

    @property
    def header(self) -> str:
        """What goes along with a call so that it is told in this trace; "" where nothing is."""
        return self.link.header if self.link else ""


class Tracer:
    """Writes what this process does into traces. `on`: whether it does at all."""

    def __init__(self, *, on: bool = True) -> None:
        self._on = on

    def here(self) -> Link | None:
        """The invocation's place; None where it is not traced."""
        link = Link.parse(invocation_trace()[0]) if self._daemon() else None
        return link if link and link.parent else None

    @contextmanager
    def step(self, name: str, **notes: Note) -> Iterator[Step]:
        """Within it something is done for the invocation at hand: one of its subsegments."""
        here = self.here()
        if here is None:
            yield Step()
            return
        step = Step(Link(here.root, new_id()), notes)
        began, ends = time.time(), {}
        try:
            yield step
        except Exception as error:
            ends = how_it_failed(error)
            raise
        finally:
            assert step.link
            times = {"start_time": began, "end_time": time.time()}
            self.write(
                document(name, here, times, parts=_in_a_row(step.stages_ms, began), **step.notes)
                | {"id": step.link.parent, "type": "subsegment"}
                | ends
            )

    def write(self, made: Mapping[str, Any]) -> None:
        """Give a document to the daemon. What is lost is lost."""
        if daemon := self._daemon():
            text = json.dumps(made, separators=(",", ":")).encode()
            with contextlib.suppress(OSError):
                _socket().sendto(_PREFIX + text, daemon)

    @property
    def writes(self) -> bool:
        """Whether anyone takes documents."""
        return self._daemon() is not None

    def _daemon(self) -> tuple[str, int] | None:
        return _address(invocation_trace()[1]) if self._on else None


def document(
    name: str, at: Link, times: Mapping[str, float], *, parts: Sequence[Any] = (), **notes: Note
) -> dict[str, Any]:
    """A segment called `name`, asked for by `at`. `notes` can be searched for: they hold no
    pictures, keys, words or addresses."""
    made: dict[str, Any] = {
        "name": name,
        "id": new_id(),
        "trace_id": at.root,
        **times,
        "annotations": notes,
    }
    made |= {"parent_id": at.parent} if at.parent else {}
    return made | ({"subsegments": list(parts)} if parts else {})


def told(spans: Mapping[str, Span]) -> list[dict[str, Any]]:
    """Subsegments, one for each of `spans`, which are of this process."""
    origin = time.time() - time.perf_counter()
    return [_part(name, origin + began, origin + ended) for name, (began, ended) in spans.items()]


def how_it_failed(error: Exception) -> dict[str, bool]:
    """Whose doing an error is: the caller's or ours."""
    theirs = isinstance(error, IntellisenseError) and error.status < 500
    return {"error": True} if theirs else {"fault": True}


def new_id() -> str:
    return secrets.token_hex(8)


def service() -> dict[str, str]:
    """What a segment says of who writes it."""
    return {"version": __version__}


def _in_a_row(stages_ms: Mapping[str, float], began: float) -> list[dict[str, Any]]:
    parts = []
    for name, milliseconds in stages_ms.items():
        parts.append(_part(name, began, began + milliseconds / 1000))
        began += milliseconds / 1000
    return parts


def _part(name: str, began: float, ended: float) -> dict[str, Any]:
    return {"name": name, "id": new_id(), "start_time": began, "end_time": ended}


@functools.cache
def _address(text: str) -> tuple[str, int] | None:
    """Lambda says "169.254.79.129:2000"; the daemon's own form is "tcp:HOST:PORT udp:HOST:PORT"
    (https://docs.aws.amazon.com/xray/latest/devguide/xray-sdk-python-configuration.html)."""
    for part in text.split():
        host, _, port = part.removeprefix("udp:").rpartition(":")
        if not part.startswith("tcp:") and host and port.isdigit():
            return host, int(port)
    return None


@functools.cache
def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    return made
