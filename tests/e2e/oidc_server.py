"""An OIDC provider on this machine, shaped like a Cognito user pool and its managed login.

Modelled on what https://docs.aws.amazon.com/cognito/latest/developerguide/ says of the endpoints
(authorization-endpoint, token-endpoint, revocation-endpoint, logout-endpoint) and of the claims
(amazon-cognito-user-pools-using-the-access-token): the issuer is another address than the pages,
codes are good once and with their PKCE verifier, refusals are 400 with {"error": …}, of all
endpoints only the token's answers other origins, /logout sends people to registered addresses.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

SCOPES = ("openid", "images/read", "images/upload", "images/admin")
POOL = "/us-east-1_Example"
"""The issuer's path: in AWS the pool is at cognito-idp.REGION.amazonaws.com, its pages are not."""

SESSION = "cognito"


@dataclass(frozen=True)
class User:
    """One person of the pool."""

    name: str
    password: str
    groups: tuple[str, ...] = ()
    sub: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def email(self) -> str:
        return f"{self.name}@example.com"


@dataclass(frozen=True)
class Grant:
    """What a code or a refresh token stands for."""

    user: User
    scope: str
    redirect_uri: str = ""
    challenge: str = ""


class OidcServer:
    """`url` are the pages, `issuer` signs. Set `lifetime` and `redirects` as a test needs them."""

    client_id = "page"

    def __init__(self, *users: User) -> None:
        self.users = {user.name: user for user in users}
        self.redirects: set[str] = set()
        self.lifetime = 3600.0
        """Seconds an access token is good for; also what `expires_in` says."""
        self.issued_ago = 0.0
        """So many seconds the pool's clock is behind: its tokens are as old as that."""
        self.down = False
        """The token endpoint answers 503."""
        self.rotates = False
        """Each refresh gives a new refresh token and ends the old one."""
        self.asked: list[str] = []
        """Every grant that was asked for at the token endpoint, granted or not, and "revoke"."""
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._kid = secrets.token_hex(8)
        self._codes: dict[str, Grant] = {}
        self._refresh: dict[str, Grant] = {}
        self._sessions: dict[str, User] = {}
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.issuer = self.url + POOL
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def file(self) -> str:
        """What `python -m local --sign-in` reads."""
        return json.dumps({"issuer": self.issuer, "url": self.url, "client_id": self.client_id})

    def revoke_all(self) -> None:
        """As an administrator's global sign-out: no refresh token works any more."""
        self._refresh.clear()

    def forget_all(self) -> None:
        """No browser is signed in at the pages any more."""
        self._sessions.clear()

    def access_token(self, name: str) -> str:
        """For a client of the API that is no browser."""
        token: str = self._tokens(Grant(self.users[name], " ".join(SCOPES)))["access_token"]
        return token

    # --- HTTP ---------------------------------------------------------------------------------

    def _serve(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        routes = {
            "/oauth2/authorize": self._authorize,
            "/oauth2/token": self._token,
            "/oauth2/revoke": self._revoke,
            "/logout": self._logout,
            f"{POOL}/.well-known/jwks.json": self._jwks,
            f"{POOL}/.well-known/openid-configuration": self._configuration,
            "/favicon.ico": lambda _: Response(status=204),
        }
        view = routes.get(request.path, lambda _: Response("no such page", 404))
        return view(request)(environ, start_response)

    def _authorize(self, request: Request) -> Response:
        asked = request.args
        redirect = asked.get("redirect_uri", "")
        if asked.get("client_id") != self.client_id or redirect not in self.redirects:
            return Response("redirect_mismatch", 400)
        wrong = (
            asked.get("response_type") != "code"
            or asked.get("code_challenge_method") != "S256"
            or not set(asked.get("scope", "").split()) <= {*SCOPES}
        )
        if wrong:
            return self._back(request, error="invalid_request")
        user = self._sessions.get(request.cookies.get(SESSION, ""))
        if request.method == "POST":
            if "cancel" in request.form:
                said = "The user cancelled"
                return self._back(request, error="access_denied", error_description=said)
            user = self._known(request)
            if user is None:
                return self._form("Incorrect username or password.")
        if user is None:
            return self._form("")
        code = secrets.token_urlsafe(16)
        self._codes[code] = Grant(user, asked["scope"], redirect, asked["code_challenge"])
        answer = self._back(request, code=code)
        session = secrets.token_urlsafe(16)
        self._sessions[session] = user
        answer.set_cookie(SESSION, session, httponly=True, samesite="Lax")
        return answer

    def _known(self, request: Request) -> User | None:
        user = self.users.get(request.form.get("username", ""))
        return user if user and user.password == request.form.get("password") else None

    def _back(self, request: Request, **said: str) -> Response:
        query = urlencode({**said, "state": request.args.get("state", "")})
        return Response(status=302, headers={"Location": f"{request.args['redirect_uri']}?{query}"})

    def _form(self, problem: str) -> Response:
        page = (
            "<!doctype html><title>Sign in at the pool</title><meta name=viewport"
            ' content="width=device-width"><form method="post">'
            f'<p id="problem">{escape(problem)}</p>'
            '<input name="username" aria-label="Username" autofocus>'
            '<input name="password" aria-label="Password" type="password">'
            '<button name="enter">Sign in</button><button name="cancel">Cancel</button></form>'
        )
        return Response(page, content_type="text/html; charset=utf-8")

    def _token(self, request: Request) -> Response:
        form = request.form
        kind = form.get("grant_type", "")
        self.asked.append(kind)
        if self.down:
            return _json({}, 503)
        if request.method != "POST" or request.mimetype != "application/x-www-form-urlencoded":
            return _json({"error": "invalid_request"}, 400)
        if form.get("client_id") != self.client_id:
            return _json({"error": "invalid_client"}, 400)
        if kind == "authorization_code":
            grant = self._codes.pop(form.get("code", ""), None)
            if grant is None or not _proved(grant, form):
                return _json({"error": "invalid_grant"}, 400)
            return _json(self._tokens(grant, refresh=True))
        if kind == "refresh_token":
            token = form.get("refresh_token", "")
            grant = self._refresh.pop(token, None) if self.rotates else self._refresh.get(token)
            if grant is None:
                return _json({"error": "invalid_grant"}, 400)
            return _json(self._tokens(grant, refresh=self.rotates))
        return _json({"error": "unsupported_grant_type"}, 400)

    def _tokens(self, grant: Grant, *, refresh: bool = False) -> dict[str, Any]:
        now = time.time() - self.issued_ago
        user = grant.user
        shared = {
            "iss": self.issuer,
            "sub": user.sub,
            "iat": int(now),
            "auth_time": int(now),
            "exp": int(now + self.lifetime),
            "jti": secrets.token_hex(16),
            **({"cognito:groups": list(user.groups)} if user.groups else {}),
        }
        access = {
            **shared,
            "token_use": "access",
            "client_id": self.client_id,
            "username": user.name,
            "scope": grant.scope,
            "version": 2,
        }
        about = {
            **shared,
            "token_use": "id",
            "aud": self.client_id,
            "cognito:username": user.name,
            "email": user.email,
        }
        answer = {
            "access_token": self._signed(access),
            "id_token": self._signed(about),
            "expires_in": int(self.lifetime),
            "token_type": "Bearer",
        }
        if refresh:
            answer["refresh_token"] = secrets.token_urlsafe(24)
            self._refresh[answer["refresh_token"]] = grant
        return answer

    def _signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._kid})

    def _revoke(self, request: Request) -> Response:
        self.asked.append("revoke")
        self._refresh.pop(request.form.get("token", ""), None)
        return Response(status=200)

    def _logout(self, request: Request) -> Response:
        where = request.args.get("logout_uri", "")
        if request.args.get("client_id") != self.client_id or where not in self.redirects:
            return Response("invalid logout_uri", 400)
        self._sessions.pop(request.cookies.get(SESSION, ""), None)
        answer = Response(status=302, headers={"Location": where})
        answer.delete_cookie(SESSION)
        return answer

    def _jwks(self, _request: Request) -> Response:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return _json({"keys": [{**public, "kid": self._kid, "alg": "RS256", "use": "sig"}]})

    def _configuration(self, _request: Request) -> Response:
        return _json(
            {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/.well-known/jwks.json",
                "authorization_endpoint": f"{self.url}/oauth2/authorize",
                "token_endpoint": f"{self.url}/oauth2/token",
                "revocation_endpoint": f"{self.url}/oauth2/revoke",
                "end_session_endpoint": f"{self.url}/logout",
            }
        )


def _proved(grant: Grant, form: Any) -> bool:
    """https://www.rfc-editor.org/rfc/rfc7636#section-4.6"""
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return challenge == grant.challenge and form.get("redirect_uri") == grant.redirect_uri


def _json(body: dict[str, Any], status: int = 200) -> Response:
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"}
    return Response(json.dumps(body), status, headers, content_type="application/json")


@contextlib.contextmanager
def providing(*users: User) -> Iterator[OidcServer]:
    """A provider that is gone at the end."""
    server = OidcServer(*users)
    try:
        yield server
    finally:
        server.close()
