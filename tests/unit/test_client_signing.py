"""SigV4 as a server checks it: the signature is computed anew from what came over the wire."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from client.credentials import Iam, region_of
from client.errors import ApiError, UsageError
from client.transport import Transport
from tests.served import served

KEY, SECRET, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-central-1"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-a-role")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def expected(method: str, path: str, headers: Any, body: bytes) -> str:
    """By the book
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)."""
    said = dict(part.strip().split("=", 1) for part in headers["Authorization"][17:].split(","))
    _, day, region, service, _ = said["Credential"].split("/")
    assert (region, service) == (REGION, "execute-api")
    parts = urlsplit(path)
    query = sorted(
        (quote(k, safe="-_.~"), quote(v, safe="-_.~"))
        for k, v in parse_qsl(parts.query, keep_blank_values=True)
    )
    signed = said["SignedHeaders"].split(";")
    canonical = "\n".join(
        [
            method,
            quote(parts.path, safe="/-_.~"),
            "&".join(f"{k}={v}" for k, v in query),
            *(f"{name}:{headers[name].strip()}" for name in signed),
            "",
            said["SignedHeaders"],
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{headers['X-Amz-Date']}\n{scope}\n{digest}"
    key = f"AWS4{SECRET}".encode()
    for part in (day, region, service, "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


class Checking(BaseHTTPRequestHandler):
    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        signature = self.headers.get("Authorization", "").rpartition("Signature=")[2]
        token = "x-amz-security-token" in self.headers.get("Authorization", "")
        good = token and signature == expected(self.command, self.path, self.headers, body)
        self.send_response(200 if good else 403)
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = do_DELETE = _do

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on standard error."""


@pytest.fixture
def api() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Checking)
    with served(server):
        yield f"http://127.0.0.1:{server.server_port}/stage"


def test_each_kind_of_request_is_signed_as_it_is_sent(api: str) -> None:
    transport = Transport(api, Iam(api))
    transport.get("/images", limit=200, cursor="a+b/c= ü", camera="Canon EOS 80D", ids="a,b")
    transport.post("/search", {"text": "Möwe", "filters": {"near": {"lat": 1.5}}})
    transport.call("DELETE", "/images/4f0c")


def test_a_wrong_secret_is_refused_and_not_tried_again(
    api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(ApiError) as caught:
        Transport(api, Iam(api)).get("/images")
    assert (caught.value.status, caught.value.code) == (403, "http_403")


def test_the_region_is_that_of_the_address_where_it_says_one() -> None:
    assert region_of("https://abc123.execute-api.us-west-2.amazonaws.com/api") == "us-west-2"
    assert region_of("https://images.example.com/api") == ""


def test_without_credentials_it_says_how_to_get_some(
    api: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(UsageError, match="aws configure"):
        Iam(api)
