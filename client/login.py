"""Signing in with the browser, which comes back to this machine (RFC 8252, 7.3)."""

from __future__ import annotations

import contextlib
import hmac
import os
import socket
import threading
import time
import webbrowser
from collections.abc import Callable
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from client.errors import SignInNeeded, UsageError
from client.oidc import Asked, Provider, Refused
from client.patience import Patience
from client.signed_in import KeptSignIns

PORTS = (28471, 28472, 28473)
"""Cognito compares addresses to come back to letter by letter, so the port cannot be any
(https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-app-idp-settings.html);
of these the first free one is taken. They are below those that systems hand out by chance."""

CALLBACKS = tuple(f"http://localhost:{port}/" for port in PORTS)
"""What the app client must know. Cognito takes http:// for the name localhost only."""

WAIT_SECONDS = 300.0


def sign_in(
    provider: Provider,
    kept: KeptSignIns,
    *,
    say: Callable[[str], None],
    browser: bool = True,
    wait: float = WAIT_SECONDS,
) -> None:
    """Raises `SignInNeeded` where it does not come about, `Unreachable`."""
    with _Returns.listening() as returns:
        asked = provider.ask(f"http://localhost:{returns.server_port}/")
        returns.asked = asked
        say(f"Sign in here: {asked.address}")
        if browser:
            webbrowser.open(asked.address)
        answer = returns.wait(wait)
    if said := answer.get("error"):
        raise SignInNeeded(f"Not signed in: {answer.get('error_description') or said}.")
    try:
        tokens = provider.exchange(asked, answer["code"], Patience(30, threading.Event()))
    except Refused as error:
        raise SignInNeeded(error.message) from error
    if not tokens.refresh:
        raise SignInNeeded("The sign-in service gives no refresh token to this client.")
    kept.write(provider.place, tokens.refresh)


class _Returns(ThreadingHTTPServer):
    """Waits for the browser to come back. Only what has the right state counts: any page may send
    a browser here."""

    allow_reuse_address = os.name != "nt"
    daemon_threads = False
    asked: Asked | None = None
    answer: dict[str, str] | None = None
    timeout = 0.5

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.silent: set[socket.socket] = set()
        """Connections on which nothing was asked yet: browsers open some that they never use."""
        super().__init__(address, handler)

    @classmethod
    def listening(cls) -> _Returns:
        for port in PORTS:
            try:
                return cls(("127.0.0.1", port), _Handler)
            except OSError:
                continue
        raise UsageError(f"The ports {', '.join(map(str, PORTS))} are all in use on this machine.")

    def server_close(self) -> None:
        """Answers that are under way are sent; nobody waits for more questions."""
        for connection in list(self.silent):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def wait(self, seconds: float) -> dict[str, str]:
        end = time.monotonic() + seconds
        while self.answer is None:
            if time.monotonic() > end:
                raise SignInNeeded("Nobody signed in; giving up.")
            self.handle_request()
        return self.answer


class _Handler(BaseHTTPRequestHandler):
    server: _Returns
    timeout = 30.0

    def setup(self) -> None:
        super().setup()
        self.server.silent.add(self.connection)

    def do_GET(self) -> None:
        self.server.silent.discard(self.connection)
        parts = urlsplit(self.path)
        said = {name: values[0] for name, values in parse_qs(parts.query).items()}
        asked = self.server.asked
        ours = asked and hmac.compare_digest(said.get("state", "").encode(), asked.state.encode())
        if parts.path != "/" or not ours or not said.keys() & {"code", "error"}:
            return self._say(404, "This is not the sign-in that was asked for.")
        self.server.answer = said
        if "error" in said:
            return self._say(200, f"Not signed in: {said.get('error_description', said['error'])}")
        return self._say(200, "Signed in. You may close this window.")

    def _say(self, status: int, sentence: str) -> None:
        page = f"<!doctype html><meta charset=utf-8><title>Images</title><p>{escape(sentence)}"
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Security-Policy", "default-src 'none'")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the code is in the address."""
