"""The HTTP API, route by route, over services made of in-memory parts."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlencode

import pytest
from chalice.app import Request
from chalice.config import Config
from chalice.local import LocalGateway

import app as routes
from chalicelib import __version__, answers, api, errors, wiring
from chalicelib.auth import Callers
from chalicelib.config import Settings
from chalicelib.cookies import CookieKey, Cookies
from chalicelib.deadletters import DeadLetters
from chalicelib.errors import IndexUnavailable, IntellisenseError, QueueUnavailable
from chalicelib.facts import Exposure, Location
from chalicelib.health import Health
from chalicelib.index.base import Write
from chalicelib.index.memory import MemoryIndex
from chalicelib.library import Library
from chalicelib.queue import Depth
from chalicelib.records import image_id
from chalicelib.search import Search
from chalicelib.thresholds import Thresholds
from chalicelib.uploads import MAX_BASE64, Uploads
from tests.fakes.encoding import DIM, FakeDecoders
from tests.fakes.library import FakeLibrary
from tests.fakes.queue import MemoryQueue
from tests.promised import promise
from tests.unit.logs import captured
from tests.unit.sentences import faults
from tests.unit.test_search import record

HOST = "127.0.0.1:8000"


class FakeQueue:
    def __init__(self, waiting: int, in_flight: int = 0) -> None:
        self.holds = Depth(waiting, in_flight)
        self.down = False

    def depth(self) -> Depth:
        if self.down:
            raise QueueUnavailable("SQS did not answer (EndpointConnectionError).")
        return self.holds


class SwitchedIndex(MemoryIndex):
    """An index that can be switched off."""

    down = False

    def __getattribute__(self, name: str) -> Any:
        down = super().__getattribute__("down")
        if down and name in ("read", "search", "list", "counts", "facets", "vector"):
            return self._refuse
        return super().__getattribute__(name)

    @staticmethod
    def _refuse(*_: object, **__: object) -> None:
        raise IndexUnavailable("The index did not answer.")


@dataclass
class Site:
    """The application over fakes, asked as a browser asks it."""

    settings: Settings = field(
        default_factory=lambda: Settings(bucket="photos", thumbnails_bucket="small", auth="none")
    )
    index: SwitchedIndex = field(default_factory=lambda: SwitchedIndex(dim=DIM))
    queue: FakeQueue = field(default_factory=lambda: FakeQueue(3, 1))
    letters: MemoryQueue = field(default_factory=MemoryQueue)
    again: MemoryQueue = field(default_factory=MemoryQueue)
    """Where letters are redriven to."""
    with_queues: bool = True
    cookie_key: CookieKey | None = None

    def __post_init__(self) -> None:
        self.known = FakeLibrary(index=self.index)
        self.gateway = LocalGateway(routes.app, Config())
        ingest = self.known.ingest()
        thresholds = Thresholds(self.index, self.known.encoder)  # type: ignore[arg-type]
        self.services = wiring.Services(
            settings=self.settings,
            bucket=self.known.bucket,  # type: ignore[arg-type]
            thumbnails=self.known.thumbnails,  # type: ignore[arg-type]
            queue=self.queue if self.with_queues else None,  # type: ignore[arg-type]
            dead_letters=DeadLetters(self.letters, self.again) if self.with_queues else None,
            index=self.index,
            clip=self.known.encoder,  # type: ignore[arg-type]
            decoders=FakeDecoders(),  # type: ignore[arg-type]
            ingest=ingest,
            search=Search(
                index=self.index,
                encoder=self.known.encoder,  # type: ignore[arg-type]
                decoders=FakeDecoders(),  # type: ignore[arg-type]
                bucket=self.known.bucket,
                thresholds=thresholds,
                max_bytes=1000,
                log_queries=False,
            ),
            thresholds=thresholds,
            library=Library(bucket=self.known.bucket, index=self.index, ingest=ingest),
            uploads=Uploads(bucket=self.known.bucket, max_bytes=1000, seconds=300),
            callers=Callers(self.settings),
            cookies=Cookies(self.cookie_key),
            health=Health(self.parts()),
        )

    def parts(self) -> dict[str, Any]:
        """Found anew at each look: an index that is switched off has other methods."""
        parts = {"bucket": self.known.bucket.check, "index": lambda: self.index.counts()}
        return parts | ({"queue": self.queue.depth} if self.with_queues else {})

    def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        sent = {"host": HOST, "content-type": "application/json", **(headers or {})}
        if not isinstance(body, bytes):
            body = b"" if body is None else json.dumps(body).encode()
        answer = Answer(dict(self.gateway.handle_request(method, path, sent, body)))
        held = promise(self.settings.auth)
        held.hold(method, path, answer.status, answer.headers, answer.text)
        return answer

    def get(self, path: str, **query: str) -> Answer:
        return self.call("GET", f"{path}?{urlencode(query)}" if query else path)

    def fill(self, count: int = 5) -> None:
        self.index.write([Write(record(n), None) for n in range(count)])


class Answer:
    def __init__(self, raw: dict[str, Any]) -> None:
        self.status = raw["statusCode"]
        self.headers = {k.lower(): v for k, v in raw["headers"].items()}
        for name, values in (raw.get("multiValueHeaders") or {}).items():
            self.headers[name.lower()] = ", ".join(values)
        self.text = raw.get("body") or ""

    @property
    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.text)

    @property
    def error(self) -> tuple[int, str, str | None]:
        """(status, code, field) of an error in the shape that docs/api.md promises."""
        assert set(self.json) == {"error"}
        said = self.json["error"]
        assert (
            {"code", "message", "request_id"}
            <= set(said)
            <= {
                "code",
                "message",
                "request_id",
                "field",
            }
        )
        assert said["message"].endswith(".")
        assert len(said["message"]) < 600
        for inside in ("Traceback", " object at ", "function-", "Input should", "Value error"):
            assert inside not in said["message"]
        assert said["request_id"]
        assert self.headers["cache-control"] == "no-store"
        assert self.headers["x-content-type-options"] == "nosniff"
        return self.status, said["code"], said.get("field")


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    return serve(Site(), monkeypatch)


def serve(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(wiring, "services", lambda: site.services)
    return site


# --- wrong requests ---------------------------------------------------------------------------

ID = record(1).id

WRONG_QUERIES: list[tuple[str, dict[str, str], str | None]] = [
    ("/search", {}, "q"),
    ("/search", {"q": ""}, "q"),
    ("/search", {"q": "  \t"}, "q"),
    ("/search", {"q": "a", "limit": "1_0"}, "limit"),
    ("/search", {"q": "a", "limit": "5.0"}, "limit"),
    ("/search", {"q": "a", "limit": " 5"}, "limit"),
    ("/search", {"q": "a", "facets": "yes"}, "facets"),
    ("/search", {"q": "a", "closest": ""}, "closest"),
    ("/images", {"copies": "yes"}, "copies"),
    ("/images", {"min_width": "+5"}, "min_width"),
    ("/search", {"q": "x" * 1001}, "q"),
    ("/search", {"q": "x", "limit": "0"}, "limit"),
    ("/search", {"q": "x", "limit": "201"}, "limit"),
    ("/search", {"q": "x", "limit": "-1"}, "limit"),
    ("/search", {"q": "x", "limit": "many"}, "limit"),
    ("/search", {"q": "x", "limit": "1.5"}, "limit"),
    ("/search", {"q": "x", "limit": ""}, "limit"),
    ("/search", {"q": "x", "limit": "9" * 400}, "limit"),
    ("/search", {"q": "x", "format": "svg"}, "format"),
    ("/search", {"q": "x", "format": "PNG"}, "format"),
    ("/search", {"q": "x", "date_from": "2021"}, "date_from"),
    ("/search", {"q": "x", "date_from": "yesterday"}, "date_from"),
    ("/search", {"q": "x", "date_to": "2021-02-30"}, "date_to"),
    ("/search", {"q": "x", "date_to": "0001-01-01"}, "date_to"),
    ("/search", {"q": "x", "date_to": "9999-12-31"}, "date_to"),
    ("/search", {"q": "x", "date_to": "1700000000"}, "date_to"),
    ("/search", {"q": "x", "collection": "c" * 201}, "collection"),
    ("/search", {"q": "x", "owner": "o" * 201}, "owner"),
    ("/search", {"q": "x", "cursor": "c" * 501}, "cursor"),
    ("/search", {"q": "x", "camera": "c" * 301}, "camera"),
    ("/search", {"q": "x", "orientation": "upright"}, "orientation"),
    ("/search", {"q": "x", "min_width": "0"}, "min_width"),
    ("/search", {"q": "x", "min_height": "1.5"}, "min_height"),
    ("/search", {"q": "x", "min_height": "1000001"}, "min_height"),
    ("/search", {"q": "x", "facets": "maybe"}, "facets"),
    ("/search", {"q": "x", "facets": ""}, "facets"),
    ("/search", {"q": "x", "closest": "maybe"}, "closest"),
    ("/search", {"q": "x", "order": "date"}, "order"),
    ("/search", {"q": "x", "parts": "[]"}, "parts"),
    ("/search", {"q": "x", "region": "0,0,1,1"}, "region"),
    ("/search", {"q": "-x"}, "q"),
    ("/search", {"q": '-x -"a b"'}, "q"),
    ("/search", {"q": " ".join(f'"{n}"' for n in range(9))}, "q"),
    ("/search", {"q": "x", "any_of": "[]"}, "any_of"),
    ("/search", {"q": "x", "near": ""}, "near"),
    ("/search", {"q": "x", "near": "48.1"}, "near"),
    ("/search", {"q": "x", "near": "48.1,11.5"}, "near"),
    ("/search", {"q": "x", "near": "48.1,11.5,10,1"}, "near"),
    ("/search", {"q": "x", "near": "48.1,11.5,"}, "near"),
    ("/search", {"q": "x", "near": "48.1;11.5;10"}, "near"),
    ("/search", {"q": "x", "near": "north,south,10"}, "near"),
    ("/search", {"q": "x", "near": "91,11.5,10"}, "near"),
    ("/search", {"q": "x", "near": "48.1,181,10"}, "near"),
    ("/search", {"q": "x", "near": "48.1,11.5,0"}, "near"),
    ("/search", {"q": "x", "near": "48.1,11.5,30000"}, "near"),
    ("/search", {"q": "x", "near": "nan,11.5,10"}, "near"),
    ("/search", {"q": "x", "near": "48.1,11.5,inf"}, "near"),
    ("/images", {"near": "48.1,11.5"}, "near"),
    ("/images", {"orientation": "upright"}, "orientation"),
    ("/images", {"facets": "true"}, "facets"),
    ("/search", {"q": "x", "color": "red"}, "color"),
    ("/search", {"q": "x", "text": "y"}, "text"),
    ("/search", {"q": "x", "id": ID}, "id"),
    ("/search", {"q": "x", "filters": "{"}, "filters"),
    ("/search", {"q": "x", "image": "QUJD"}, "image"),
    ("/images", {"limit": "0"}, "limit"),
    ("/images", {"limit": "201"}, "limit"),
    ("/images", {"limit": "x"}, "limit"),
    ("/images", {"state": "lost"}, "state"),
    ("/images", {"state": "ready,lost"}, "state"),
    ("/images", {"state": ""}, "state"),
    ("/images", {"format": "svg"}, "format"),
    ("/images", {"date_from": "x"}, "date_from"),
    ("/images", {"q": "a cat"}, "q"),
    ("/images", {"states": "ready"}, "states"),
    ("/images", {"ids": ID, "limit": "3"}, "limit"),
    ("/images", {"ids": ",".join(f"{n:032x}" for n in range(101))}, "ids"),
    (f"/images/{ID}/file", {"size": "1"}, "size"),
]


@pytest.mark.parametrize(("path", "query", "field"), WRONG_QUERIES)
def test_a_wrong_parameter_is_named(
    site: Site, path: str, query: dict[str, str], field: str | None
) -> None:
    assert site.get(path, **query).error == (400, "invalid_request", field)


def test_a_wrong_place_is_told_what_a_place_is(site: Site) -> None:
    message = site.get("/search", q="x", near="Munich").json["error"]["message"]
    assert "near=48.14,11.58,5" in message
    assert faults(message) == []


def test_days_the_wrong_way_round_are_refused(site: Site) -> None:
    answer = site.get("/search", q="x", date_from="2024-02-01", date_to="2024-01-31")
    assert answer.error[:2] == (400, "invalid_request")
    assert "date_from" in answer.json["error"]["message"]


@pytest.mark.parametrize("path", ["/search?q=x&", "/images?"])
def test_a_cursor_of_something_else_is_refused(site: Site, path: str) -> None:
    assert site.call("GET", f"{path}cursor=abc").error == (400, "invalid_cursor", "cursor")


WRONG_SEARCHES: list[tuple[Any, str, str | None]] = [
    ({}, "invalid_request", None),
    ({"text": "a", "id": ID}, "invalid_request", None),
    ({"text": "a", "image": "QUJD"}, "invalid_request", None),
    ({"text": None}, "invalid_request", None),
    ({"text": " "}, "invalid_request", "text"),
    ({"text": 7}, "invalid_request", "text"),
    ({"text": ["a"]}, "invalid_request", "text"),
    ({"text": "x" * 1001}, "invalid_request", "text"),
    ({"id": "x"}, "invalid_request", "id"),
    ({"id": ID + "\n"}, "invalid_request", "id"),
    ({"image": "no base64!"}, "invalid_base64", "image"),
    ({"image": ""}, "invalid_base64", "image"),
    ({"text": "a", "limit": 0}, "invalid_request", "limit"),
    ({"text": "a", "limit": "20"}, "invalid_request", "limit"),
    ({"text": "a", "limit": 2.5}, "invalid_request", "limit"),
    ({"text": "a", "limit": True}, "invalid_request", "limit"),
    ({"text": "a", "limit": None}, "invalid_request", "limit"),
    ({"text": "a", "cursor": 3}, "invalid_request", "cursor"),
    ({"text": "a", "cursor": "zzz"}, "invalid_cursor", "cursor"),
    ({"text": "a", "page": 2}, "invalid_request", "page"),
    ({"text": "a", "filters": []}, "invalid_request", "filters"),
    ({"text": "a", "filters": None}, "invalid_request", "filters"),
    ({"text": "a", "filters": {"colour": "red"}}, "invalid_request", "filters.colour"),
    ({"text": "a", "filters": {"format": "svg"}}, "invalid_request", "filters.format"),
    ({"text": "a", "filters": {"format": 1}}, "invalid_request", "filters.format"),
    ({"text": "a", "filters": {"collection": 1}}, "invalid_request", "filters.collection"),
    ({"text": "a", "filters": {"date_from": "x"}}, "invalid_request", "filters.date_from"),
    ({"text": "a", "filters": {"date_from": 1700000000}}, "invalid_request", "filters.date_from"),
    ({"text": "a", "filters": {"date_to": True}}, "invalid_request", "filters.date_to"),
    ({"text": "a", "facets": 1}, "invalid_request", "facets"),
    ({"text": "a", "facets": "true"}, "invalid_request", "facets"),
    ({"text": "a", "filters": {"orientation": "up"}}, "invalid_request", "filters.orientation"),
    ({"text": "a", "filters": {"min_width": "9"}}, "invalid_request", "filters.min_width"),
    ({"text": "a", "filters": {"min_width": 1.5}}, "invalid_request", "filters.min_width"),
    ({"text": "a", "filters": {"near": "48,11,10"}}, "invalid_request", "filters.near"),
    ({"text": "a", "filters": {"near": [48, 11, 10]}}, "invalid_request", "filters.near"),
    (
        {"text": "a", "filters": {"near": {"lat": 91, "lon": 0, "km": 1}}},
        "invalid_request",
        "filters.near.lat",
    ),
    (
        {"text": "a", "filters": {"near": {"lat": 1, "lon": 0, "km": 0}}},
        "invalid_request",
        "filters.near.km",
    ),
    (
        {"text": "a", "filters": {"near": {"lat": 1, "lon": "0", "km": 1}}},
        "invalid_request",
        "filters.near.lon",
    ),
    (
        b'{"text":"a","filters":{"near":{"lat":1e999,"lon":0,"km":1}}}',
        "invalid_request",
        "filters.near.lat",
    ),
    (
        {"text": "a", "filters": {"near": {"lat": 1, "lon": 0}}},
        "invalid_request",
        "filters.near.km",
    ),
    ({"text": "a", "filters": {"any_of": []}}, "invalid_request", "filters.any_of"),
    ({"text": "a", "filters": {"any_of": {}}}, "invalid_request", "filters.any_of"),
    ({"text": "a", "filters": {"none_of": [7]}}, "invalid_request", "filters.none_of.0"),
    (
        {"text": "a", "filters": {"any_of": [{"format": "svg"}]}},
        "invalid_request",
        "filters.any_of.0.format",
    ),
    (
        {"text": "a", "filters": {"all_of": [{}, {"none_of": [{"date_to": "x"}]}]}},
        "invalid_request",
        "filters.all_of.1.none_of.0.date_to",
    ),
    (
        {
            "text": "a",
            "filters": {"any_of": [{"date_from": "2024-02-01", "date_to": "2024-01-31"}]},
        },
        "invalid_request",
        "filters.any_of.0",
    ),
    ({"text": "a", "filters": {"any_of": [{}] * 50}}, "invalid_request", "filters"),
    (
        {"text": "a", "filters": {"any_of": [{"any_of": [{"any_of": [{"any_of": [{}]}]}]}]}},
        "invalid_request",
        "filters",
    ),
    (
        b'{"text":"a","filters":' + b'{"any_of":[' * 500 + b"{}" + b"]}" * 500 + b"}",
        "invalid_request",
        None,
    ),
    ([], "invalid_request", None),
    ("text", "invalid_request", None),
    (b"", "invalid_request", None),
    (b"{", "invalid_request", None),
    (b"\xff\xfe", "invalid_request", None),
    (b'{"text": "\\ud800"}', "invalid_request", None),
    (b"[" * 100_000, "invalid_request", None),
]


@pytest.mark.parametrize(
    ("body", "code", "field"), WRONG_SEARCHES, ids=[str(n) for n in range(len(WRONG_SEARCHES))]
)
def test_a_wrong_search_body_is_told_what_is_wrong(
    site: Site, body: Any, code: str, field: str | None
) -> None:
    assert site.call("POST", "/search", body).error == (400, code, field)


FILE = {"name": "a.png", "type": "image/png", "size": 10}

WRONG_UPLOADS: list[tuple[str, Any, tuple[int, str, str | None]]] = [
    ("/uploads", {}, (400, "invalid_request", "files")),
    ("/uploads", {"files": []}, (400, "invalid_request", "files")),
    ("/uploads", {"files": [FILE] * 101}, (400, "invalid_request", "files")),
    ("/uploads", {"files": {}}, (400, "invalid_request", "files")),
    ("/uploads", {"files": [{**FILE, "name": ""}]}, (400, "invalid_request", "files.0.name")),
    ("/uploads", {"files": [FILE, {"size": 1}]}, (400, "invalid_request", "files.1.name")),
    ("/uploads", {"files": [{**FILE, "size": 0}]}, (400, "invalid_request", "files.0.size")),
    ("/uploads", {"files": [{**FILE, "size": "9"}]}, (400, "invalid_request", "files.0.size")),
    ("/uploads", {"files": [{**FILE, "key": "x"}]}, (400, "invalid_request", "files.0.key")),
    ("/uploads", {"files": [FILE], "collection": 1}, (400, "invalid_request", "collection")),
    ("/uploads", {"files": [{**FILE, "size": 1001}]}, (413, "too_large", "files.0.size")),
    (
        "/uploads",
        {"files": [FILE, {**FILE, "type": "text/html"}]},
        (415, "unsupported_type", "files.1.type"),
    ),
    ("/images", {}, (400, "invalid_request", "file")),
    ("/images", {"file": ""}, (400, "invalid_request", "file")),
    ("/images", {"file": 3}, (400, "invalid_request", "file")),
    ("/images", {"file": "?"}, (400, "invalid_base64", "file")),
    ("/images", {"file": "QUJD", "name": ""}, (400, "invalid_request", "name")),
    ("/images", {"file": "QUJD", "key": "mine"}, (400, "invalid_request", "key")),
    ("/images", {"file": "A" * (MAX_BASE64 + 4)}, (413, "too_large", "file")),
    ("/search", {"image": "A" * (MAX_BASE64 + 4)}, (413, "too_large", "image")),
    (
        "/search",
        {"image": base64.b64encode(b"BROKEN").decode()},
        (422, "unreadable_image", None),
    ),
]


@pytest.mark.parametrize(
    ("path", "body", "expected"), WRONG_UPLOADS, ids=[str(n) for n in range(len(WRONG_UPLOADS))]
)
def test_a_wrong_upload_is_told_what_is_wrong(
    site: Site, path: str, body: Any, expected: tuple[int, str, str | None]
) -> None:
    assert site.call("POST", path, body).error == expected
    assert site.known.bucket.objects == {}


@pytest.mark.parametrize("path", ["/uploads", "/images", "/search"])
@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "image/png"])
def test_a_body_that_is_not_json_is_415(site: Site, path: str, kind: str) -> None:
    answer = site.call("POST", path, b"x", {"content-type": kind})
    assert answer.error == (415, "unsupported_type", None)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/search", {"GET", "POST"}),
        ("DELETE", "/images", {"GET", "POST"}),
        ("GET", "/uploads", {"POST"}),
        ("POST", "/stats", {"GET"}),
        ("POST", f"/images/{ID}", {"DELETE", "GET"}),
    ],
)
def test_a_method_that_a_route_does_not_take_is_405_and_says_which_it_takes(
    site: Site, method: str, path: str, allowed: set[str]
) -> None:
    answer = site.call(method, path, {})
    assert answer.error == (405, "method_not_allowed", None)
    assert set(answer.headers["allow"].split(", ")) == allowed | {"OPTIONS"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/images/{ID}"),
        ("DELETE", f"/images/{ID}"),
        ("GET", f"/images/{ID}/file"),
        ("GET", f"/images/{ID}/thumbnail"),
        ("GET", f"/images/{ID}/copies"),
        ("GET", "/images/x"),
        ("GET", f"/images/{quote('<script>')}"),
    ],
)
def test_an_unknown_image_is_404(site: Site, method: str, path: str) -> None:
    assert site.call(method, path).error[:2] == (404, "not_found")


def test_more_like_an_unknown_image_is_404(site: Site) -> None:
    assert site.call("POST", "/search", {"id": ID}).error == (404, "not_found", "id")


def test_a_key_of_another_image_opens_nothing(site: Site) -> None:
    answer = site.get(f"/images/{ID}/file", key="somebody/elses.png")
    assert answer.error == (404, "not_found", "key")


# --- our faults -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/search?q=x", None),
        ("GET", "/images", None),
        ("GET", f"/images/{ID}", None),
        ("GET", "/stats", None),
    ],
)
def test_an_index_that_does_not_answer_is_503(
    site: Site, method: str, path: str, body: Any
) -> None:
    site.index.down = True
    with captured() as log:
        assert site.call(method, path, body).error == (503, "index_unavailable", None)
    assert [line["code"] for line in log()] == ["index_unavailable"]


def test_a_bucket_that_does_not_answer_is_503(site: Site) -> None:
    site.known.bucket.down = True
    answer = site.call("POST", "/images", {"file": "QUJD"})
    assert answer.error == (503, "storage_unavailable", None)


def test_a_queue_that_does_not_answer_is_503(site: Site) -> None:
    site.queue.down = True
    assert site.get("/stats").error == (503, "queue_unavailable", None)


def test_a_bug_is_500_with_the_request_id_that_the_log_has(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object) -> None:
        raise RuntimeError("secret insides")

    monkeypatch.setattr(type(site.services.library), "get", bug)
    answer = site.get(f"/images/{ID}")
    assert answer.error == (500, "internal", None)
    assert "secret" not in answer.text


KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, IntellisenseError)
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_answered_with_its_status_code_and_field(
    kind: type[IntellisenseError],
) -> None:
    response = api.error_response(kind("It is so.", field="name"), "r-1")
    assert response.status_code == kind.status
    assert json.loads(response.body) == {
        "error": {
            "code": kind.default_code,
            "message": "It is so.",
            "field": "name",
            "request_id": "r-1",
        }
    }


def test_an_error_without_a_field_names_none() -> None:
    body = json.loads(api.error_response(errors.NotFound("No."), "").body)
    assert "field" not in body["error"]


# --- who is calling ---------------------------------------------------------------------------

ALL_ROUTES = [
    ("POST", "/uploads"),
    ("POST", "/images"),
    ("GET", "/images"),
    ("GET", "/images/{id}"),
    ("DELETE", "/images/{id}"),
    ("GET", "/images/{id}/file"),
    ("GET", "/images/{id}/thumbnail"),
    ("GET", "/images/{id}/copies"),
    ("GET", "/search"),
    ("POST", "/search"),
    ("GET", "/stats"),
    ("GET", "/dead-letters"),
    ("POST", "/dead-letters/redrive"),
    ("POST", "/dead-letters/discard"),
    ("GET", "/session"),
    ("POST", "/session"),
    ("DELETE", "/session"),
]


OPEN_ROUTES = [("GET", "/health"), ("GET", "/openapi.json")]


def test_all_routes_are_in_the_list_of_these_tests() -> None:
    known = {(method, path) for path, methods in routes.app.routes.items() for method in methods}
    preflights = {("OPTIONS", path) for path in routes.app.routes}
    assert known == {*ALL_ROUTES, *OPEN_ROUTES, *preflights}


@pytest.mark.parametrize(("method", "path"), ALL_ROUTES)
def test_without_a_signature_every_route_but_health_is_401(
    monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    site = serve(Site(Settings(bucket="photos", thumbnails_bucket="small")), monkeypatch)
    site.fill()
    bodies = {"/search": {"text": "a"}, "/images": {"file": "QUJD"}, "/uploads": {"files": [FILE]}}
    asked = path.replace("{id}", ID) + ("?q=a" if (method, path) == ("GET", "/search") else "")
    answer = site.call(method, asked, bodies.get(path) if method == "POST" else None)
    assert answer.error == (401, "unauthorized", None)
    assert answer.headers["www-authenticate"] == "AWS4-HMAC-SHA256"
    assert site.known.bucket.objects == {}
    assert site.index.counts()["ready"] == 5


def gateway_event(path: str, resource: str, **changes: Any) -> dict[str, Any]:
    """What API Gateway's REST API hands to Lambda (proxy integration)."""
    context = {
        "resourcePath": resource,
        "path": path,
        "httpMethod": "GET",
        "stage": "prod",
        "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "identity": {"userArn": None},
    }
    return {
        "resource": resource,
        "path": path,
        "headers": {"Host": HOST, "X-Forwarded-Proto": "https"},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
    } | {**changes, "requestContext": context | changes.get("requestContext", {})}


