"""What one request may ask for, over real HTTP: more is refused, and the next is answered."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
from typing import Any

import pytest
import requests

from chalicelib.uploads import MAX_BASE64
from tests.hostile import bombs
from tests.integration.local_stack import LocalStack
from tests.integration.pictures import jpeg

PIXEL = base64.b64encode(jpeg()).decode()
HALF = "A" * (MAX_BASE64 // 2 + 4)

JSON: dict[str, tuple[str, bytes, int]] = {
    "lists within lists": ("/search", b'{"text": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", 400),
    "objects within objects": ("/search", b'{"a":' * 200_000 + b"1" + b"}" * 200_000, 400),
    "filters within filters": (
        "/search",
        b'{"text": "a", "filters": ' + b'{"all_of": [' * 5_000 + b"]}" * 5_000 + b"}",
        400,
    ),
    "a number without end": ("/search", b'{"text": "a", "limit": ' + b"9" * 500_000 + b"}", 400),
    "no number": ("/search", b'{"parts": [{"text": "a", "weight": NaN}]}', 400),
    "an infinite weight": ("/search", b'{"parts": [{"text": "a", "weight": 1e999}]}', 400),
    "many fields": (
        "/search",
        json.dumps({"text": "a", **{f"f{n}": n for n in range(50_000)}}).encode(),
        400,
    ),
    "a field a million times": ("/search", b"{" + b'"text": "a", ' * 100_000 + b'"x": 1}', 400),
    "many files": (
        "/uploads",
        json.dumps({"files": [{"name": "a.png", "size": 1}] * 50_000}).encode(),
        400,
    ),
    "a long name": (
        "/uploads", json.dumps({"files": [{"name": "a" * 10**6, "size": 1}]}).encode(), 400,
    ),
    "a long collection": (
        "/images", json.dumps({"file": PIXEL, "collection": "c" * 10**6}).encode(), 400,
    ),
}  # fmt: skip

SEARCHES: dict[str, tuple[dict[str, Any], int]] = {
    "eleven parts": ({"parts": [{"text": "a"}] * 11}, 400),
    "a long text": ({"text": "a " * 501}, 400),
    "a long text in a part": ({"parts": [{"text": "a" * 1001}]}, 400),
    "a long vector": ({"vector": "v1" + "A" * 8191}, 400),
    "one image too large": ({"image": "A" * (MAX_BASE64 + 4)}, 413),
    "two images too large together": ({"parts": [{"image": HALF}, {"image": HALF}]}, 413),
    "a cursor too long": ({"text": "a", "cursor": "c" * 501}, 400),
    "a page too long": ({"text": "a", "limit": 201}, 400),
    "51 filters": ({"text": "a", "filters": {"any_of": [{"format": "png"}] * 51}}, 400),
    "a region of a text": ({"text": "a", "region": [0, 0, 1, 1]}, 400),
    "a region beyond the picture": ({"image": PIXEL, "region": [0.5, 0, 0.6, 1]}, 400),
}

BOMBS = {
    made.name: made.data
    for made in bombs.hostile()
    if made.verdict == "refused" and len(made.data) < MAX_BASE64 * 3 // 4
}


def answers_still(stack: LocalStack) -> None:
    asked = {"text": "a cat", "closest": True, "limit": 1}
    found = stack.request("POST", "/search", json=asked)
    assert (found.status_code, len(found.json()["items"])) == (200, 1)


def refused(answer: requests.Response, *statuses: int) -> None:
    assert answer.status_code in statuses, answer.text[:500]
    assert len(answer.content) < 2_000
    error = answer.json()["error"]
    assert error["message"].endswith(".")


@pytest.mark.parametrize("name", JSON)
def test_json_that_is_made_to_cost_is_refused(stack: LocalStack, name: str) -> None:
    path, body, status = JSON[name]
    headers = {"Content-Type": "application/json"}
    refused(stack.request("POST", path, data=body, headers=headers), status)
    answers_still(stack)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_for_more_than_there_may_be_is_refused(stack: LocalStack, name: str) -> None:
    body, status = SEARCHES[name]
    refused(stack.request("POST", "/search", json=body), status)


@pytest.mark.parametrize("name", BOMBS)
def test_a_picture_that_wants_to_become_large_is_refused_in_a_search_too(
    stack: LocalStack, name: str
) -> None:
    image = base64.b64encode(BOMBS[name]).decode()
    refused(stack.request("POST", "/search", json={"image": image}), 413, 422)
    parts = {"parts": [{"text": "a cat"}, {"image": image, "weight": 0.5}]}
    refused(stack.request("POST", "/search", json=parts), 413, 422)


def test_after_the_bombs_searches_are_answered_by_words_and_by_pictures(stack: LocalStack) -> None:
    assert len(BOMBS) > 10
    answers_still(stack)
    found = stack.request("POST", "/search", json={"image": PIXEL, "closest": True, "limit": 1})
    assert (found.status_code, len(found.json()["items"])) == (200, 1)


def raw(stack: LocalStack, target: str, headers: dict[str, str]) -> int:
    """The status of an answer to a request as no client of good manners sends it."""
    connection = http.client.HTTPConnection(stack.url.removeprefix("http://"), timeout=60)
    try:
        connection.putrequest("GET", target)
        for name, value in headers.items():
            connection.putheader(name, value)
        # It may have answered, and hung up, before the last of it was sent.
        with contextlib.suppress(ConnectionError):
            connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def test_addresses_and_headers_without_end_are_refused(stack: LocalStack) -> None:
    assert raw(stack, "/search?q=" + "a" * 70_000, {}) == 414
    assert raw(stack, "/images/" + "0" * 70_000, {}) == 414
    assert raw(stack, "/images?ids=" + "0" * 60_000, {}) in (200, 400)
    for name in ("0" * 60_000, "0" * 300, "%00", "..%00/index.html"):
        assert raw(stack, f"/images/{name}", {}) == 404
        assert raw(stack, f"/{name}", {}) == 404
    assert raw(stack, "/search?q=a", {"X-Long": "a" * 70_000}) == 431
    assert raw(stack, "/search?q=a", {f"X-{n}": "a" for n in range(200)}) == 431
    answers_still(stack)
