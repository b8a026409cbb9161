"""What the loader needs of the HTTP API, as any other client would call it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from chalicelib.errors import Transient

TIMEOUT = 60


class ApiClient:
    """Safe to use from several threads."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._sessions = threading.local()

    @property
    def _session(self) -> requests.Session:
        if not hasattr(self._sessions, "session"):
            self._sessions.session = requests.Session()
            # A proxy of the user's has no business between parts of one machine.
            self._sessions.session.trust_env = False
        session: requests.Session = self._sessions.session
        return session

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self._json("GET", path, params=query)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._json("POST", path, json=body)

    def images(self, **query: Any) -> Iterator[dict[str, Any]]:
        """Every image of a listing, page by page."""
        cursor = None
        while True:
            page = self.get("/images", limit=200, **query, **({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def send(self, post: dict[str, Any], file: Path) -> None:
        """One presigned form POST. Raises `Transient` unless it was taken."""
        try:
            with file.open("rb") as data:
                answer = self._session.post(
                    post["url"],
                    data=post["fields"],
                    files={"file": (file.name, data)},
                    timeout=TIMEOUT,
                )
        except requests.RequestException as error:
            raise Transient(f"The upload of {file.name} broke off: {error}.") from error
        if answer.status_code not in (200, 201, 204):
            raise Transient(f"The upload of {file.name} was answered {answer.status_code}.")

    def _json(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer = self._session.request(method, self._url + path, timeout=TIMEOUT, **arguments)
            body: dict[str, Any] = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise Transient(f"{self._url} did not answer: {error}.") from error
        if answer.status_code >= 400:
            raise Transient(str(body.get("error", {}).get("message", body)))
        return body