def test_the_signers_name_is_the_owner_of_what_they_upload(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = serve(Site(Settings(bucket="photos", thumbnails_bucket="small")), monkeypatch)
    arn = "arn:aws:iam::123456789012:user/anna"
    event = gateway_event(
        "/prod/images",
        "/images",
        body=json.dumps({"file": "QUJD"}),
        headers={"Host": HOST, "Content-Type": "application/json"},
        requestContext={"httpMethod": "POST", "identity": {"userArn": arn}},
    )
    answer = routes.app(event, None)
    assert answer["statusCode"] == 201
    (stored,) = site.known.bucket.objects.values()
    assert unquote(stored.metadata["owner"]) == arn


def test_the_request_id_in_an_error_is_the_gateways(site: Site) -> None:
    event = gateway_event(f"/prod/images/{ID}", "/images/{id}", pathParameters={"id": ID})
    answer = routes.app(event, None)
    assert json.loads(answer["body"])["error"]["request_id"] == (
        "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    )


# --- addresses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers", "public_url", "expected"),
    [
        ("/images/x", {"Host": "127.0.0.1:8000"}, "", "http://127.0.0.1:8000"),
        ("/images/x", {"Host": HOST, "X-Forwarded-Proto": "https"}, "", f"https://{HOST}"),
        ("/prod/images/x", {"Host": HOST}, "", f"http://{HOST}/prod"),
        ("/prod/images/x/", {"Host": HOST}, "", f"http://{HOST}/prod"),
        ("/a/b/images/x", {"Host": HOST}, "", f"http://{HOST}/a/b"),
        (
            "/prod/images/x",
            {"Host": HOST, "X-Forwarded-Prefix": "/api"},
            "",
            f"http://{HOST}/api",
        ),
        ("/images/x", {"Host": HOST, "X-Forwarded-Prefix": "/api"}, "", f"http://{HOST}/api"),
        (
            "/images/x",
            {"Host": HOST, "X-Forwarded-Proto": "https, http"},
            "",
            f"https://{HOST}",
        ),
        ("/prod/images/x", {"Host": HOST}, "https://me.example/api/", "https://me.example/api"),
    ],
)
def test_addresses_in_answers_are_the_ones_callers_use(
    path: str, headers: dict[str, str], public_url: str, expected: str
) -> None:
    request = Request(gateway_event(path, "/images/{id}", headers=headers))
    assert answers.base_url(request, public_url) == expected


@pytest.mark.parametrize(
    ("resource", "path"),
    [("/search", "/prod/search"), ("/images/{id}/file", "/prod/images/x/file")],
)
def test_the_stage_is_kept_on_every_route(resource: str, path: str) -> None:
    request = Request(gateway_event(path, resource))
    assert answers.base_url(request, "") == f"https://{HOST}/prod"


def test_an_image_under_a_stage_has_addresses_with_the_stage(site: Site) -> None:
    site.fill()
    event = gateway_event(f"/prod/images/{ID}", "/images/{id}", pathParameters={"id": ID})
    body = json.loads(routes.app(event, None)["body"])
    assert body["url"] == f"https://{HOST}/prod/images/{ID}/file"


def test_the_public_address_of_the_settings_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        bucket="photos", thumbnails_bucket="small", auth="none", public_url="https://p.example/api"
    )
    site = serve(Site(settings), monkeypatch)
    site.fill()
    assert site.get(f"/images/{ID}").json["url"] == f"https://p.example/api/images/{ID}/file"


