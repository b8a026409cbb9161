"""Access tokens: whether one is good, and what it says.

The checks are those that Cognito asks for
(https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html)
and that RFC 8725 adds: one algorithm, named here and not by the token.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import jwt
import urllib3
from aws_lambda_powertools import Logger
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from jwt.utils import from_base64url_uint

from chalicelib.errors import SignInUnavailable, Unauthorized
from chalicelib.log import SERVICE

logger = Logger(service=SERVICE, child=True)

ALGORITHM = "RS256"
"""The one that Cognito signs with
(https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html)."""

LEAST_BITS = 2048
"""Of an RSA key (RFC 7518, 3.3)."""

LEEWAY_S = 30
"""How far the clocks of issuer and function may be apart."""

LONGEST = 8192
"""Characters of a token; all headers of a request to API Gateway have 10,240 bytes
(https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html)."""

LONGEST_SUBJECT = 200
"""Characters; the filter `owner` takes as many."""

FRESH_S = 600.0
"""How long a set of keys is used before it is asked for again: a key that was withdrawn is taken
for as long at most, while the issuer answers."""
ASK_AGAIN_S = 60.0
"""Between two requests for keys, so that strangers with invented key ids cause no more."""
NOTHING_KNOWN_S = 5.0
"""The same where there is no key at all yet."""
TIMEOUT_S = 10.0
_MOST_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Token:
    """What a good access token says. `username` is "" in tokens of machines (client credentials),
    which have no person behind them."""

    subject: str
    client: str
    username: str
    scopes: frozenset[str]
    groups: frozenset[str]
    expires_at: datetime
    text: str = field(repr=False)


class SigningKeys:
    """The issuer's public keys by their ids, kept for the life of the process."""

    def __init__(self, issuer: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = issuer.rstrip("/") + "/.well-known/jwks.json"
        self._clock = clock
        self._http = urllib3.PoolManager(
            retries=False, timeout=urllib3.Timeout(total=TIMEOUT_S), maxsize=1
        )
        self._lock = threading.Lock()
        self._keys: dict[str, RSAPublicKey] = {}
        self._got_at = float("-inf")
        self._asked_at = float("-inf")

    def find(self, key_id: str) -> RSAPublicKey | None:
        """The key with this id; None where the issuer has none such.

        Raises `SignInUnavailable` where no key is known and the issuer does not answer.
        """
        if key_id not in self._keys or self._old():
            with self._lock:
                self._ask_where_due(key_id)
        if not self._keys:
            raise SignInUnavailable("The keys that tokens are signed with could not be fetched.")
        return self._keys.get(key_id)

    def _old(self) -> bool:
        return self._clock() - self._got_at > FRESH_S

    def _ask_where_due(self, key_id: str) -> None:
        if key_id in self._keys and not self._old():
            return  # another thread was quicker
        pause = ASK_AGAIN_S if self._keys else NOTHING_KNOWN_S
        if self._clock() - self._asked_at < pause:
            return
        self._asked_at = self._clock()
        try:
            self._keys = self._fetch()
            self._got_at = self._clock()
        except (urllib3.exceptions.HTTPError, OSError, ValueError, RecursionError) as error:
            logger.warning("signing keys not fetched", url=self._url, reason=str(error))

    def _fetch(self) -> dict[str, RSAPublicKey]:
        """Raises `ValueError` where the answer is no set of keys."""
        answer = self._http.request("GET", self._url, redirect=False, preload_content=False)
        try:
            body = answer.read(_MOST_BYTES + 1, decode_content=True)
        finally:
            answer.release_conn()
        if answer.status != 200 or len(body) > _MOST_BYTES:
            raise ValueError(f"status {answer.status}, {len(body)} bytes")
        said = json.loads(body)
        listed = said.get("keys") if isinstance(said, dict) else None
        if not isinstance(listed, list):
            raise ValueError("the answer is no JSON Web Key Set")
        pairs = [pair for one in listed if (pair := _public_key(one)) is not None]
        if not pairs:
            raise ValueError("there is no usable key in the set")
        return dict(pairs)


def _public_key(given: Any) -> tuple[str, RSAPublicKey] | None:
    """(id, key) of a JSON Web Key (RFC 7517) for signatures of ours; None for any other."""
    if not isinstance(given, dict) or given.get("kty") != "RSA":
        return None
    if given.get("use", "sig") != "sig" or given.get("alg", ALGORITHM) != ALGORITHM:
        return None
    try:
        modulus, exponent = from_base64url_uint(given["n"]), from_base64url_uint(given["e"])
        key = RSAPublicNumbers(exponent, modulus).public_key()
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    name = given.get("kid")
    return (name, key) if isinstance(name, str) and key.key_size >= LEAST_BITS else None


def verify(token: str, keys: SigningKeys, *, issuer: str, clients: frozenset[str]) -> Token:
    """What `token` says. Raises `Unauthorized` where it is not a good access token of `issuer`
    for one of `clients`, `SignInUnavailable` as `SigningKeys.find` does."""
    if len(token) > LONGEST:
        raise _invalid("it is too long")
    try:
        header = jwt.get_unverified_header(token)
        name = header.get("kid")
        if header.get("alg") != ALGORITHM or not isinstance(name, str):
            raise _invalid(f"it is not signed with {ALGORITHM} by a key that it names")
        key = keys.find(name)
        if key is None:
            raise _invalid("the key it names is not one of the issuer's")
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=issuer,
            leeway=LEEWAY_S,
            # Access tokens name their client in client_id; `aud` is there with resource binding.
            options={"require": ["exp", "iat", "iss", "sub"], "verify_aud": False},
        )
    except jwt.ExpiredSignatureError:
        raise Unauthorized(
            "The access token has expired; sign in again, or refresh it.",
            code="token_expired",
            challenge=_CHALLENGE,
        ) from None
    except jwt.ImmatureSignatureError:
        raise _invalid("its time has not come yet") from None
    except jwt.InvalidIssuerError:
        raise _invalid("another issuer made it") from None
    except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError, OverflowError):
        raise _invalid("it is no token of the issuer, or was changed") from None
    return _token(claims, clients, token)


def _token(claims: Mapping[str, Any], clients: frozenset[str], text: str) -> Token:
    if claims.get("token_use") != "access":
        raise _invalid("it is not an access token")
    client = claims.get("client_id")
    if not isinstance(client, str) or client not in clients:
        raise _invalid("it was made for another client")
    subject, scope = claims["sub"], claims.get("scope", "")
    username, groups = claims.get("username", ""), claims.get("cognito:groups", [])
    texts = all(isinstance(part, str) for part in (subject, scope, username))
    if not texts or not isinstance(groups, list) or not all(isinstance(g, str) for g in groups):
        raise _invalid("what it says is of the wrong form")
    if not 0 < len(subject) <= LONGEST_SUBJECT:
        raise _invalid("it does not say whose it is")
    try:
        expires_at = datetime.fromtimestamp(int(claims["exp"]), timezone.utc)
    except (ValueError, OverflowError, OSError):
        raise _invalid("what it says is of the wrong form") from None
    return Token(
        subject=subject,
        client=client,
        username=username,
        scopes=frozenset(scope.split()),
        groups=frozenset(groups),
        expires_at=expires_at,
        text=text,
    )


_CHALLENGE = 'Bearer error="invalid_token"'
"""RFC 6750, 3.1."""


def _invalid(why: str) -> Unauthorized:
    return Unauthorized(
        f"The access token is not valid here: {why}.", code="invalid_token", challenge=_CHALLENGE
    )
