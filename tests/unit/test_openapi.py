"""The document that tells the contract: whole, valid, and the same as what the code does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

import app as routes
from chalicelib import __version__, openapi
from chalicelib.config import Settings
from tests.fakes.issuer import serving
from tests.unit.test_api import HOST, Site, serve

AUTHS = ("none", "cognito", "iam")


def document(auth: str = "none") -> dict[str, Any]:
    said: dict[str, Any] = json.loads(
        openapi.text(routes.app, auth=auth, version="1", server="https://api.example.com")
    )
    return said


def operations(said: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in said["paths"].items()
        for method, operation in methods.items()
    }


@pytest.mark.parametrize("auth", AUTHS)
def test_the_document_is_valid_openapi_3_1(auth: str) -> None:
    said = document(auth)
    assert said["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(said).iter_errors()) == []


def test_every_route_is_in_the_document_and_nothing_else() -> None:
    known = set(operations(document()))
    routed = {(method, path) for path, methods in routes.app.routes.items() for method in methods}
    assert known == {(method, path) for method, path in routed if method != "OPTIONS"}
    names = [operation["operationId"] for operation in operations(document()).values()]
    assert len(set(names)) == len(names)
    for operation in operations(document()).values():
        assert operation["summary"], operation["operationId"]


@pytest.mark.parametrize("auth", AUTHS)
def test_every_route_says_who_may_use_it_in_the_way_of_this_deployment(auth: str) -> None:
    said = document(auth)
    for route, operation in operations(said).items():
        need = routes.app.needs[route]
        ways = operation["security"]
        assert bool(ways) is bool(need.scopes and auth != "none"), route
        assert {name for way in ways for name in way} <= set(said["components"]["securitySchemes"])
        if auth == "cognito" and need.scopes:
            scopes = {scope for way in ways for scope in way.get("bearer", [])}
            assert scopes == {f"images/{scope}" for scope in need.scopes}
            assert ({"session": []} in ways) is need.cookie
        assert ("401" in operation["responses"]) is bool(ways)


def schemas(said: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each component as a schema that stands by itself."""
    known = said["components"]["schemas"]
    return {
        name: {"$ref": f"#/components/schemas/{name}", "components": {"schemas": known}}
        for name in known
    }


def test_every_body_and_answer_has_examples_and_each_is_one() -> None:
    said = document()
    used = {
        content["schema"]["$ref"].rpartition("/")[2]
        for operation in operations(said).values()
        for part in (operation.get("requestBody"), *operation["responses"].values())
        if part
        for content in part.get("content", {}).values()
    }
    named = {n for n, schema in said["components"]["schemas"].items() if "examples" in schema}
    assert used - {"Document"} == named
    whole = schemas(said)
    for name in named:
        for example in said["components"]["schemas"][name]["examples"]:
            validator = Draft202012Validator(whole[name], format_checker=FormatChecker())
            assert list(validator.iter_errors(example)) == [], name


def test_every_parameter_has_a_schema_and_its_example_fits() -> None:
    said = document()
    seen = 0
    for operation in operations(said).values():
        for parameter in operation.get("parameters", []):
            assert parameter["description" if parameter["in"] == "query" else "schema"]
            if "example" in parameter:
                validator = Draft202012Validator(parameter["schema"])
                assert list(validator.iter_errors(parameter["example"])) == [], parameter
                seen += 1
    assert seen > 20


@pytest.mark.parametrize("auth", AUTHS)
def test_anyone_may_read_it_at_its_address(auth: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as issuer:
        settings = Settings(
            bucket="photos", thumbnails_bucket="small", auth=auth,  # type: ignore[arg-type]
            token_issuer=issuer.url if auth == "cognito" else "",
        )  # fmt: skip
        site = serve(Site(settings), monkeypatch)
        answer = site.get("/openapi.json")
    assert answer.status == 200
    assert answer.json["servers"] == [{"url": f"http://{HOST}"}]
    assert answer.json["info"]["version"] == __version__
    assert set(answer.json["components"]["securitySchemes"]) == {
        "none": set(), "iam": {"sigv4"}, "cognito": {"bearer", "session"},
    }[auth]  # fmt: skip


def test_whoever_has_it_already_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    site = serve(Site(), monkeypatch)
    first = site.get("/openapi.json")
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "public, max-age=300"
    for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        again = site.call("GET", "/openapi.json", headers={"if-none-match": known})
        assert (again.status, again.text, again.headers["etag"]) == (304, "", tag)
    assert site.call("GET", "/openapi.json", headers={"if-none-match": '"x"'}).status == 200
