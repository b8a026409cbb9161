"""Pages of other origins: those that are configured may ask, and nobody else is told anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import app as routes
from chalicelib.config import Settings
from chalicelib.origins import ASKED_WITH
from tests.fakes.issuer import Issuer, serving
from tests.unit.fronted import Fronted, fronted
from tests.unit.test_api import Site, serve

OURS, OTHER = "https://photos.example.org", "https://evil.example.org"
TWO = f"{OURS}, http://localhost:5173"
PATHS = sorted(routes.app.routes)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with serving() as issuer:
        yield issuer


def settings(auth: Any, issuer: Issuer, origins: str = TWO) -> Settings:
    return Settings(
        bucket="photos", thumbnails_bucket="small", auth=auth, origins=origins,
        token_issuer=issuer.url if auth == "cognito" else "",
    )  # fmt: skip


def preflight(origin: str, method: str = "GET") -> dict[str, str]:
    return {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,content-type",
    }


def cors(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("access-control")}


@pytest.mark.parametrize("auth", ["none", "iam", "cognito"])
@pytest.mark.parametrize("path", PATHS)
def test_a_browser_may_ask_for_every_path_without_a_token(
    path: str, auth: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = serve(Site(settings(auth, issuer)), monkeypatch)
    asked = path.replace("{id}", "0" * 32)
    answer = site.call("OPTIONS", asked, headers=preflight(OURS))
    assert (answer.status, answer.text) == (204, "")
    methods = {m for m in routes.app.routes[path] if m != "OPTIONS"}
    said = cors(answer.headers)
    assert said.pop("access-control-allow-origin") == OURS
    assert set(said.pop("access-control-allow-methods").split(", ")) == methods
    assert set(said.pop("access-control-allow-headers").split(", ")) == set(ASKED_WITH)
    assert {"authorization", "content-type", "x-amz-date"} < set(ASKED_WITH)
    assert said.pop("access-control-max-age") == "7200"
    assert list(said) == ["access-control-expose-headers"]
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("origins", ["", TWO])
@pytest.mark.parametrize("origin", [OTHER, "null", OURS + ".evil.example.org", "http" + OURS[5:]])
def test_an_unknown_origin_is_told_nothing(
    origin: str, origins: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = serve(Site(settings("none", issuer, origins)), monkeypatch)
    for method, path in (("OPTIONS", "/search"), ("GET", "/stats"), ("GET", "/images/nope")):
        answer = site.call(method, path, headers=preflight(origin))
        assert cors(answer.headers) == {}
        assert answer.headers.get("vary") == ("Origin" if origins else None)


def test_without_configured_origins_nobody_is(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = serve(Site(settings("none", issuer, "")), monkeypatch)
    assert cors(site.call("OPTIONS", "/search", headers=preflight(OURS)).headers) == {}
    assert cors(site.call("GET", "/stats", headers={"origin": OURS}).headers) == {}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/stats", None, 200),
        ("GET", "/images?limit=0", None, 400),
        ("GET", "/images/%zz", None, 400),
        ("GET", f"/images/{'0' * 32}", None, 404),
        ("PUT", "/search", {}, 405),
        ("POST", "/search", b"{", 400),
    ],
)
def test_answers_and_errors_alike_are_read_by_a_page_that_may_ask(
    method: str, path: str, body: Any, status: int,
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    site = serve(Site(settings("none", issuer)), monkeypatch)
    for origin in (OURS, "http://localhost:5173"):
        answer = site.call(method, path, body, {"origin": origin})
        assert answer.status == status
        said = cors(answer.headers)
        assert said.pop("access-control-allow-origin") == origin
        assert "retry-after" in said.pop("access-control-expose-headers")
        assert said == {}, "no credentials"
    assert cors(site.call(method, path, body).headers) == {}


def test_whoever_is_not_signed_in_is_told_that_to_their_page(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = serve(Site(settings("cognito", issuer)), monkeypatch)
    answer = site.call("GET", "/stats", headers={"origin": OURS})
    assert answer.error == (401, "unauthorized", None)
    assert answer.headers["access-control-allow-origin"] == OURS
    assert "www-authenticate" in answer.headers["access-control-expose-headers"]


@pytest.fixture
def front(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fronted]:
    site = serve(Site(settings("none", issuer)), monkeypatch)
    site.fill()
    with fronted(frozenset({OURS})) as front:
        yield front


def test_on_one_machine_a_configured_page_may_ask_and_no_other(front: Fronted) -> None:
    for path in ("/stats", "/api/stats", "/images?limit=0", "/no/such/route"):
        ours = front.ask("GET", path, headers={"Origin": OURS})
        assert ours.headers["Access-Control-Allow-Origin"] == OURS
        assert "Origin" in ours.headers["Vary"]
        other = front.ask("GET", path, headers={"Origin": OTHER})
        assert other.status_code == 403
        assert other.json()["error"]["code"] == "forbidden"
        assert "Access-Control-Allow-Origin" not in other.headers
    asked = front.ask("OPTIONS", "/api/images/x/file", headers=preflight(OURS))
    assert asked.status_code == 204
    assert asked.headers["Access-Control-Allow-Methods"] == "GET"
    assert front.ask("OPTIONS", "/search", headers=preflight(OTHER)).status_code == 403


def test_what_is_compressed_says_that_it_varies_by_both(front: Fronted) -> None:
    headers = {"Origin": OURS, "Accept-Encoding": "gzip"}
    long = front.ask("GET", "/images?limit=200", headers=headers)
    assert long.headers["Content-Encoding"] == "gzip"
    varies = {one.strip() for one in long.headers["Vary"].split(",")}
    assert varies == {"Origin", "Accept-Encoding"}
    assert len(long.json()["items"]) == 5


def test_the_contract_varies_by_both_too(front: Fronted) -> None:
    headers = {"Origin": OURS, "Accept-Encoding": "gzip"}
    told = front.ask("GET", "/openapi.json", headers=headers)
    assert told.headers["Vary"] == "Accept-Encoding, Origin"
    assert told.headers["Content-Encoding"] == "gzip"
    assert told.headers["Access-Control-Allow-Origin"] == OURS
