"""The check that holds answers to the contract sees what it looks for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.examples import EXAMPLES
from tests.promised import promise

JSON = {"content-type": "application/json"}
ID = "0" * 32
SESSION: dict[str, Any] = EXAMPLES["Session"][0]
ERROR: dict[str, Any] = EXAMPLES["Error"][0]


def hold(method: str, path: str, status: int, body: Any, headers: dict[str, str] = JSON) -> None:
    promise("none").hold(method, path, status, headers, json.dumps(body))


def test_what_is_promised_is_let_through() -> None:
    hold("GET", "/session", 200, SESSION)
    hold("GET", "/api/session?x=1", 400, ERROR)
    hold("GET", f"/images/{ID}/file", 302, "", {"Location": "https://example.com/"})
    hold("GET", "/no/such/route", 404, ERROR)
    hold("PUT", "/session", 405, ERROR)


@pytest.mark.parametrize(
    ("path", "status", "body", "headers"),
    [
        ("/session", 200, {**SESSION, "secret": 1}, JSON),
        ("/session", 200, {k: v for k, v in SESSION.items() if k != "owner"}, JSON),
        ("/session", 200, {**SESSION, "expires_at": "tomorrow"}, JSON),
        ("/session", 200, {**SESSION, "scopes": ["all"]}, JSON),
        ("/session", 200, SESSION, {"content-type": "text/html"}),
        ("/session", 201, SESSION, JSON),
        ("/session", 404, ERROR, JSON),
        ("/session", 400, {"error": {**ERROR["error"], "code": "not_found"}}, JSON),
        ("/session", 400, {"error": {"code": "invalid_request", "message": "No."}}, JSON),
        (f"/images/{ID}/file", 302, "", {}),
    ],
)
def test_what_is_not_is_seen(path: str, status: int, body: Any, headers: dict[str, str]) -> None:
    with pytest.raises(AssertionError):
        hold("GET", path, status, body, headers)
