"""Cookies for what a page shows as <img>, which can send no access token by itself."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chalicelib.config import is_loopback
from chalicelib.errors import ConfigurationError, InvalidRequest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

SESSION = "session"
CLOUDFRONT = ("CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id")

LONGEST = 4096
"""Bytes of a cookie, its attributes included, that every browser keeps (RFC 6265, 6.1)."""

_ALPHABET = str.maketrans("+=/", "-_~")
"""CloudFront's own base64, for cookies and query strings
(https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-setting-signed-cookie-custom-policy.html)."""


@dataclass(frozen=True, slots=True)
class CookieKey:
    """The private half of a CloudFront key pair; `pem` fetches it, once, when it is needed."""

    id: str
    pem: Callable[[], str]


class Cookies:
    """Makes the cookies of a session, and the ones that end it."""

    def __init__(self, key: CookieKey | None) -> None:
        self._key = key
        self._private: RSAPrivateKey | None = None
        self._lock = threading.Lock()

    def begin(self, token: str, until: datetime, *, api: str, thumbnails: str) -> list[str]:
        """Values of Set-Cookie, good `until` then: `token` for the image routes of `api`, and,
        where there is a key, what CloudFront asks for below `thumbnails`. Both are addresses.

        Raises `InvalidRequest` for a token that no browser would keep, `ConfigurationError` or
        `SignInUnavailable` where the key cannot be had.
        """
        seconds = max(0, int((until - datetime.now(timezone.utc)).total_seconds()))
        cookies = [_cookie(SESSION, token, f"{_path(api)}/images", seconds, api)]
        if len(cookies[0]) > LONGEST:
            raise InvalidRequest(
                f"The access token makes a cookie of {len(cookies[0]):,} bytes; browsers keep "
                f"{LONGEST:,}. Take its owner out of some groups."
            )
        if self._key and thumbnails:
            values = self._cloudfront(f"{thumbnails}/*", until)
            path = _path(thumbnails) or "/"
            cookies += [
                _cookie(name, value, path, seconds, thumbnails)
                for name, value in zip(CLOUDFRONT, values, strict=True)
            ]
        return cookies

    def end(self, *, api: str, thumbnails: str) -> list[str]:
        """Values of Set-Cookie that take away what `begin` gave."""
        cookies = [_cookie(SESSION, "", f"{_path(api)}/images", 0, api)]
        if self._key and thumbnails:
            path = _path(thumbnails) or "/"
            cookies += [_cookie(name, "", path, 0, thumbnails) for name in CLOUDFRONT]
        return cookies

    def _cloudfront(self, resource: str, until: datetime) -> tuple[str, str, str]:
        """(policy, signature, key id): a custom policy, since a canned one admits one file only."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        assert self._key
        condition = {"DateLessThan": {"AWS:EpochTime": int(until.timestamp())}}
        statement = {"Resource": resource, "Condition": condition}
        policy = json.dumps({"Statement": [statement]}, separators=(",", ":")).encode()
        # SHA-1 is what CloudFront checks.
        signature = self._signer().sign(policy, padding.PKCS1v15(), hashes.SHA1())
        return _encoded(policy), _encoded(signature), self._key.id

    def _signer(self) -> RSAPrivateKey:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        assert self._key
        with self._lock:
            if self._private is None:
                try:
                    key = load_pem_private_key(self._key.pem().encode(), password=None)
                except (ValueError, TypeError) as error:
                    raise ConfigurationError(
                        "The parameter that IMAGES_COOKIE_KEY_PARAMETER names holds no private key "
                        "in PEM."
                    ) from error
                if not isinstance(key, RSAPrivateKey):
                    raise ConfigurationError("The key of the cookies must be an RSA key.")
                self._private = key
            return self._private


def session_of(header: str) -> str:
    """The session cookie's value in a Cookie header, "" where there is none; of several the
    first, which is that of the longest path (RFC 6265, 5.4)."""
    for part in header.split(";"):
        name, equals, value = part.strip().partition("=")
        if equals and name == SESSION:
            return value.strip('"')
    return ""


def _cookie(name: str, value: str, path: str, seconds: int, url: str) -> str:
    """Strict: no other site can make a browser send it. Not to scripts, and over TLS only, but
    for a page on this machine."""
    parts = [f"{name}={value}", f"Max-Age={seconds}", f"Path={path}", "HttpOnly", "SameSite=Strict"]
    if not (url.startswith("http://") and is_loopback(url)):
        parts.append("Secure")
    return "; ".join(parts)


def _path(url: str) -> str:
    return urlsplit(url).path.rstrip("/")


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode().translate(_ALPHABET)
