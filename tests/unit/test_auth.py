"""Who may use which route, asked as a browser or a script asks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

import app as routes
from chalicelib.auth import SCOPES, Scope
from chalicelib.config import Settings
from chalicelib.cookies import CookieKey
from chalicelib.health import REMEMBERED_S, Health
from chalicelib.index.base import Write
from tests.fakes.issuer import CLIENT, Issuer, rsa_key, serving
from tests.unit.logs import captured
from tests.unit.test_api import (
    ALL_ROUTES,
    FILE,
    HOST,
    OPEN_ROUTES,
    Answer,
    Site,
    gateway_event,
    serve,
)
from tests.unit.test_cookies import pem_of
from tests.unit.test_search import record

ANNA, BERT = "a0000000-0000-4000-8000-000000000001", "b0000000-0000-4000-8000-000000000002"
EVERY = tuple(f"images/{scope}" for scope in SCOPES)
ID = record(1).id


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving() as issuer:
        yield issuer


def settings(issuer: Issuer, **changes: Any) -> Settings:
    given: dict[str, Any] = {
        "bucket": "photos",
        "thumbnails_bucket": "small",
        "auth": "cognito",
        "token_issuer": issuer.url,
        "token_clients": f"other, {CLIENT}",
    }
    return Settings(**(given | changes))


@pytest.fixture
def site(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Site:
    site = serve(Site(settings(issuer)), monkeypatch)
    site.index.write([Write(record(n, owner=ANNA, thumbnail_key=f"t/{n}"), None) for n in range(5)])
    return site


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def ask(site: Site, method: str, path: str, headers: dict[str, str]) -> Answer:
    """A right request to this route, but for who sends it."""
    bodies: dict[str, Any] = {
        "/search": {"text": "a"},
        "/images": {"file": "QUJD"},
        "/uploads": {"files": [FILE]},
        "/dead-letters/redrive": {"all": True},
        "/dead-letters/discard": {"all": True, "reason": "a test"},
    }
    asked = path.replace("{id}", ID) + ("?q=a" if (method, path) == ("GET", "/search") else "")
    return site.call(method, asked, bodies.get(path) if method == "POST" else None, headers)


# --- every route ------------------------------------------------------------------------------

READ: tuple[Scope, ...] = ("read",)
NEEDED: dict[tuple[str, str], tuple[Scope, ...]] = {
    ("POST", "/uploads"): ("upload",),
    ("POST", "/images"): ("upload",),
    ("GET", "/images"): READ,
    ("GET", "/images/{id}"): READ,
    ("DELETE", "/images/{id}"): ("upload", "admin"),
    ("GET", "/images/{id}/copies"): READ,
    ("GET", "/images/{id}/file"): READ,
    ("GET", "/images/{id}/thumbnail"): READ,
    ("GET", "/search"): READ,
    ("POST", "/search"): READ,
    ("GET", "/stats"): READ,
    ("GET", "/session"): SCOPES,
    ("POST", "/session"): READ,
    ("DELETE", "/session"): SCOPES,
    ("GET", "/dead-letters"): ("admin",),
    ("POST", "/dead-letters/redrive"): ("admin",),
    ("POST", "/dead-letters/discard"): ("admin",),
}


def test_every_route_says_who_may_use_it() -> None:
    known = {(method, path) for path, methods in routes.app.routes.items() for method in methods}
    asked = {(method, path) for method, path in known if method != "OPTIONS"}
    assert set(NEEDED) == set(ALL_ROUTES) == asked - set(OPEN_ROUTES)
    said = {route: need.scopes for route, need in routes.app.needs.items() if need.scopes}
    assert said == NEEDED
    assert set(routes.app.needs) == known


@pytest.mark.parametrize(("method", "path"), NEEDED)
def test_without_a_token_every_route_is_401(site: Site, method: str, path: str) -> None:
    answer = ask(site, method, path, {})
    assert answer.error == (401, "unauthorized", None)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert site.known.bucket.objects == {}
    assert site.index.counts()["ready"] == 5


@pytest.mark.parametrize(("method", "path"), NEEDED)
def test_without_its_scope_every_route_is_403(
    site: Site, issuer: Issuer, method: str, path: str
) -> None:
    others = [scope for scope in SCOPES if scope not in NEEDED[method, path]]
    token = issuer.machine("openid", *(f"images/{scope}" for scope in others), "images", "read")
    answer = ask(site, method, path, bearer(token))
    assert answer.error == (403, "insufficient_scope", None)
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'
    for scope in NEEDED[method, path]:
        assert f"images/{scope}" in answer.json["error"]["message"]
    assert site.known.bucket.objects == {}
    assert site.index.counts()["ready"] == 5


@pytest.mark.parametrize(
    ("method", "path", "scope"), [(*route, scope) for route in NEEDED for scope in NEEDED[route]]
)
def test_with_one_of_its_scopes_every_route_answers(
    site: Site, issuer: Issuer, method: str, path: str, scope: Scope
) -> None:
    token = issuer.machine(f"images/{scope}", sub=ANNA)
    answer = ask(site, method, path, bearer(token))
    assert answer.status in (200, 201, 302), answer.text


@pytest.mark.parametrize(("method", "path"), NEEDED)
def test_with_a_bad_token_every_route_is_401(
    site: Site, issuer: Issuer, method: str, path: str
) -> None:
    answer = ask(site, method, path, bearer(issuer.person(ANNA, "admin", client_id="else")))
    assert answer.error == (401, "invalid_token", None)
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_a_route_that_does_not_say_who_may_use_it_is_nobodys(
    site: Site, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(routes.app.needs, ("GET", "/stats"))
    answer = ask(site, "GET", "/stats", bearer(issuer.machine(*EVERY)))
    assert answer.error == (403, "forbidden", None)


def test_a_method_that_no_route_takes_needs_no_token(site: Site) -> None:
    assert site.call("PUT", "/search").error == (405, "method_not_allowed", None)


@pytest.mark.parametrize("header", ["bearer {}", "BEARER {}", "Bearer  {} ", " Bearer {}"])
def test_the_scheme_is_known_however_it_is_written(site: Site, issuer: Issuer, header: str) -> None:
    said = {"Authorization": header.format(issuer.machine("images/read"))}
    assert ask(site, "GET", "/stats", said).status == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "{}", "Token {}"])
def test_another_scheme_is_no_token(site: Site, issuer: Issuer, header: str) -> None:
    said = {"authorization": header.format(issuer.machine("images/read"))}
    assert ask(site, "GET", "/stats", said).error == (401, "unauthorized", None)


HEADERS = st.text(max_size=80) | st.text(st.characters(), max_size=20)


@given(
    authorization=HEADERS | HEADERS.map("Bearer {}".format),
    cookie=HEADERS | HEADERS.map("session={}".format),
)
@hypothesis(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_stands_in_the_headers_lets_nobody_in(
    site: Site, authorization: str, cookie: str
) -> None:
    for path in ("/stats", "/images/{id}/file"):
        answer = ask(site, "GET", path, {"authorization": authorization, "cookie": cookie})
        assert answer.error[0] == 401


def test_where_the_issuer_is_down_from_the_start_callers_may_try_again(
    site: Site, issuer: Issuer
) -> None:
    issuer.status = 500
    answer = ask(site, "GET", "/stats", bearer(issuer.machine("images/read")))
    assert answer.error == (503, "sign_in_unavailable", None)


# --- people and machines ----------------------------------------------------------------------


def session(site: Site, token: str) -> Any:
    return site.call("GET", "/session", headers=bearer(token)).json


@pytest.mark.parametrize(
    ("groups", "scopes"),
    [
        ([], ["read"]),
        (["other"], ["read"]),
        (["upload"], ["read", "upload"]),
        (["admin"], ["read", "upload", "admin"]),
        (["upload", "admin"], ["read", "upload", "admin"]),
        (["Admin", "images/admin"], ["read"]),
    ],
)
def test_a_person_may_what_their_groups_may(
    site: Site, issuer: Issuer, groups: list[str], scopes: list[str]
) -> None:
    assert session(site, issuer.person(ANNA, *groups))["scopes"] == scopes


def test_a_person_may_no_more_than_their_token_was_asked_for(site: Site, issuer: Issuer) -> None:
    token = issuer.person(ANNA, "admin", scope="openid images/read")
    assert session(site, token)["scopes"] == ["read"]


def test_a_machine_may_what_its_token_says(site: Site, issuer: Issuer) -> None:
    said = session(site, issuer.machine("images/upload", "images/admin"))
    assert (said["owner"], said["name"]) == (CLIENT, CLIENT)
    assert said["scopes"] == ["upload", "admin"]


def test_the_session_says_whose_it_is_and_until_when(site: Site, issuer: Issuer) -> None:
    token = issuer.person(ANNA, "upload", exp=1936785600, username="anna")
    assert session(site, token) == {
        "owner": ANNA,
        "name": "anna",
        "scopes": ["read", "upload"],
        "expires_at": "2031-05-17T12:00:00+00:00",
        "quota": None,
    }


def test_what_a_person_uploads_has_their_sub_as_its_owner(site: Site, issuer: Issuer) -> None:
    token = issuer.person(ANNA, "upload")
    assert ask(site, "POST", "/images", bearer(token)).status == 201
    (stored,) = site.known.bucket.objects.values()
    assert stored.metadata["owner"] == ANNA
    place = ask(site, "POST", "/uploads", bearer(token)).json["uploads"][0]
    assert place["post"]["fields"]["x-amz-meta-owner"] == ANNA


def test_the_gateways_clients_come_before_the_settings(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(Site(settings(issuer, token_clients="old")), monkeypatch)

    def status(client: str, **stage: str) -> int:
        token = issuer.person(ANNA, client_id=client)
        event = gateway_event(
            "/api/session", "/session",
            headers={"Host": HOST, "authorization": f"Bearer {token}"},
            stageVariables=stage or None,
        )  # fmt: skip
        return int(routes.app(event, None)["statusCode"])

    assert (status("old"), status("page")) == (200, 401)
    assert (status("old", token_clients="page,cli"), status("cli", token_clients="page,cli")) == (
        401,
        200,
    )


def test_without_any_client_no_token_is_good(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = serve(Site(settings(issuer, token_clients=" , ")), monkeypatch)
    token = issuer.person(ANNA, client_id="")
    assert ask(site, "GET", "/stats", bearer(token)).error == (500, "configuration", None)


# --- deleting ---------------------------------------------------------------------------------


def test_people_delete_what_they_uploaded_and_admins_anything(site: Site, issuer: Issuer) -> None:
    site.index.write([Write(record(7), None)])

    def delete(number: int, *groups: str, sub: str = BERT) -> Answer:
        token = issuer.person(sub, *groups)
        return site.call("DELETE", f"/images/{record(number).id}", headers=bearer(token))

    assert delete(1, "upload").error == (403, "insufficient_scope", None)
    assert delete(7, "upload").error == (403, "insufficient_scope", None), "nobody's"
    assert delete(1, sub=ANNA).error == (403, "insufficient_scope", None), "no longer may upload"
    assert site.index.counts()["ready"] == 6
    assert delete(1, "upload", sub=ANNA).status == 200
    assert delete(2, "admin").status == delete(7, "admin").status == 200
    assert site.index.counts()["ready"] == 3


# --- cookies ----------------------------------------------------------------------------------

COOKIE_ROUTES = [("GET", "/images/{id}/file"), ("GET", "/images/{id}/thumbnail")]


@pytest.mark.parametrize(("method", "path"), NEEDED)
def test_only_the_image_routes_take_the_session_cookie(
    site: Site, issuer: Issuer, method: str, path: str
) -> None:
    cookie = {"cookie": f"theme=dark; session={issuer.person(ANNA, 'admin')}"}
    answer = ask(site, method, path, cookie)
    if (method, path) in COOKIE_ROUTES:
        assert answer.status == 302
    else:
        assert answer.error == (401, "unauthorized", None)
        assert site.index.counts()["ready"] == 5


@pytest.mark.parametrize(("method", "path"), COOKIE_ROUTES)
def test_a_cookie_with_a_foreign_token_is_refused(
    site: Site, issuer: Issuer, method: str, path: str
) -> None:
    for token, code in (
        (issuer.person(ANNA, client_id="else"), "invalid_token"),
        (issuer.person(ANNA, token_use="id"), "invalid_token"),
        (issuer.person(ANNA, key="mine"), "invalid_token"),
        (issuer.person(ANNA, exp=1_600_000_000), "token_expired"),
        ("garbage", "invalid_token"),
        ("", "unauthorized"),
    ):
        assert ask(site, method, path, {"cookie": f"session={token}"}).error == (401, code, None)
    blind = issuer.machine("images/upload")
    assert ask(site, method, path, {"cookie": f"session={blind}"}).status == 403


def test_a_bad_token_is_not_made_good_by_a_cookie(site: Site, issuer: Issuer) -> None:
    cookie = {"cookie": f"session={issuer.person(ANNA)}"}
    answer = ask(site, *COOKIE_ROUTES[0], bearer("garbage") | cookie)
    assert answer.error == (401, "invalid_token", None)


def set_cookies(answer: Answer) -> list[str]:
    return answer.headers["set-cookie"].split(", ")


def test_a_session_begins_with_the_token_as_a_cookie_that_shows_images(
    site: Site, issuer: Issuer
) -> None:
    token = issuer.person(ANNA)
    answer = ask(site, "POST", "/session", bearer(token))
    assert answer.json == session(site, token)
    (cookie,) = set_cookies(answer)
    jar: SimpleCookie = SimpleCookie(cookie)
    assert (jar["session"].value, jar["session"]["path"]) == (token, "/images")
    back = {"cookie": f"session={jar['session'].value}"}
    assert ask(site, "GET", "/images/{id}/thumbnail", back).status == 302


def cloudfront_site(issuer: Issuer, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Site:
    key = CookieKey("K2JCJMDEHXQW5F", lambda: pem_of(rsa_key("cookies")))
    known = settings(
        issuer, cookie_key_id="K2JCJMDEHXQW5F", cookie_key_parameter="/x/cookie-key", **changes
    )
    site = serve(Site(known, cookie_key=key), monkeypatch)
    site.index.write([Write(record(1, owner=ANNA, thumbnail_key="f 1/a/é+1.jpg"), None)])
    return site


def test_with_cloudfront_a_session_has_its_cookies_too_and_ends_with_them(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = cloudfront_site(issuer, monkeypatch, public_url="https://photos.example.org/api")
    for method, values in (("POST", True), ("DELETE", False)):
        headers = set_cookies(ask(site, method, "/session", bearer(issuer.person(ANNA))))
        found = {}
        for header in headers:
            pair, *rest = header.split("; ")
            name, _, value = pair.partition("=")
            found[name] = next(one for one in rest if one.startswith("Path="))
            assert bool(value) == values
            assert "Secure" in rest
        assert found == {
            "session": "Path=/api/images",
            "CloudFront-Policy": "Path=/thumbnails",
            "CloudFront-Signature": "Path=/thumbnails",
            "CloudFront-Key-Pair-Id": "Path=/thumbnails",
        }


def test_with_cloudfront_thumbnails_have_an_address_of_their_own(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def address(**stage: str) -> str:
        event = gateway_event(
            f"/api/images/{ID}", "/images/{id}", pathParameters={"id": ID},
            headers={"Host": HOST, "authorization": f"Bearer {issuer.person(ANNA)}"},
            stageVariables=stage or None,
        )  # fmt: skip
        return str(
            Answer(routes.app(event, None) | {"multiValueHeaders": {}}).json["thumbnail_url"]
        )

    cloudfront_site(issuer, monkeypatch)
    assert address() == f"http://{HOST}/api/images/{ID}/thumbnail?v="
    key = "f%201/a/%C3%A9%2B1.jpg"
    assert address(public_url="https://p.example/api") == f"https://p.example/thumbnails/{key}"
    cloudfront_site(issuer, monkeypatch, public_url="https://old.example/api")
    assert address() == f"https://old.example/thumbnails/{key}"
    assert address(public_url="https://p.example/api") == f"https://p.example/thumbnails/{key}"
    cloudfront_site(issuer, monkeypatch, thumbnails_url="https://t.example/small/")
    assert address(public_url="https://p.example/api") == f"https://t.example/small/{key}"


# --- without tokens ---------------------------------------------------------------------------


def test_on_one_machine_everything_is_allowed_and_nobody_owns_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = serve(Site(), monkeypatch)
    nobody = {"owner": "", "name": "", "scopes": [*SCOPES], "expires_at": None, "quota": None}
    assert site.get("/session").json == nobody
    begun = site.call("POST", "/session")
    assert (begun.json, "set-cookie" in begun.headers) == (nobody, False)


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:8000", True),
        ("localhost", True),
        ("[::1]:8000", True),
        ("192.168.1.7:8000", False),
        ("photos.example.org", False),
        ("127.0.0.1.example.org", False),
        ("localhost@example.org", False),
        ("[::1].example.org", False),
        ("", False),
    ],
)
def test_without_sign_in_the_api_answers_as_this_machine_only(
    monkeypatch: pytest.MonkeyPatch, host: str, known: bool
) -> None:
    site = serve(Site(), monkeypatch)
    answer = site.call("GET", "/stats", headers={"host": host})
    assert answer.status == (200 if known else 403)


def test_without_sign_in_the_api_does_not_answer_behind_a_gateway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serve(Site(), monkeypatch)
    event = gateway_event(
        "/api/stats", "/stats",
        headers={"Host": "localhost"}, requestContext={"apiId": "wt6mne2s9k"},
    )  # fmt: skip
    assert routes.app(event, None)["statusCode"] == 403


def test_whoever_signs_with_aws_may_do_what_iam_lets_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serve(Site(Settings(bucket="photos", thumbnails_bucket="small")), monkeypatch)
    arn = "arn:aws:sts::123456789012:assumed-role/Photographers/anna@example.org"
    event = gateway_event("/api/session", "/session", requestContext={"identity": {"userArn": arn}})
    answer = Answer(routes.app(event, None) | {"multiValueHeaders": {}})
    assert answer.json == {
        "owner": arn, "name": "anna@example.org", "scopes": [*SCOPES], "expires_at": None,
        "quota": None,
    }  # fmt: skip


# --- health -----------------------------------------------------------------------------------


def test_strangers_learn_of_health_only_whether_all_is_well(site: Site, issuer: Issuer) -> None:
    assert site.get("/health").json == {"status": "ok"}
    reader = bearer(issuer.person(ANNA, "upload"))
    assert site.call("GET", "/health", headers=reader).json == {"status": "ok"}
    assert site.call("GET", "/health", headers=bearer("garbage")).json == {"status": "ok"}
    admin = bearer(issuer.person(ANNA, "admin"))
    assert set(site.call("GET", "/health", headers=admin).json["checks"]) == {
        "bucket", "index", "queue",
    }  # fmt: skip


def test_strangers_cannot_make_every_part_be_asked_again_and_again() -> None:
    now, asked = [100.0], []
    health = Health({"index": lambda: asked.append(1)}, clock=lambda: now[0])
    assert [health.well() for _ in range(9)] == [True] * 9
    assert len(asked) == 1
    now[0] += REMEMBERED_S
    assert health.well()
    assert health.look() == {"index": "ok"}
    assert len(asked) == 3, "admins are told how it is now"
    assert health.well()
    assert len(asked) == 3


def test_what_strangers_do_not_learn_is_in_the_log(site: Site) -> None:
    site.queue.down = True
    with captured() as lines:
        answer = site.get("/health")
    assert (answer.status, answer.json) == (503, {"status": "failing"})
    (line,) = lines()
    assert line["checks"]["queue"] == "SQS did not answer (EndpointConnectionError)."


def test_only_admins_see_how_many_messages_were_given_up(site: Site, issuer: Issuer) -> None:
    reader, admin = issuer.person(ANNA, "upload"), issuer.person(ANNA, "admin")
    assert "dead_letters" not in site.call("GET", "/stats", headers=bearer(reader)).json
    assert site.call("GET", "/stats", headers=bearer(admin)).json["dead_letters"] == {"waiting": 0}


def test_each_thread_answers_its_own_caller(site: Site, issuer: Issuer) -> None:
    tokens = {name: issuer.person(name) for name in ("one", "two", "three")}
    names = [*tokens] * 30
    with ThreadPoolExecutor(6) as threads:
        said = list(threads.map(lambda name: session(site, tokens[name])["owner"], names))
    assert said == names
