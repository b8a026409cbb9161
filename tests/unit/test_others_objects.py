"""Whatever names an image, somebody else's is not there: all ways that the contract knows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

import app as routes
from chalicelib import openapi
from chalicelib.records import image_id
from tests.fakes.issuer import Issuer, serving
from tests.unit.test_api import Answer, Site
from tests.unit.test_auth import ANNA, BERT, bearer
from tests.unit.test_private import three_owners
from tests.unit.test_search import record

MINE, THEIRS, NOBODYS, NONE = (record(n).id for n in (1, 2, 3, 99))
LETTERS = "/dead-letters"
"""Routes of admins, who see all: the ids there are messages', not images'."""


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with serving() as issuer:
        yield issuer


@pytest.fixture
def site(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Site:
    return three_owners(issuer, monkeypatch)


def document() -> dict[str, Any]:
    said: dict[str, Any] = json.loads(
        openapi.text(routes.app, auth="cognito", version="1", server="https://api.example.com")
    )
    return said


BY_PATH = sorted(
    (method, path)
    for path, methods in routes.app.routes.items()
    for method in methods
    if "{" in path and method != "OPTIONS"
)
"""Preflights name no image: they are answered before anyone has looked at the path."""


def test_the_routes_that_name_an_image_are_all_of_one_form() -> None:
    assert len(BY_PATH) >= 5
    assert all(path.startswith("/images/{id}") and path.count("{") == 1 for _, path in BY_PATH)


@pytest.mark.parametrize(("method", "path"), BY_PATH, ids=[f"{m} {p}" for m, p in BY_PATH])
def test_by_its_path_anothers_image_is_as_one_that_never_was(
    site: Site, issuer: Issuer, method: str, path: str
) -> None:
    token = bearer(issuer.person(ANNA, "upload"))

    def ask(known: str) -> Answer:
        return site.call(method, path.replace("{id}", known), headers=token)

    never = ask(NONE)
    assert never.error == (404, "not_found", None)
    for known in (THEIRS, NOBODYS):
        answer = ask(known)
        assert answer.error == (404, "not_found", None)
        assert answer.json["error"]["message"] == never.json["error"]["message"]
    assert ask(MINE).status < 400
    states = [found.record.state for found in site.index.read([THEIRS, NOBODYS]).values()]
    assert states == ["ready", "ready"]
    assert {"2", "3"} <= {key.rpartition("/")[2] for key in site.known.bucket.objects}


def keyed(number: int) -> str:
    key = record(number).key
    return f"/images/{image_id('photos', key)}/file?key={quote(key, safe='')}"


OTHERWISE: dict[str, Callable[[int], tuple[str, str, Any]]] = {
    "GET /images ids": lambda n: ("GET", f"/images?ids={record(n).id}", None),
    "GET /images/{id}/file key": lambda n: ("GET", keyed(n), None),
    "GET /search id": lambda n: ("GET", f"/search?id={record(n).id}", None),
    "GET /search parts": lambda n: (
        "GET", "/search?parts=" + quote(json.dumps([{"text": "a"}, {"id": record(n).id}])), None,
    ),
    "POST /search id": lambda n: ("POST", "/search", {"id": record(n).id}),
    "POST /search parts": lambda n: (
        "POST", "/search", {"parts": [{"text": "a"}, {"id": record(n).id}]},
    ),
}  # fmt: skip
"""Ways to name an image but by the path: (method, path, body) that ask for image n."""


def test_no_way_to_name_an_image_is_left_out() -> None:
    said = document()
    found = set()
    for path, methods in said["paths"].items():
        if path.startswith(LETTERS):
            continue
        for method, operation in methods.items():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query" and parameter["name"] in (
                    "id",
                    "ids",
                    "key",
                    "parts",
                ):
                    found.add(f"{method.upper()} {path} {parameter['name']}")
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body:
                name = body["schema"]["$ref"].rpartition("/")[2]
                properties = said["components"]["schemas"][name]["properties"]
                found |= {
                    f"{method.upper()} {path} {field}"
                    for field in properties
                    if field in ("id", "ids", "key", "keys", "parts")
                }
    assert found == set(OTHERWISE)


@pytest.mark.parametrize("way", OTHERWISE)
def test_in_any_other_way_anothers_image_is_as_one_that_never_was(
    site: Site, issuer: Issuer, way: str
) -> None:
    token = bearer(issuer.person(ANNA, "upload"))

    def ask(number: int) -> Answer:
        method, path, body = OTHERWISE[way](number)
        return site.call(method, path, body, token)

    never, mine = ask(99), ask(1)
    assert mine.status in (200, 302)
    for number in (2, 3):
        answer = ask(number)
        assert answer.status == never.status
        said, same = answer.json, never.json
        if answer.status == 404:
            assert said["error"]["message"] == same["error"]["message"]
        else:
            assert said == same
            assert said["items"] == []


def test_no_body_takes_a_field_that_its_model_does_not_name() -> None:
    """So nobody sets an owner, a state or a key by sending one along."""
    said = document()
    schemas = said["components"]["schemas"]
    taken: list[Any] = [
        operation["requestBody"]["content"]["application/json"]["schema"]
        for methods in said["paths"].values()
        for operation in methods.values()
        if "requestBody" in operation
    ]
    seen: set[str] = set()
    while taken:
        part = taken.pop()
        if isinstance(part, list):
            taken += part
        elif isinstance(part, dict):
            if reference := part.get("$ref"):
                name = reference.rpartition("/")[2]
                if name not in seen:
                    seen.add(name)
                    assert schemas[name]["additionalProperties"] is False, name
                    taken.append(schemas[name])
            taken += [value for key, value in part.items() if key != "examples"]
    assert {"UploadsRequest", "FileToUpload", "ImageUpload", "SearchRequest", "Part"} <= seen


@pytest.mark.parametrize("field", ["owner", "state", "key", "id", "sha256", "metadata", "bucket"])
@pytest.mark.parametrize("path", ["/images", "/uploads"])
def test_an_upload_says_nothing_of_owner_state_or_place(
    site: Site, issuer: Issuer, path: str, field: str
) -> None:
    token = bearer(issuer.person(ANNA, "upload"))
    body: dict[str, Any] = {"file": "QUJD"} if path == "/images" else {"files": []}
    answer = site.call("POST", path, {**body, field: BERT}, token)
    assert answer.error[:2] == (400, "invalid_request")
    if path == "/uploads" and field != "sha256":
        files = {"files": [{"name": "a.png", "size": 1, field: BERT}]}
        answer = site.call("POST", path, files, token)
        assert answer.error == (400, "invalid_request", f"files.0.{field}")