# --- right requests ---------------------------------------------------------------------------


def test_an_image_is_answered_as_the_manual_shows_it(site: Site) -> None:
    given = record(
        1,
        etag="9b1f6f0a11223344",
        thumbnail_key="t/1.webp",
        placeholder="ab" * 24,
        location=Location(48.1, 11.5),
        camera="Canon EOS 80D",
        lens="EF50mm f/1.8 STM",
        exposure=Exposure(seconds=0.004, f_number=2.8, iso=100),
        bytes=240512,
        width=451,
        height=300,
        sha256="ab" * 32,
        perceptual_hash="0f" * 16,
        text="Café du Port",
    )
    site.index.write([Write(given, None)])
    assert site.get(f"/images/{ID}").json == {
        "id": ID,
        "key": "1",
        "name": "img0001.png",
        "collection": "odd",
        "state": "ready",
        "reason": "",
        "format": "png",
        "bytes": 240512,
        "width": 451,
        "height": 300,
        "taken_at": None,
        "uploaded_at": "2024-01-02T00:00:00+00:00",
        "indexed_at": "2024-01-01T00:00:00+00:00",
        "camera": "Canon EOS 80D",
        "lens": "EF50mm f/1.8 STM",
        "exposure": {"seconds": 0.004, "f_number": 2.8, "iso": 100, "focal_mm": None},
        "location": {"lat": 48.1, "lon": 11.5},
        "owner": "",
        "sha256": "ab" * 32,
        "perceptual_hash": "0f" * 16,
        "url": f"http://{HOST}/images/{ID}/file",
        "thumbnail_url": f"http://{HOST}/images/{ID}/thumbnail?v=9b1f6f0a",
        "placeholder": "ab" * 24,
        "text": "Café du Port",
    }
    (listed,) = site.get("/images").json["items"]
    assert "text" not in listed, "only of one image at a time"


