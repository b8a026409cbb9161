"""Access tokens, checked with keys that an issuer publishes over HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import SignInUnavailable, Unauthorized
from chalicelib.tokens import (
    ASK_AGAIN_S,
    FRESH_S,
    LEEWAY_S,
    NOTHING_KNOWN_S,
    SigningKeys,
    Token,
    verify,
)
from tests.fakes.issuer import CLIENT, Issuer, public_jwk, rsa_key, serving


class Clock:
    """Time that passes when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving() as issuer:
        yield issuer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(issuer: Issuer, clock: Clock) -> SigningKeys:
    return SigningKeys(issuer.url, clock=clock)


def check(token: str, issuer: Issuer, keys: SigningKeys, *clients: str) -> Token:
    return verify(token, keys, issuer=issuer.url, clients=frozenset(clients or (CLIENT,)))


def refusal(token: str, issuer: Issuer, keys: SigningKeys) -> tuple[str, str]:
    """(code, why)"""
    with pytest.raises(Unauthorized) as caught:
        check(token, issuer, keys)
    assert caught.value.challenge == 'Bearer error="invalid_token"'
    start = "The access token is not valid here: "
    return caught.value.code, caught.value.message.removeprefix(start).rstrip(".")


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


# --- good tokens ------------------------------------------------------------------------------


def test_a_persons_token_says_who_they_are_and_what_they_may(
    issuer: Issuer, keys: SigningKeys
) -> None:
    expires = int(time.time()) + 600
    token = issuer.token(sub="s-1", username="anna", exp=expires, **{"cognito:groups": ["a", "b"]})
    assert check(token, issuer, keys) == Token(
        subject="s-1",
        client=CLIENT,
        username="anna",
        scopes=frozenset({"openid", "images/read", "images/upload", "images/admin"}),
        groups=frozenset({"a", "b"}),
        expires_at=datetime.fromtimestamp(expires, timezone.utc),
        text=token,
    )
    assert token not in repr(check(token, issuer, keys)), "tokens do not get into logs"


def test_a_machines_token_has_no_person_behind_it(issuer: Issuer, keys: SigningKeys) -> None:
    said = check(issuer.machine("images/read"), issuer, keys)
    assert (said.subject, said.username) == (CLIENT, "")
    assert (said.scopes, said.groups) == ({"images/read"}, frozenset())


def test_any_of_several_clients_will_do(issuer: Issuer, keys: SigningKeys) -> None:
    assert check(issuer.token(client_id="b"), issuer, keys, "a", "b").client == "b"


def test_a_token_bound_to_a_resource_names_it_as_its_audience(
    issuer: Issuer, keys: SigningKeys
) -> None:
    assert check(issuer.token(aud="https://api.example.org"), issuer, keys).client == CLIENT


# --- tokens that are not ----------------------------------------------------------------------


def test_an_expired_token_is_told_so_that_a_page_can_refresh_it(
    issuer: Issuer, keys: SigningKeys
) -> None:
    code, _ = refusal(issuer.token(exp=int(time.time()) - LEEWAY_S - 10), issuer, keys)
    assert code == "token_expired"


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_whose_time_has_not_come_is_refused(
    issuer: Issuer, keys: SigningKeys, claim: str
) -> None:
    token = issuer.token(**{claim: int(time.time()) + LEEWAY_S + 60})
    assert refusal(token, issuer, keys) == ("invalid_token", "its time has not come yet")


def test_clocks_may_be_a_little_apart(issuer: Issuer, keys: SigningKeys) -> None:
    now = int(time.time())
    slow = issuer.token(iat=now + LEEWAY_S - 10, nbf=now + LEEWAY_S - 10)
    fast = issuer.token(exp=now - LEEWAY_S + 20)
    assert check(slow, issuer, keys).client == check(fast, issuer, keys).client == CLIENT


CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "another client": ({"client_id": "other"}, "it was made for another client"),
    "no client": ({"client_id": None}, "it was made for another client"),
    "a list of clients": ({"client_id": [CLIENT]}, "it was made for another client"),
    "another issuer": ({"iss": "https://evil.example.org"}, "another issuer made it"),
    "the issuer and more": ({"iss": "{url}x"}, "another issuer made it"),
    "the issuer's host only": ({"iss": "http://127.0.0.1"}, "another issuer made it"),
    "an id token": (
        {"token_use": "id", "client_id": None, "aud": CLIENT, "scope": None},
        "it is not an access token",
    ),
    "a token for some use": ({"token_use": None}, "it is not an access token"),
    "nobody": ({"sub": ""}, "it does not say whose it is"),
    "somebody endless": ({"sub": "s" * 201}, "it does not say whose it is"),
    "scopes in a list": ({"scope": ["images/admin"]}, "what it says is of the wrong form"),
    "groups as text": ({"cognito:groups": "admin"}, "what it says is of the wrong form"),
    "groups of numbers": ({"cognito:groups": [1]}, "what it says is of the wrong form"),
    "a name that is no text": ({"username": 7}, "what it says is of the wrong form"),
    "an end beyond all calendars": ({"exp": 10**15}, "what it says is of the wrong form"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_token_of_the_issuer_for_something_else_is_refused(
    issuer: Issuer, keys: SigningKeys, name: str
) -> None:
    changes, why = CLAIMS[name]
    if "iss" in changes:
        changes = {"iss": changes["iss"].replace("{url}", issuer.url)}
    assert refusal(issuer.token(**changes), issuer, keys) == ("invalid_token", why)


NO_TOKEN = ("invalid_token", "it is no token of the issuer, or was changed")
NOT_RS256 = ("invalid_token", "it is not signed with RS256 by a key that it names")
NOT_ITS_KEY = ("invalid_token", "the key it names is not one of the issuer's")


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "sub"])
def test_a_token_that_leaves_a_claim_out_is_refused(
    issuer: Issuer, keys: SigningKeys, claim: str
) -> None:
    assert refusal(issuer.token(**{claim: None}), issuer, keys) == NO_TOKEN


