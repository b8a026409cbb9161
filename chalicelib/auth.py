"""Who may do what: who is calling, and what each route asks of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from chalicelib import cookies
from chalicelib.config import Settings, is_loopback_host
from chalicelib.errors import ConfigurationError, Forbidden, IntellisenseError, Unauthorized
from chalicelib.records import Filters

if TYPE_CHECKING:
    from chalicelib.tokens import SigningKeys, Token

Scope = Literal["read", "upload", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "upload", "admin")
RESOURCE_SERVER = "images"
"""Begins the names of the scopes in tokens, as in `images/read`."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a route asks: one of `scopes`; none for a route that is open to all. `cookie`: the
    session cookie will do in place of a token."""

    scopes: tuple[Scope, ...] = ()
    cookie: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """`owner` is recorded with what this caller uploads, and stays the same; "" on one machine.
    `name` is for people to read. `token` is the access token they came by, "" for none."""

    owner: str
    scopes: frozenset[Scope]
    name: str = ""
    expires_at: datetime | None = None
    token: str = ""

    def may(self, *scopes: Scope) -> bool:
        return not self.scopes.isdisjoint(scopes)


STRANGER = Caller("", frozenset())


class Asked(NamedTuple):
    """What a request says of who sends it. `headers` are found whatever their case; `context` and
    `stage` are API Gateway's own words, which callers cannot set."""

    headers: Mapping[str, str]
    context: Mapping[str, Any]
    stage: Mapping[str, str]


class Callers:
    """Tells who is calling, in the way that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known_keys: SigningKeys | None = None

    def admit(self, asked: Asked, need: Need) -> Caller:
        """The caller, where they may use a route with this need.

        Raises `Unauthorized`, `Forbidden` (code "insufficient_scope") or `SignInUnavailable`. A
        route that is open to all admits a `STRANGER` too.
        """
        if not need.scopes:
            try:
                return self._identify(asked, need)
            except IntellisenseError:
                return STRANGER
        caller = self._identify(asked, need)
        if not caller.may(*need.scopes):
            wanted = " or ".join(f"{RESOURCE_SERVER}/{scope}" for scope in need.scopes)
            raise Forbidden(f"This needs the scope {wanted}.", code="insufficient_scope")
        return caller

    def _identify(self, asked: Asked, need: Need) -> Caller:
        if self._settings.auth == "none":
            return _on_this_machine(asked)
        if self._settings.auth == "iam":
            return _signed(asked)
        token = _bearer(asked.headers.get("authorization", ""))
        if not token and need.cookie:
            token = cookies.session_of(asked.headers.get("cookie", ""))
        if not token:
            raise Unauthorized("Sign in, and send the access token: Authorization: Bearer ….")
        return self._by_token(token, asked.stage)

    def _by_token(self, token: str, stage: Mapping[str, str]) -> Caller:
        from chalicelib import tokens

        listed = stage.get("token_clients") or self._settings.token_clients
        clients = frozenset(name for part in listed.split(",") if (name := part.strip()))
        if not clients:
            raise ConfigurationError("Set IMAGES_TOKEN_CLIENTS to the ids of the clients.")
        if self._known_keys is None:
            self._known_keys = tokens.SigningKeys(self._settings.token_issuer)
        issuer = self._settings.token_issuer
        said = tokens.verify(token, self._known_keys, issuer=issuer, clients=clients)
        return Caller(
            owner=said.subject,
            scopes=_scopes(said),
            name=said.username or said.client,
            expires_at=said.expires_at,
            token=token,
        )


def _on_this_machine(asked: Asked) -> Caller:
    """`none`: whoever is at this machine may do everything, and nobody else anything. Behind API
    Gateway, or where a server was told to listen to a network, nobody is."""
    if asked.context.get("apiId") or not is_loopback_host(asked.headers.get("host", "")):
        raise Forbidden(
            "Without sign-in (IMAGES_AUTH=none) this server answers only as 127.0.0.1 or localhost."
        )
    return Caller("", frozenset(SCOPES))


def _signed(asked: Asked) -> Caller:
    """`iam`: API Gateway has checked the SigV4 signature and says whose it is, and IAM whether
    they may call this method (`execute-api:Invoke`), so there is nothing left to decide."""
    arn = (asked.context.get("identity") or {}).get("userArn")
    if not arn:
        raise Unauthorized(
            "Sign the request with AWS SigV4 credentials.", challenge="AWS4-HMAC-SHA256"
        )
    return Caller(str(arn), frozenset(SCOPES), name=str(arn).rpartition("/")[2])


def _bearer(header: str) -> str:
    """RFC 6750, 2.1; the scheme in any case (RFC 9110, 11.1)."""
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


_GROUPS: dict[Scope, frozenset[str]] = {
    "upload": frozenset({"upload", "admin"}),
    "admin": frozenset({"admin"}),
}
"""A person has these scopes as a member of one of these groups only: the page asks for all scopes
for everyone, and Cognito gives each app client's scopes to whoever signs in."""


def _scopes(said: Token) -> frozenset[Scope]:
    person = bool(said.username)
    return frozenset(
        scope
        for scope in SCOPES
        if f"{RESOURCE_SERVER}/{scope}" in said.scopes
        and not (person and scope in _GROUPS and said.groups.isdisjoint(_GROUPS[scope]))
    )


def check_delete(caller: Caller, owner: str) -> None:
    """Own images with `upload`, any with `admin`. Raises `Forbidden`."""
    if caller.may("admin") or (owner and owner == caller.owner):
        return
    raise Forbidden(
        "You did not upload this image; to delete it needs the scope images/admin.",
        code="insufficient_scope",
    )


def visible(caller: Caller, settings: Settings) -> Filters:
    """Which images are there for a caller: with private collections their own; all for admins."""
    if not settings.private_collections or caller.may("admin"):
        return Filters()
    return Filters(owner=caller.owner)


_caller: ContextVar[Caller] = ContextVar("caller")


@contextmanager
def calling(caller: Caller) -> Iterator[None]:
    """Within it, `caller()` is this one; each thread answers its own."""
    token = _caller.set(caller)
    try:
        yield
    finally:
        _caller.reset(token)


def current() -> Caller:
    """Whose request is being answered."""
    return _caller.get()