def test_get_and_post_search_answer_alike(site: Site) -> None:
    site.fill(9)
    got = site.get("/search", q="7", limit="3", collection="odd").json
    body = {"text": "7", "limit": 3, "filters": {"collection": "odd"}}
    posted = site.call("POST", "/search", body).json
    del got["timings_ms"], posted["timings_ms"]
    assert got == posted
    assert set(got) == {"items", "next_cursor", "total", "matched", "rest", "model"}
    assert (got["total"], got["items"][0]["key"]) == (4, "7")
    assert got["items"][0]["score"] == pytest.approx(1, abs=1e-5)
    assert got["next_cursor"] is not None


def test_facets_are_answered_where_they_are_asked_for(site: Site) -> None:
    site.fill(9)
    expected = {
        "collection": {"even": 5, "odd": 4},
        "year": {"2024": 9},
        "camera": {},
        "format": {"png": 9},
    }
    first = site.get("/search", q="a cat", limit="5", facets="true").json
    assert first["facets"] == expected
    later = site.get(
        "/search", q="a cat", limit="5", facets="true", cursor=first["next_cursor"]
    ).json
    assert (len(later["items"]), later["facets"]) == (4, expected)
    assert "facets" not in site.get("/search", q="a cat", facets="false").json
    posted = site.call("POST", "/search", {"text": "a cat", "facets": True}).json
    assert posted["facets"] == expected
    without = site.call("POST", "/search", {"text": "a cat", "facets": False}).json
    assert "facets" not in without


