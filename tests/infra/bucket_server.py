"""S3 by moto over HTTP, with two settings of a bucket kept as S3 keeps them.

moto forgets EventBridge and the ids of CORS rules, and allows notifications that overlap. Here both
documents are stored as the XML that came and answered so, and overlaps are refused as S3 does,
judged pair by pair and spelled out, not by the code under test. Everything else is moto's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from tests.served import served

KEPT = ("notification", "cors")
ERROR = "<Error><Code>{code}</Code><Message>{message}</Message></Error>"
SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class BucketServer:
    """`documents` are (bucket, setting) → XML; `calls` is what was asked of them, in order;
    `before` is run ahead of each of those calls, and may answer it with (status, code)."""

    def __init__(self) -> None:
        self.url = ""
        self.documents: dict[tuple[str, str], bytes] = {}
        self.calls: list[tuple[str, str, str]] = []
        self.queries: list[dict[str, str]] = []
        self.before: Callable[[str, str, str], tuple[int, str] | None] = lambda *_: None
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
        setting = next((name for name in KEPT if name in query), "")
        if not setting:
            return self._moto(environ, start)
        bucket = environ["PATH_INFO"].strip("/")
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, answer = self._kept(environ["REQUEST_METHOD"], bucket, setting, body, environ)
        start(f"{status} -", [("Content-Type", "application/xml")])
        return [answer]

    def _kept(
        self, method: str, bucket: str, setting: str, body: bytes, environ: dict[str, Any]
    ) -> tuple[int, bytes]:
        call = (method, bucket, setting)
        self.calls.append(call)
        if refused := self.before(*call):
            return refused[0], _error(refused[1])
        if method == "PUT":
            if setting == "notification":
                assert environ["HTTP_X_AMZ_SKIP_DESTINATION_VALIDATION"] == "true"
                if overlap := _overlap(body):
                    return 400, _error("InvalidArgument", overlap)
            self.documents[bucket, setting] = body
            return 200, b""
        if method == "DELETE":
            self.documents.pop((bucket, setting), None)
            return 204, b""
        if (bucket, setting) in self.documents:
            return 200, self.documents[bucket, setting]
        if setting == "cors":
            return 404, _error("NoSuchCORSConfiguration")
        return 200, f'<NotificationConfiguration xmlns="{SPACE}"/>'.encode()


def _error(code: str, message: str = "Refused") -> bytes:
    return ERROR.format(code=code, message=message).encode()


def _overlap(body: bytes) -> str:
    root = ElementTree.fromstring(body)
    rules = [
        part
        for part in root
        if part.tag.removeprefix(f"{{{SPACE}}}")
        in ("QueueConfiguration", "TopicConfiguration", "CloudFunctionConfiguration")
    ]
    for one, other in itertools.combinations(rules, 2):
        if _meet(one, other):
            return (
                "Configuration is ambiguously defined. Cannot have overlapping suffixes in two "
                "rules if the prefixes are overlapping for the same event type."
            )
    return ""


def _meet(one: ElementTree.Element, other: ElementTree.Element) -> bool:
    def events(rule: ElementTree.Element) -> set[str]:
        return {e.text or "" for e in rule.iter(f"{{{SPACE}}}Event")}

    def said(rule: ElementTree.Element, name: str) -> str:
        for each in rule.iter(f"{{{SPACE}}}FilterRule"):
            if (each.findtext(f"{{{SPACE}}}Name") or "").lower() == name:
                return each.findtext(f"{{{SPACE}}}Value") or ""
        return ""

    def family(event: str) -> tuple[str, str]:
        head, _, tail = event.rpartition(":")
        return head, tail

    shared = any(
        family(a)[0] == family(b)[0]
        and (family(a)[1] == family(b)[1] or "*" in (family(a)[1], family(b)[1]))
        for a in events(one)
        for b in events(other)
    )
    prefixes = sorted((said(one, "prefix"), said(other, "prefix")), key=len)
    suffixes = sorted((said(one, "suffix"), said(other, "suffix")), key=len)
    return shared and prefixes[1].startswith(prefixes[0]) and suffixes[1].endswith(suffixes[0])


@contextmanager
def bucket_server() -> Iterator[BucketServer]:
    server = BucketServer()
    http = make_server("127.0.0.1", 0, server, threaded=True)
    server.url = f"http://127.0.0.1:{http.server_port}"
    with served(http):
        yield server