def test_an_unsigned_token_is_refused(issuer: Issuer, keys: SigningKeys) -> None:
    for name in ("none", "None", "NONE", ""):
        head = part({"alg": name, "typ": "JWT", "kid": "first"})
        token = f"{head}.{part(issuer.claims())}."
        assert refusal(token, issuer, keys) in (NOT_RS256, NO_TOKEN)


def test_the_public_key_is_no_secret_to_sign_with(issuer: Issuer, keys: SigningKeys) -> None:
    """HS256 with the published key as its secret: signed with what everybody has."""
    pem = (
        rsa_key("first")
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'first'})}.{part(issuer.claims())}"
    mark = part(hmac.new(pem, signed.encode(), hashlib.sha256).digest())
    assert refusal(f"{signed}.{mark}", issuer, keys) == NOT_RS256


def test_other_algorithms_are_refused_though_the_key_is_right(
    issuer: Issuer, keys: SigningKeys
) -> None:
    for name in ("RS512", "PS256"):
        token = jwt.encode(issuer.claims(), rsa_key("first"), name, headers={"kid": "first"})
        assert refusal(token, issuer, keys) == NOT_RS256
    curve = ec.generate_private_key(ec.SECP256R1())
    token = jwt.encode(issuer.claims(), curve, "ES256", headers={"kid": "first"})
    assert refusal(token, issuer, keys) == NOT_RS256


def test_a_key_that_the_token_brings_along_is_not_used(issuer: Issuer, keys: SigningKeys) -> None:
    for header in (
        {"kid": "mine", "jwk": public_jwk("mine")},
        {"kid": "mine", "jku": f"{issuer.url}/.well-known/jwks.json"},
    ):
        assert refusal(issuer.token(key="mine", header=header), issuer, keys) == NOT_ITS_KEY
    token = issuer.token(key="mine", header={"kid": "first", "jwk": public_jwk("mine")})
    assert refusal(token, issuer, keys) == NO_TOKEN


def test_a_token_without_a_key_id_is_refused(issuer: Issuer, keys: SigningKeys) -> None:
    token = jwt.encode(issuer.claims(), rsa_key("first"), "RS256")
    assert refusal(token, issuer, keys) == NOT_RS256
    assert issuer.asked == []


def test_a_token_that_was_changed_is_refused(issuer: Issuer, keys: SigningKeys) -> None:
    head, _, mark = issuer.token().split(".")
    claims = issuer.claims(**{"cognito:groups": ["admin"]})
    assert refusal(f"{head}.{part(claims)}.{mark}", issuer, keys) == NO_TOKEN


@pytest.mark.parametrize(
    "token",
    [
        "", ".", "..", "a.b.c", "x" * 100, "ä.ö.ü", "\0.\0.\0", " . . ",
        f"{part([])}.{part({})}.x",
        f"{part({'alg': 'RS256', 'kid': 7})}.{part({})}.x",
        f"{part({'alg': ['RS256'], 'kid': 'first'})}.{part({})}.x",
        f"{part(b'[' * 5000)}.{part({})}.x",
        f"{part({'alg': 'RS256', 'kid': 'first', 'crit': ['b64'], 'b64': False})}.{part({})}.x",
    ],
)  # fmt: skip
def test_garbage_is_no_token(issuer: Issuer, keys: SigningKeys, token: str) -> None:
    assert refusal(token, issuer, keys)[0] == "invalid_token"


def test_an_endless_token_is_not_looked_at(issuer: Issuer, keys: SigningKeys) -> None:
    token = issuer.token(**{"cognito:groups": ["g" * 9000]})
    assert refusal(token, issuer, keys) == ("invalid_token", "it is too long")
    assert issuer.asked == []


@given(st.text(max_size=300) | st.lists(st.binary(max_size=60).map(part), max_size=4).map(".".join))
def test_whatever_comes_is_refused_and_breaks_nothing(token: str) -> None:
    keys = SigningKeys("http://127.0.0.1:9", clock=Clock())
    keys._keys = {"first": rsa_key("first").public_key()}
    keys._got_at = keys._clock()
    with pytest.raises(Unauthorized):
        verify(token, keys, issuer="http://127.0.0.1:9", clients=frozenset({CLIENT}))


# --- keys -------------------------------------------------------------------------------------