def test_filters_within_filters_are_posted(site: Site) -> None:
    site.fill(9)
    filters = {
        "all_of": [{"any_of": [{"collection": "odd"}, {"date_to": "2024-01-01"}]}],
        "none_of": [{"date_from": "2024-01-08"}],
    }
    answer = site.call("POST", "/search", {"text": "x", "filters": filters}).json
    assert sorted(item["key"] for item in answer["items"]) == ["0", "1", "3", "5"]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ({"camera": "X100"}, "1"),
        ({"camera": ""}, "23"),
        ({"orientation": "landscape"}, "1"),
        ({"orientation": "portrait", "min_height": "400"}, "2"),
        ({"min_width": "300"}, "12"),
        ({"min_width": "301"}, "1"),
        ({"near": "48.1,11.5,60"}, "1"),
        ({"near": " 48.1, 11.5, 10000 "}, "12"),
        ({"near": "48.1,11.5,0.5"}, ""),
        ({"near": "-33.9,151.2,60", "camera": ""}, ""),
        ({"near": "40.7,-74,60"}, "2"),
    ],
)
def test_cameras_sizes_and_places_filter_search_and_listing(
    site: Site, query: dict[str, str], keys: str
) -> None:
    made = [
        record(1, camera="X100", width=400, height=300, location=Location(48.137, 11.576)),
        record(2, width=300, height=400, location=Location(40.713, -74.006)),
        record(3),
    ]
    site.index.write([Write(each, None) for each in made])
    for answer in (site.get("/search", q="x", **query), site.get("/images", **query)):
        assert sorted(item["key"] for item in answer.json["items"]) == list(keys)
        assert answer.json["total"] == len(keys)


