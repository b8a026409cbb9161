"""The sign-in service: authorization code with PKCE (RFC 7636), then refresh tokens.

As `web/js/people/oidc.js` does it, for a program on one's own machine (RFC 8252).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests

from client.errors import ClientError, Unreachable
from client.patience import Patience
from client.places import SignInPlace
from client.transport import TIMEOUT, is_final, new_session, why


class Refused(ClientError):
    """The service has decided: asking again cannot help."""

    code = "sign_in_refused"


@dataclass(frozen=True, slots=True)
class Tokens:
    """`refresh` is "" where the one that was used stays good; `seconds` is what access is left."""

    access: str
    refresh: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A sign-in under way; `address` is where people sign in."""

    state: str
    verifier: str
    redirect: str
    address: str


class Provider:
    """Keeps nothing."""

    def __init__(self, place: SignInPlace) -> None:
        self.place = place

    def ask(self, redirect: str) -> Asked:
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.place.client_id,
            "redirect_uri": redirect,
            "scope": " ".join(self.place.scopes),
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        address = f"{self.place.url}/oauth2/authorize?{urlencode(query)}"
        return Asked(state, verifier, redirect, address)

    def exchange(self, asked: Asked, code: str, patience: Patience) -> Tokens:
        """Raises `Refused`, `Unreachable`."""
        form = {"code": code, "code_verifier": asked.verifier, "redirect_uri": asked.redirect}
        return self._tokens({"grant_type": "authorization_code", **form}, patience)

    def refresh(self, token: str, patience: Patience) -> Tokens:
        """Raises `Refused`, `Unreachable`."""
        return self._tokens({"grant_type": "refresh_token", "refresh_token": token}, patience)

    def revoke(self, token: str) -> bool:
        """Ends a refresh token; whether the service says so."""
        form = {"token": token, "client_id": self.place.client_id}
        try:
            return self._post("revoke", form).ok
        except requests.RequestException:
            return False

    def _tokens(self, form: dict[str, str], patience: Patience) -> Tokens:
        while True:
            try:
                answer = self._post("token", {**form, "client_id": self.place.client_id})
            except requests.RequestException as error:
                if is_final(error) or not patience.pause():
                    told = f"The sign-in service does not answer: {why(error)}."
                    raise Unreachable(told) from error
                continue
            if answer.ok:
                return _tokens_of(answer.json())
            if answer.status_code != 429 and answer.status_code < 500:
                raise Refused(f"The sign-in service said no: {_reason(answer)}.")
            if not patience.pause():
                raise Unreachable(f"The sign-in service answered {answer.status_code}.")

    def _post(self, what: str, form: dict[str, str]) -> requests.Response:
        address = f"{self.place.url}/oauth2/{what}"
        with new_session(address) as session:
            return session.post(address, data=form, timeout=TIMEOUT, allow_redirects=False)


def _tokens_of(said: dict[str, Any]) -> Tokens:
    return Tokens(said["access_token"], said.get("refresh_token", ""), float(said["expires_in"]))


def _reason(answer: requests.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"
