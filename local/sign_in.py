"""Sign-in on one machine: which user pool, read from the file of `--sign-in`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chalicelib.errors import ConfigurationError

SCOPES = ("openid", "images/read", "images/upload", "images/admin")
"""What the page asks for; what a person may do of it, their groups say."""

_LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class SignIn:
    """A user pool: `issuer` signs the tokens, `url` has the pages /oauth2/authorize and the like.
    In AWS these are two addresses: cognito-idp.REGION.amazonaws.com/POOL, and the domain of the
    pool's managed login."""

    issuer: str
    url: str
    client_id: str
    scopes: tuple[str, ...] = SCOPES

    @property
    def origin(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    def for_the_page(self) -> dict[str, Any]:
        """`sign_in` of config.json."""
        return {"url": self.url, "client_id": self.client_id, "scopes": list(self.scopes)}


def read_sign_in(file: Path) -> SignIn:
    """Raises `ConfigurationError` that says what is wrong in the file."""
    try:
        given = json.loads(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigurationError(f"{file} is not JSON: {error}.") from error
    needed = ("issuer", "url", "client_id")
    if not isinstance(given, dict) or not all(isinstance(given.get(n), str) for n in needed):
        raise ConfigurationError(f'{file} needs {{"issuer": …, "url": …, "client_id": …}}.')
    if unknown := sorted(given.keys() - {*needed, "scopes"}):
        raise ConfigurationError(f"{file} has {unknown[0]}; it takes {', '.join(needed)}, scopes.")
    for name in ("issuer", "url"):
        _check_address(file, name, given[name])
    scopes = given.get("scopes", list(SCOPES))
    if not isinstance(scopes, list) or not all(isinstance(s, str) and s for s in scopes):
        raise ConfigurationError(f"{file}: scopes is a list of words.")
    issuer, url = (given[name].rstrip("/") for name in ("issuer", "url"))
    return SignIn(issuer, url, given["client_id"], tuple(scopes))


def _check_address(file: Path, name: str, address: str) -> None:
    """A token must not travel in the clear, and the address goes into a header of the page."""
    parts = urlsplit(address)
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    plain = not any(c.isspace() or c in ";,'\"" for c in address)
    if not (safe and plain and parts.hostname and not parts.query and not parts.fragment):
        raise ConfigurationError(f"{file}: {name} must be an address https://…, not {address!r}.")
