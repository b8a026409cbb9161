"""Somebody who signed in with the browser: the refresh token is kept, the access token renewed."""

from __future__ import annotations

import json
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from client.credentials import Credentials
from client.errors import SignInNeeded
from client.oidc import Provider, Refused, Tokens
from client.patience import Patience
from client.places import SignInPlace
from client.surroundings import made_private

AHEAD = 60.0
"""Seconds before its end at which a token is renewed; at most half of what it had."""

OTHERS = 2.0
"""Seconds that another process is given to write down a token."""

SIGN_IN = "Sign in with: python -m client login"


class KeptSignIns:
    """Refresh tokens, one for each sign-in service and client, in a file for this user alone."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "sign-in.json"

    def read(self, place: SignInPlace) -> str:
        """The token; empty where nobody is signed in."""
        return str(self._all().get(_name(place), ""))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One process of this user at a time, where the system has locks of that kind."""
        if sys.platform == "win32":
            yield
            return
        import fcntl

        handle = os.open(made_private(self._file.parent), os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def changes(self, place: SignInPlace, refresh: str) -> bool:
        """Whether the token is another than `refresh`, or soon will be: where each is good once,
        another process may have used this one, and has yet to write down what it got."""
        end = time.monotonic() + OTHERS
        while self.read(place) == refresh:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def write(self, place: SignInPlace, refresh: str) -> None:
        """An empty one forgets what is kept."""
        kept = {name: token for name, token in self._all().items() if name != _name(place)}
        if refresh:
            kept[_name(place)] = refresh
        made_private(self._file.parent)
        part = self._file.with_name(f"{self._file.name}.{secrets.token_hex(4)}")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(kept, file)
        part.replace(self._file)

    def _all(self) -> dict[str, str]:
        try:
            kept = json.loads(self._file.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}


def _name(place: SignInPlace) -> str:
    return f"{place.url} {place.client_id}"


class SignedIn(Credentials):
    """`Credentials` that renew themselves, one thread at a time however many wait."""

    def __init__(
        self, provider: Provider, kept: KeptSignIns, patience: Callable[[], Patience]
    ) -> None:
        self._provider = provider
        self._kept = kept
        self._patience = patience
        self._lock = threading.Lock()
        self._access = ""
        self._good_until = 0.0

    def sign(self, request: requests.PreparedRequest) -> None:
        with self._lock:
            if time.monotonic() >= self._good_until:
                self._renew()
            request.headers["Authorization"] = f"Bearer {self._access}"

    def renew(self, refused: requests.PreparedRequest) -> bool:
        with self._lock:
            # Another thread may have been here first.
            if refused.headers.get("Authorization") == f"Bearer {self._access}":
                self._renew()
        return True

    def _renew(self) -> None:
        # From reading the token to writing down the next: where each is good once, another process
        # would use up the same one in between.
        with self._kept.alone():
            self._renew_alone()

    def _renew_alone(self) -> None:
        place = self._provider.place
        while True:
            refresh = self._kept.read(place)
            if not refresh:
                raise SignInNeeded(f"Nobody is signed in. {SIGN_IN}")
            try:
                return self._take(self._provider.refresh(refresh, self._patience()))
            except Refused as error:
                if not self._kept.changes(place, refresh):
                    raise SignInNeeded(f"The sign-in has ended. {SIGN_IN}") from error

    def _take(self, tokens: Tokens) -> None:
        """Expiry is counted from what the answer says is left: this clock may be wrong."""
        if tokens.refresh:
            self._kept.write(self._provider.place, tokens.refresh)
        self._access = tokens.access
        self._good_until = time.monotonic() + tokens.seconds - min(AHEAD, tokens.seconds / 2)
