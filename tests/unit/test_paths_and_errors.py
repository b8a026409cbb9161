"""Parts of a path are decoded in one place, and every error has the same shape, whoever says it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import app as routes
from local.front import MAX_BODY
from tests.unit.fronted import Fronted, fronted
from tests.unit.test_api import HOST, Answer, Site, gateway_event, serve
from tests.unit.test_search import record

ID = record(1).id
SPELT = "".join(f"%{ord(letter):02x}" for letter in ID)
"""The same id, each letter percent-encoded."""

NOT_FOUND = ["x", "%", "a%2Fb", f"{ID}%2Fcopies", f"{ID}%00", "%C3%A9", "%25", ID.upper(), "a b"]
"""What is encoded well and names no image; a lone percent sign is encoded by the tests."""
BROKEN = ["%zz", "%2", "%", "%ff", "%c3%28", f"{ID}%"]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    site = serve(Site(), monkeypatch)
    site.fill()
    return site


def behind_api_gateway(part: str) -> Answer:
    """As the REST API hands it on: the parameter as it was sent."""
    event = gateway_event(
        f"/prod/images/{part}",
        "/images/{id}",
        pathParameters={"id": part},
        headers={"Host": HOST},
    )
    return Answer(routes.app(event, None))


def locally(site: Site, part: str) -> Answer:
    return site.get(f"/images/{part}")


def test_a_part_of_a_path_is_decoded_once_wherever_it_comes_from(site: Site) -> None:
    for answer in (locally(site, SPELT), behind_api_gateway(SPELT)):
        assert answer.status == 200
        assert answer.json["id"] == ID
    twice = SPELT.replace("%", "%25")
    for answer in (locally(site, twice), behind_api_gateway(twice)):
        assert answer.error == (404, "not_found", None)


@pytest.mark.parametrize("part", [p for p in NOT_FOUND if p != "%"])
def test_what_names_no_image_is_not_found_however_it_is_spelt(site: Site, part: str) -> None:
    assert locally(site, part).error == (404, "not_found", None)
    assert behind_api_gateway(part).error == (404, "not_found", None)


@pytest.mark.parametrize("part", BROKEN)
def test_a_part_that_is_encoded_wrongly_is_refused(site: Site, part: str) -> None:
    assert locally(site, part).error == (400, "invalid_request", None)
    assert behind_api_gateway(part).error == (400, "invalid_request", None)


# --- over HTTP --------------------------------------------------------------------------------


@pytest.fixture
def front(site: Site) -> Iterator[Fronted]:
    with fronted() as front:
        yield front


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_over_http_the_path_comes_as_it_was_sent(front: Fronted, prefix: str) -> None:
    for part, status in (
        (ID, 200),
        (SPELT, 200),
        (SPELT.replace("%", "%25"), 404),
        (f"{ID}%2Fcopies", 404),
        (f"{ID}%3Fx=1", 404),
        (f"{ID}%", 400),
        ("%ff", 400),
    ):
        told, _, _ = front.raw("GET", f"{prefix}/images/{part}")
        assert told == status, part


def error(status: int, headers: dict[str, str], body: bytes) -> tuple[int, str]:
    """(status, code) of an error in our shape."""
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    said = json.loads(body)
    assert set(said) == {"error"}
    assert said["error"]["message"].endswith(".")
    assert len(said["error"]["request_id"]) >= 32
    return status, said["error"]["code"]


JSON = {"Content-Type": "application/json"}
HUGE = b'{"text": "' + b"x" * MAX_BODY + b'"}'


@pytest.mark.parametrize(
    ("method", "target", "body", "headers", "wanted"),
    [
        ("GET", "/no/such/route", None, {}, (404, "not_found")),
        ("GET", "/no/such/route", None, {"Authorization": "\xe9"}, (404, "not_found")),
        ("GET", "/api", None, {}, (404, "not_found")),
        ("GET", "/%00", None, {}, (404, "not_found")),
        ("GET", f"/{'x' * 5000}", None, {}, (404, "not_found")),
        ("GET", "/%ff%fe", None, {}, (404, "not_found")),
        ("GET", "http://evil.example.org/stats", None, {}, (403, "forbidden")),
        ("GET", "//[/stats", None, {}, (404, "not_found")),
        ("GET", "/../../etc/passwd", None, {}, (404, "not_found")),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", None, {}, (404, "not_found")),
        ("GET", "/stats", None, {"Host": "a b"}, (403, "forbidden")),
        ("GET", "/stats", None, {"Host": "[::1"}, (403, "forbidden")),
        ("GET", "/stats", None, {"Host": ""}, (403, "forbidden")),
        ("PUT", "/search", None, {}, (405, "method_not_allowed")),
        ("HEAD", "/search?q=a", None, {}, (405, "")),
        ("BREW", "/search", None, {}, (405, "method_not_allowed")),
        ("POST", "/search", b"{", JSON, (400, "invalid_request")),
        ("POST", "/search", b'{"text": "\xff"}', JSON, (400, "invalid_request")),
        ("POST", "/search", b'{"text": "\\ud800"}', JSON, (400, "invalid_request")),
        ("POST", "/search", b"[" * 100_000, JSON, (400, "invalid_request")),
        ("POST", "/search", b"", JSON, (400, "invalid_request")),
        ("POST", "/search", b"text=a", {"Content-Type": "text/plain"}, (415, "unsupported_type")),
        ("POST", "/search", HUGE, JSON, (413, "too_large")),
        ("GET", "/search?q=%ff", None, {}, (400, "invalid_request")),
        ("GET", "/search?q=a&q=b", None, {}, (400, "invalid_request")),
        ("GET", "/search?q=a&z=1", None, {}, (400, "invalid_request")),
        ("GET", "/stats?z=1", None, {}, (400, "invalid_request")),
        ("GET", "/stats", None, {"Host": "evil.example.org"}, (403, "forbidden")),
        ("GET", "/stats", None, {"Origin": "https://evil.example.org"}, (403, "forbidden")),
    ],
)
def test_every_refusal_has_the_same_shape_over_http(
    front: Fronted, method: str, target: str, body: Any, headers: dict[str, str],
    wanted: tuple[int, str],
) -> None:  # fmt: skip
    status, told, said = front.raw(method, target, body, headers)
    if method == "HEAD":
        assert (status, said) == (405, b"")
    else:
        assert error(status, told, said) == wanted


def test_a_body_without_a_length_is_measured_as_it_comes(front: Fronted) -> None:
    pieces = (b"x" * 1024 * 1024 for _ in range(7))
    headers = {**JSON, "Transfer-Encoding": "chunked"}
    answer = front.raw("POST", "/search", pieces, headers, chunked=True)
    assert error(*answer) == (413, "too_large")