def test_keys_are_fetched_once_for_many_tokens(issuer: Issuer, keys: SigningKeys) -> None:
    for number in range(5):
        check(issuer.token(sub=str(number)), issuer, keys)
    assert issuer.asked == ["/eu-central-1_EXAMPLE/.well-known/jwks.json"]


def test_a_new_key_is_taken_up_when_a_token_names_it(
    issuer: Issuer, keys: SigningKeys, clock: Clock
) -> None:
    check(issuer.token(), issuer, keys)
    issuer.keys.append(public_jwk("second"))
    clock.now += ASK_AGAIN_S
    assert check(issuer.token(key="second"), issuer, keys).client == CLIENT
    assert check(issuer.token(), issuer, keys).client == CLIENT
    assert len(issuer.asked) == 2


def test_invented_key_ids_cannot_make_us_ask_more_than_once_a_minute(
    issuer: Issuer, keys: SigningKeys, clock: Clock
) -> None:
    for number in range(50):
        token = issuer.token(key="mine", header={"kid": f"invented {number}"})
        assert refusal(token, issuer, keys) == NOT_ITS_KEY
    assert len(issuer.asked) == 1
    clock.now += ASK_AGAIN_S
    refusal(issuer.token(key="mine"), issuer, keys)
    assert len(issuer.asked) == 2


def test_a_withdrawn_key_is_taken_no_longer_than_its_set_is_fresh(
    issuer: Issuer, keys: SigningKeys, clock: Clock
) -> None:
    old = issuer.token()
    check(old, issuer, keys)
    issuer.keys = [public_jwk("second")]
    clock.now += FRESH_S
    check(old, issuer, keys)
    clock.now += 1
    assert refusal(old, issuer, keys) == NOT_ITS_KEY
    assert check(issuer.token(key="second"), issuer, keys).client == CLIENT
    assert len(issuer.asked) == 2


BROKEN: dict[str, tuple[int, bytes]] = {
    "an error": (500, b""),
    "a redirect": (302, b""),
    "no JSON": (200, b"<html>"),
    "no set": (200, b"[]"),
    "no list": (200, b'{"keys": {}}'),
    "an empty set": (200, b'{"keys": []}'),
    "too much": (200, b'{"keys": [' + b" " * 200_000 + b"]}"),
    "too deep": (200, b"[" * 50_000),
}


@pytest.mark.parametrize("name", BROKEN)
def test_where_the_issuer_breaks_the_keys_it_gave_are_kept(
    issuer: Issuer, keys: SigningKeys, clock: Clock, name: str
) -> None:
    check(issuer.token(), issuer, keys)
    issuer.status, issuer.body = BROKEN[name]
    issuer.headers = {"Location": "/elsewhere"}
    for _ in range(3):
        clock.now += FRESH_S + 1
        assert check(issuer.token(), issuer, keys).client == CLIENT
        assert refusal(issuer.token(key="second"), issuer, keys) == NOT_ITS_KEY
    assert len(issuer.asked) == 4
    assert {path.rpartition("/")[2] for path in issuer.asked} == {"jwks.json"}


@pytest.mark.parametrize("name", BROKEN)
def test_where_no_key_is_known_the_caller_may_try_again(
    issuer: Issuer, keys: SigningKeys, clock: Clock, name: str
) -> None:
    issuer.status, issuer.body = BROKEN[name]
    for _ in range(5):
        with pytest.raises(SignInUnavailable):
            check(issuer.token(), issuer, keys)
    assert len(issuer.asked) == 1
    issuer.status, issuer.body = 200, None
    clock.now += NOTHING_KNOWN_S
    assert check(issuer.token(), issuer, keys).client == CLIENT


def test_an_issuer_that_cannot_be_reached_is_not_the_tokens_fault(issuer: Issuer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        keys = SigningKeys(f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(SignInUnavailable):
            check(issuer.token(), issuer, keys)


@pytest.mark.parametrize(
    "other",
    [
        public_jwk("first", use="enc"),
        public_jwk("first", alg="RS512"),
        public_jwk("first", kty="EC"),
        public_jwk("first", kid=None),
        public_jwk("first", n="AQAB"),
        public_jwk("first", e="Ag"),
        public_jwk("first", n=7),
        {"kid": "first", "kty": "oct", "k": "c2VjcmV0"},
        {"kid": "first", "kty": "RSA"},
        "first",
        None,
    ],
)
def test_keys_for_something_else_are_passed_over(
    issuer: Issuer, keys: SigningKeys, other: Any
) -> None:
    issuer.keys = [other, public_jwk("second")]
    assert refusal(issuer.token(), issuer, keys) == NOT_ITS_KEY
    assert check(issuer.token(key="second"), issuer, keys).client == CLIENT


def test_a_key_that_is_too_short_is_not_used(issuer: Issuer, keys: SigningKeys) -> None:
    short = rsa_key("short", 1024).public_key().public_numbers()
    modulus = part(short.n.to_bytes(128, "big"))
    issuer.keys = [public_jwk("first", n=modulus, kid="short"), public_jwk("first")]
    check(issuer.token(), issuer, keys)
    assert keys.find("short") is None
