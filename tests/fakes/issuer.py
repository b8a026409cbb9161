"""Whoever signs the tokens: keys made here, published over real HTTP on 127.0.0.1."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.served import served

CLIENT = "1h57kf5cpq17m0eml12EXAMPLE"


@functools.cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """One key a name: making one takes a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def public_jwk(name: str, **changes: Any) -> dict[str, Any]:
    """The public half, as Cognito publishes it."""
    made: dict[str, Any] = RSAAlgorithm.to_jwk(rsa_key(name).public_key(), as_dict=True)
    numbers = {part: made[part] for part in ("n", "e")}
    return {"alg": "RS256", "kid": name, "kty": "RSA", "use": "sig", **numbers, **changes}


class Issuer:
    """Publishes `keys`; `body`, where it is given, is answered in their place."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys: list[dict[str, Any]] = [public_jwk("first")]
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body: bytes | None = None
        self.asked: list[str] = []

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Those of a person's access token, as Cognito writes them; None takes a claim away."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "cognito:groups": ["upload"],
            "iss": self.url,
            "version": 2,
            "client_id": CLIENT,
            "origin_jti": "aaaaaaaa-bbbb-cccc-dddd-000000000001",
            "event_id": "64f513be-32db-42b0-b78e-b02127b4f463",
            "token_use": "access",
            "scope": "openid images/read images/upload images/admin",
            "auth_time": now,
            "exp": now + 3600,
            "iat": now,
            "jti": "aaaaaaaa-bbbb-cccc-dddd-000000000002",
            "username": "anna",
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, *, key: str = "first", header: dict[str, Any] | None = None, **c: Any) -> str:
        """`key` signs; `header` changes the token's own, `c` its claims."""
        headers = {"kid": key, **(header or {})}
        return jwt.encode(self.claims(**c), rsa_key(key), algorithm="RS256", headers=headers)

    def person(self, sub: str, *groups: str, **changes: Any) -> str:
        said = {"sub": sub, "username": f"user {sub}", "cognito:groups": [*groups]}
        return self.token(**(said | changes))

    def machine(self, *scopes: str, **changes: Any) -> str:
        """As the client credentials grant gives it: no person, no groups, `sub` the client."""
        said = {"sub": CLIENT, "username": None, "cognito:groups": None}
        return self.token(**(said | {"scope": " ".join(scopes)} | changes))

    def answer(self) -> tuple[int, bytes]:
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        return self.status, body


@contextmanager
def serving() -> Iterator[Issuer]:
    """An issuer that answers under an address of its own, path included as Cognito's has one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            status, body = issuer.answer()
            self.send_response(status)
            for name, value in issuer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}/eu-central-1_EXAMPLE")
    with served(server):
        yield issuer
