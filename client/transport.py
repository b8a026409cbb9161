"""Requests to the API: signed, tried again while that may help, answered as JSON."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import requests

from client.credentials import Credentials, Nobody
from client.errors import ApiError, Unreachable, UsageError
from client.patience import SECONDS, Patience, retry_after

TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and to wait for the next bytes."""

USER_AGENT = "image-intellisense-client/1"


class Answer(NamedTuple):
    body: Mapping[str, Any]
    headers: Mapping[str, str]


class Transport:
    """Safe to use from several threads."""

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        *,
        patience: float = SECONDS,
        stop: threading.Event | None = None,
    ) -> None:
        """`url`: of the API. Raises `UsageError` where a secret would travel in the clear."""
        self.url = url.rstrip("/")
        self.credentials = credentials or Nobody()
        self.stop = stop or threading.Event()
        self._patience = patience
        self._sessions = threading.local()
        check_address(url, secret=not isinstance(self.credentials, Nobody))

    def patience(self) -> Patience:
        return Patience(self._patience, self.stop)

    @property
    def session(self) -> requests.Session:
        """This thread's own."""
        if not hasattr(self._sessions, "session"):
            self._sessions.session = new_session(self.url)
        session: requests.Session = self._sessions.session
        return session

    def get(self, path: str, **query: Any) -> Mapping[str, Any]:
        said = {k: str(v).lower() if isinstance(v, bool) else v for k, v in query.items()}
        return self.call("GET", path, query=said).body

    def post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.call("POST", path, body=body).body

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Raises `ApiError`, `Unreachable`, `SignInNeeded` or `Stopped`."""
        # A space as "+" would be signed as it stands, and read as a space (SigV4 knows %20 only).
        said = "?" + urlencode(query, quote_via=quote, safe="") if query else ""
        answer = self._answered(requests.Request(method, self.url + path + said, json=body))
        try:
            return Answer(answer.json() if answer.content else {}, answer.headers)
        except ValueError as error:
            raise Unreachable(f"{self.url} does not answer as the API does.") from error

    def redirect(self, url: str) -> str:
        """Where an image's address, as answers have it, leads to now. The API may be known to
        itself under another name; credentials go to the one that was named here."""
        route = url[url.rfind("/images/") :]
        return str(self._answered(requests.Request("GET", self.url + route)).headers["Location"])

    def _answered(self, asked: requests.Request) -> requests.Response:
        patience, renewed = self.patience(), False
        while True:
            sent = self.session.prepare_request(asked)
            self.credentials.sign(sent)
            try:
                answer = self._send(sent)
            except requests.RequestException as error:
                if is_final(error) or not patience.pause():
                    raise Unreachable(f"{self.url} does not answer: {why(error)}.") from error
                continue
            if answer.status_code < 400:
                return answer
            refused = api_error(answer)
            if refused.status == 401 and not renewed and self.credentials.renew(sent):
                renewed = True
            elif not (refused.passing and patience.pause(refused.retry_after)):
                raise refused

    def _send(self, sent: requests.PreparedRequest) -> requests.Response:
        known = self.session.merge_environment_settings(sent.url, {}, False, None, None)
        return self.session.send(sent, timeout=TIMEOUT, allow_redirects=False, **known)


def new_session(url: str) -> requests.Session:
    """A proxy of the user's has no business between parts of one machine, and .netrc none here."""
    session = requests.Session()
    session.trust_env = not is_loopback(url)
    session.auth = lambda request: request
    session.headers["User-Agent"] = USER_AGENT
    return session


def api_error(answer: requests.Response) -> ApiError:
    """The error in an answer; of one that is not the API's own, the status."""
    try:
        said = answer.json()
    except ValueError:
        said = None
    told = said.get("error") if isinstance(said, dict) else None
    told = told if isinstance(told, dict) else {}
    gateway = said.get("message") if isinstance(said, dict) else None
    return ApiError(
        str(told.get("message") or gateway or f"The API answered {answer.status_code}."),
        status=answer.status_code,
        code=str(told.get("code") or f"http_{answer.status_code}"),
        field=str(told.get("field") or ""),
        request_id=str(told.get("request_id") or answer.headers.get("x-amzn-RequestId") or ""),
        retry_after=retry_after(answer.headers.get("Retry-After"), time.time()),
    )


def is_final(error: requests.RequestException) -> bool:
    """Whether trying again cannot help: a certificate or an address that is wrong."""
    return isinstance(error, (requests.exceptions.SSLError, ValueError))


def why(error: Exception) -> str:
    """In a few words: requests puts a whole stack of them into one message."""
    if isinstance(error, requests.Timeout):
        return "it takes too long"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    refused = "refused" in str(error)
    return "connection refused" if refused else "the connection broke off"


def is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def check_address(url: str, *, secret: bool) -> None:
    """Raises `UsageError` unless `url` is an address that a `secret` may be sent to."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is no address; say https://…, or http://127.0.0.1:8000.")
    if secret and parts.scheme == "http" and not is_loopback(url):
        raise UsageError(f"{url} is not https://: a token would travel in the clear.")