def test_search_pages_are_walked_over_http(site: Site) -> None:
    site.fill(9)
    seen, query = [], {"q": "a cat", "limit": "2"}
    for _ in range(6):
        page = site.get("/search", **query).json
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 9


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"date_from": "2024-01-03"}, 7),
        ({"date_to": "2024-01-03"}, 3),
        ({"date_from": "2024-01-03", "date_to": "2024-01-03"}, 1),
        ({"date_to": "2024-01-03T00:00:00Z"}, 3),
        ({"date_to": "2024-01-02T23:59:59+00:00"}, 2),
        ({"date_from": "2024-01-03T02:00:00+02:00"}, 7),
        ({"format": "png"}, 9),
        ({"format": "jpeg"}, 0),
        ({"owner": "anna"}, 0),
        ({"collection": ""}, 0),
        ({"limit": "200"}, 9),
    ],
)
def test_filters_work_in_search_and_listing(site: Site, query: dict[str, str], count: int) -> None:
    site.fill(9)
    assert site.get("/search", q="x", **query).json["total"] == count
    assert site.get("/images", **query).json["total"] == count
    filters = {k: v for k, v in query.items() if k != "limit"}
    assert site.call("POST", "/search", {"text": "x", "filters": filters}).json["total"] == count


def test_the_library_lists_states_and_known_ids(site: Site) -> None:
    site.fill(3)
    site.index.write([Write(record(7, state="rejected", vector=None, reason="Broken."), None)])
    assert [i["key"] for i in site.get("/images").json["items"]] == ["2", "1", "0"]
    both = site.get("/images", state="rejected,ready", limit="2").json
    assert ([i["key"] for i in both["items"]], both["total"]) == (["7", "2"], 4)
    rest = site.get("/images", state="rejected,ready", cursor=both["next_cursor"]).json
    assert ([i["key"] for i in rest["items"]], rest["next_cursor"]) == (["1", "0"], None)
    ids = ",".join([record(7).id, "0" * 32, record(0).id, record(7).id])
    known = site.get("/images", ids=ids).json
    assert [(i["key"], i["state"], i["reason"]) for i in known["items"]] == [
        ("7", "rejected", "Broken."),
        ("0", "ready", ""),
    ]
    assert site.get("/images", ids="").json["items"] == []


