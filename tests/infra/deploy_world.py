"""An account of moto's server for the commands of `infra`, and the calls that moto lacks."""

from __future__ import annotations

import io
import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from infra.commands.account import Account
from infra.commands.telling import Teller
from infra.config import Config
from tests.served import served

ACCOUNT, REGION = "123456789012", "eu-west-1"

DISTRIBUTION = {
    "CallerReference": "1",
    "Comment": "",
    "Enabled": True,
    "Origins": {
        "Quantity": 1,
        "Items": [
            {
                "Id": "site",
                "DomainName": "site.s3.eu-west-1.amazonaws.com",
                "S3OriginConfig": {"OriginAccessIdentity": ""},
            }
        ],
    },
    "DefaultCacheBehavior": {
        "TargetOriginId": "site",
        "ViewerProtocolPolicy": "https-only",
        "MinTTL": 0,
        "ForwardedValues": {"QueryString": False, "Cookies": {"Forward": "none"}},
    },
}
"""The least that CloudFront takes."""


class Heard(Teller):
    """Everything that was said is in `text`; a question is answered from `answers`, in order."""

    def __init__(self, *answers: str, yes: bool = False) -> None:
        self._said = io.StringIO()
        given = io.StringIO("".join(f"{answer}\n" for answer in answers))
        given.isatty = lambda: bool(answers)  # type: ignore[method-assign]
        super().__init__(yes=yes, out=self._said, answers=given)

    @property
    def text(self) -> str:
        return self._said.getvalue()


def environment(endpoint: str) -> dict[str, str]:
    """What leads SDKs and the CDK's command line to moto at `endpoint`.

    Two names of one server: moto reads a template's bucket from the path only where the address
    says localhost, and S3's clients leave bucket names in the path only where it is a number."""
    return {
        "AWS_ENDPOINT_URL": endpoint.replace("127.0.0.1", "localhost"),
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def enter(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty account at `endpoint`, for this process and those that it starts."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        if name != "AWS_CA_BUNDLE":
            monkeypatch.delenv(name)
    for name, value in environment(endpoint).items():
        monkeypatch.setenv(name, value)
    reset = urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset, timeout=30).close()


def account(config: Config | None = None) -> Account:
    return Account.of(config or Config())


Answer = Callable[[str, str, dict[str, Any]], Any]
"""(path or target, method, parameters) → a JSON value, or (status, JSON value), or XML text."""


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """A server of AWS's JSON and query protocols; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            target = self.headers.get("X-Amz-Target", self.path.split("?")[0])
            if body[:1] == b"{":
                given = json.loads(body)
            else:
                given = {k: v[0] for k, v in parse_qs(body.decode()).items()}
            told = answer(target, self.command, given)
            status, told = told if isinstance(told, tuple) else (200, told)
            kind = "text/xml" if isinstance(told, str) else "application/x-amz-json-1.1"
            sent = told.encode() if isinstance(told, str) else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Tests have enough to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with served(server):
        yield f"http://127.0.0.1:{server.server_port}"


def folder_of(tmp_path: Path, files: dict[str, str]) -> Path:
    """`tmp_path`/files with these texts in it."""
    for name, text in files.items():
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "files"
