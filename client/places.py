"""Where the API is, and how people sign in there: what the page's config.json says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import requests

from client.errors import Unreachable
from client.transport import TIMEOUT, check_address, is_final, new_session, why


@dataclass(frozen=True, slots=True)
class SignInPlace:
    """A sign-in service, as Cognito's managed login has it: `url`/oauth2/authorize and the like."""

    url: str
    client_id: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """`api` is the base of all routes."""

    api: str
    sign_in: SignInPlace | None = None


def find(url: str) -> Place:
    """What is at `url`: a page, which says where its API is, or an API itself.

    Raises `UsageError`, `Unreachable`.
    """
    check_address(url, secret=False)
    base = url.rstrip("/") + "/"
    try:
        answer = new_session(url).get(urljoin(base, "config.json"), timeout=TIMEOUT)
    except requests.RequestException as error:
        hint = "" if is_final(error) else " Is it running?"
        raise Unreachable(f"{url} does not answer: {why(error)}.{hint}") from error
    try:
        said = answer.json() if answer.ok else None
    except ValueError:
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("api"), str):
        return Place(url.rstrip("/"))
    return Place(urljoin(base, said["api"]).rstrip("/"), _sign_in(said.get("sign_in")))


def _sign_in(said: Any) -> SignInPlace | None:
    if not isinstance(said, dict):
        return None
    url, client_id = str(said["url"]).rstrip("/"), str(said["client_id"])
    check_address(url, secret=True)
    return SignInPlace(url, client_id, tuple(str(scope) for scope in said["scopes"]))
