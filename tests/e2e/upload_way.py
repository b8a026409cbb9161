"""The way of an upload with the bucket at the site's own address, so that a test sees each request
of it, and plays a storage whose places end, a throttle, a quota or a broken line."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.e2e.between import Answer, Between, Say
from tests.integration.middle import passed_on, standing

PLACES, BUCKET = "/api/uploads", "/bucket"

EXPIRED = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code>'
    b"<Message>Invalid according to Policy: Policy expired.</Message></Error>"
)
"""What S3 says of a place whose time is over."""


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    body: bytes

    @property
    def files(self) -> int:
        """How many files a request for places is for."""
        return len(json.loads(self.body)["files"])


class Cut(Exception):
    """Raised by `judge`: the connection breaks, and the stack never hears of it."""


class Held(threading.Event):
    """Set, it lets them go."""

    waiting = 0
    """Transfers that have come, and wait or have waited."""


class UploadWay(Between):
    """`judge` says of each request what is answered in the stack's place; None: it is passed on."""

    def __init__(self, server: str) -> None:
        super().__init__(server)
        self.judge: Callable[[Asked], Say | None] = lambda _: None
        self.lifetimes: list[float] = []
        """Seconds that places are good for, of each request for some; 300 of those that follow."""
        self.too_old = 0
        """Transfers so far whose place was over."""
        self.all: list[Asked] = []
        """All that came, in order."""
        self.lose = 0
        """So many transfers arrive, and the connection breaks before the answer."""
        self._until: dict[str, float] = {}
        self._bucket = ""

    def sizes(self) -> list[int]:
        """How many places each request so far asked for."""
        return [a.files for a in list(self.all) if (a.method, a.path) == ("POST", PLACES)]

    def sent(self) -> int:
        """Transfers to the bucket so far."""
        return sum(a.path == BUCKET for a in list(self.all))

    def hold(self, *, after: int) -> Held:
        """Transfers behind the first `after` wait until the event is set; then their connections
        break, and those that come later are passed on."""
        go, passed, lock = Held(), [0], threading.Lock()

        def judge(asked: Asked) -> Say | None:
            if asked.path == BUCKET:
                with lock:
                    passed[0] += 1
                    waits = passed[0] > after and not go.is_set()
                    go.waiting += waits
                if waits:
                    go.wait()
                    raise Cut
            return None

        self.judge = judge
        return go

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer | None:
        asked = Asked(method, path, body)
        self.all.append(asked)
        if said := self.judge(asked):
            return said.status, dict(said.headers), said.body
        if path == BUCKET:
            answer = self._stored(headers, body)
            if self.lose:
                self.lose -= 1
                raise Cut
            return answer
        answer = super().answer(method, path, headers, body)
        if path == PLACES and answer and answer[0] < 300:
            return self._moved(answer)
        return answer

    def _moved(self, answer: Answer) -> Answer:
        """The places with this server in the bucket's place."""
        status, headers, body = answer
        said = json.loads(body)
        until = time.monotonic() + (self.lifetimes.pop(0) if self.lifetimes else 300)
        for place in said["uploads"]:
            self._bucket = place["post"]["url"]
            place["post"]["url"] = self.url + BUCKET
            self._until[place["key"]] = until
        return status, headers, json.dumps(said).encode()

    def _stored(self, headers: dict[str, str], body: bytes) -> Answer:
        key = re.search(rb'name="key"\r\n\r\n([^\r]+)', body)
        assert key
        if time.monotonic() > self._until[key[1].decode()]:
            self.too_old += 1
            return 403, {"Content-Type": "application/xml"}, EXPIRED
        server = urlsplit(self._bucket)
        given = {n: v for n, v in headers.items() if n.lower() == "content-type"}
        return passed_on(server.netloc, "POST", server.path, given, body)


def refused(status: int, code: str, message: str, **headers: str) -> Say:
    """An answer of the API; `retry_after="2"` is a header."""
    body = json.dumps({"error": {"code": code, "message": message, "request_id": ""}}).encode()
    named = {n.replace("_", "-").title(): v for n, v in headers.items()}
    return Say(status, body, {"Content-Type": "application/json", **named})


def storage_says(status: int, code: str, message: str) -> Say:
    """An error of S3."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return Say(status, body, {"Content-Type": "application/xml"})


def upload_way(server: str) -> AbstractContextManager[UploadWay]:
    return standing(UploadWay(server))