HASH = "5f3a91c07be2d846" * 2


def fill_with_copies(site: Site) -> None:
    """0, 1 and 2 are one file, 3 a near copy of it, 4 another picture."""
    marks = {n: {"sha256": "aa", "perceptual_hash": HASH} for n in range(3)}
    marks[3] = {"sha256": "bb", "perceptual_hash": HASH[:-1] + "5"}
    marks[4] = {"sha256": "cc", "perceptual_hash": HASH[::-1]}
    site.index.write([Write(record(n, **parts), None) for n, parts in marks.items()])


def test_the_copies_of_an_image_are_told_apart_and_in_order(site: Site) -> None:
    fill_with_copies(site)
    items = site.get(f"/images/{ID}/copies").json["items"]
    exact = sorted((record(n).id, "exact", 0) for n in (0, 2))
    assert [(i["id"], i["copy"], i["distance"]) for i in items] == [
        *exact,
        (record(3).id, "near", 2),
    ]
    assert {"thumbnail_url", "url", "name"} <= set(items[0])
    assert site.get(f"/images/{record(4).id}/copies").json == {"items": []}


def test_copies_are_told_of_as_they_are_now(site: Site) -> None:
    """What the index found may have been deleted or overwritten since."""
    fill_with_copies(site)
    found = site.index.copies([record(1, sha256="aa", perceptual_hash=HASH)])
    held = site.index.read([record(0).id, record(3).id])
    site.index.write(
        [
            Write(record(0, state="deleted", vector=None, sha256="aa"), held[record(0).id].version),
            Write(record(3, sha256="aa", perceptual_hash=HASH), held[record(3).id].version),
        ]
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(site.index, "copies", lambda of: found)
        items = site.get(f"/images/{ID}/copies").json["items"]
    assert {(i["key"], i["copy"], i["distance"]) for i in items} == {
        ("2", "exact", 0),
        ("3", "exact", 0),
    }


def test_a_listing_counts_copies_where_they_are_asked_for(site: Site) -> None:
    fill_with_copies(site)
    items = site.get("/images", copies="true").json["items"]
    assert {i["key"]: i["copies"] for i in items} == {
        **{str(n): {"exact": 2, "near": 1} for n in range(3)},
        "3": {"exact": 0, "near": 3},
        "4": {"exact": 0, "near": 0},
    }
    assert "copies" not in site.get("/images").json["items"][0]
    assert "copies" not in site.get("/images", copies="false").json["items"][0]
    assert site.get("/images", copies="yes").error == (400, "invalid_request", "copies")


def test_search_collapses_copies_where_that_is_asked_for(site: Site) -> None:
    fill_with_copies(site)
    found = site.get("/search", q="2", collapse="near").json
    assert (found["total"], found["items"][0]["key"]) == (2, "2")
    copies = found["items"][0]["copies"]
    assert (copies["exact"], copies["near"]) == (2, 1)
    assert set(copies["ids"]) == {record(n).id for n in (0, 1, 3)}
    assert found["items"][1]["copies"] == {"exact": 0, "near": 0, "ids": []}
    posted = site.call("POST", "/search", {"text": "2", "collapse": "exact", "limit": 2}).json
    assert posted["total"] == 3
    assert posted["items"][0]["copies"]["exact"] == 2
    plain = site.get("/search", q="2").json
    assert (plain["total"], "copies" in plain["items"][0]) == (5, False)
    assert site.get("/search", q="2", collapse="all").error[2] == "collapse"


def test_a_cursor_goes_with_its_way_of_collapsing(site: Site) -> None:
    fill_with_copies(site)
    cursor = site.get("/search", q="2", collapse="near", limit="1").json["next_cursor"]
    rest = site.get("/search", q="2", collapse="near", cursor=cursor).json
    assert [i["key"] for i in rest["items"]] == ["4"]
    for other in ({}, {"collapse": "exact"}):
        answer = site.get("/search", q="2", cursor=cursor, **other)
        assert answer.error == (400, "invalid_cursor", "cursor")


def test_a_place_to_upload_to_is_handed_out(site: Site) -> None:
    answer = site.call("POST", "/uploads", {"collection": "My Trip", "files": [FILE]})
    assert answer.status == 201
    (place,) = answer.json["uploads"]
    assert set(place) == {"id", "key", "name", "url", "expires_at", "post"}
    assert place["key"].startswith("my-trip/")
    assert place["id"] == image_id("photos", place["key"])
    assert place["url"] == f"http://{HOST}/images/{place['id']}/file?" + urlencode(
        {"key": place["key"]}
    )
    assert place["post"]["fields"]["key"] == place["key"]


def test_an_uploaded_image_has_an_address_that_works_before_it_is_indexed(site: Site) -> None:
    body = {"file": base64.b64encode(b"\x89PNG\r\n\x1a\n...").decode(), "name": "Größe.png"}
    answer = site.call("POST", "/images", body)
    assert answer.status == 201
    assert answer.json["name"] == "Größe.png"
    found = site.call("GET", answer.json["url"].removeprefix(f"http://{HOST}"))
    assert found.status == 302
    assert found.headers["location"].startswith(f"memory://photos/{answer.json['key']}?")


def test_file_and_thumbnail_are_redirects_that_do_not_outlive_their_signature(site: Site) -> None:
    site.index.write([Write(record(1, thumbnail_key="t/1.webp"), None)])
    shown = site.get(f"/images/{ID}/file")
    assert (shown.status, shown.text) == (302, "")
    assert shown.headers["location"] == "memory://photos/1?expires=300&as="
    assert shown.headers["cache-control"] == "private, max-age=100"
    saved = site.get(f"/images/{ID}/file", download="1")
    assert "as=img0001.png" in saved.headers["location"]
    small = site.get(f"/images/{ID}/thumbnail", v="abc")
    assert small.headers["location"].startswith("memory://thumbnails/t/1.webp?")


def test_an_image_without_a_thumbnail_has_none(site: Site) -> None:
    site.fill(2)
    assert site.get(f"/images/{ID}").json["thumbnail_url"] is None
    assert site.get(f"/images/{ID}/thumbnail").error == (404, "not_found", None)


def test_a_deleted_image_is_gone_from_every_answer(site: Site) -> None:
    site.known.put("trips/a.png", b"a")
    site.known.ingest().process(["trips/a.png"])
    name = image_id("photos", "trips/a.png")
    assert site.get(f"/images/{name}").status == 200
    answer = site.call("DELETE", f"/images/{name}")
    assert (answer.status, answer.json) == (200, {"id": name, "state": "deleted"})
    assert site.known.bucket.objects == {}
    assert site.get(f"/images/{name}").error[:2] == (404, "not_found")
    assert site.get("/search", q="x").json["items"] == []
    assert site.call("DELETE", f"/images/{name}").error[:2] == (404, "not_found")


def test_stats_count_images_and_what_waits(site: Site) -> None:
    site.fill(3)
    site.index.write([Write(record(9, state="deleted", vector=None), None)])
    for body in ("one", "two"):
        site.letters.send(body)
    site.letters.receive(hide_s=60)
    assert site.get("/stats").json == {
        "images": {"ready": 3, "rejected": 0, "archived": 0},
        "facets": {
            "collection": {"even": 2, "odd": 1},
            "year": {"2024": 3},
            "camera": {},
            "format": {"png": 3},
        },
        "queue": {"waiting": 3, "in_flight": 1},
        "dead_letters": {"waiting": 2},
        "model": {"name": "fake", "fingerprint": "fake0001", "dim": DIM},
    }


def test_without_queues_stats_and_health_leave_them_out(monkeypatch: pytest.MonkeyPatch) -> None:
    site = serve(Site(with_queues=False), monkeypatch)
    assert set(site.get("/stats").json) == {"images", "facets", "model"}
    assert set(site.get("/health").json["checks"]) == {"bucket", "index"}


def test_health_is_ok_when_every_part_is(site: Site) -> None:
    answer = site.get("/health")
    assert (answer.status, answer.json) == (
        200,
        {
            "status": "ok",
            "version": __version__,
            "checks": {"bucket": "ok", "index": "ok", "queue": "ok"},
        },
    )


@pytest.mark.parametrize("part", ["bucket", "index", "queue"])
def test_health_is_503_and_names_the_part_that_is_not(site: Site, part: str) -> None:
    {"bucket": site.known.bucket, "index": site.index, "queue": site.queue}[part].down = True  # type: ignore[attr-defined]
    answer = site.get("/health")
    checks = answer.json["checks"]
    assert (answer.status, answer.json["status"]) == (503, "failing")
    assert [name for name, said in checks.items() if said != "ok"] == [part]
    assert checks[part].endswith(".")


def test_names_with_markup_and_letters_of_all_kinds_come_through_as_they_are(site: Site) -> None:
    name = '<img src=x onerror=alert(1)> "größe" 日本 🏖️.png'
    site.index.write([Write(record(1, name=name), None)])
    answer = site.get(f"/images/{ID}")
    assert answer.json["name"] == name
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_threads_answer_their_own_requests(site: Site) -> None:
    site.fill(25)
    ids = [record(n).id for n in range(25)] * 8
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda name: site.get(f"/images/{name}").json["id"], ids))
    assert answers == ids
