"""One address for page and API: static files from `web/`, all else to the Chalice application."""

from __future__ import annotations

import base64
import gzip
import json
import mimetypes
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chalice.config import Config
from chalice.local import ForbiddenError, LocalGateway
from werkzeug.wrappers import Request, Response

from local.sign_in import SignIn

MAX_BODY = 6 * 1024 * 1024
"""What Lambda takes (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""

MIN_COMPRESSED = 1000
"""Bytes; what is smaller fits in one packet anyway."""

PREFIX = "/api"

_HOSTS = ("127.0.0.1", "localhost")

mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("image/svg+xml", ".svg")


class Front:
    """A WSGI application. It answers only requests that name this machine as their host: a page
    on the internet whose name was pointed here (DNS rebinding) would name its own. Nor does it
    answer another page's scripts and forms: browsers name their origin."""

    def __init__(
        self, application: Any, web: Path, s3_origin: str, sign_in: SignIn | None = None
    ) -> None:
        """`sign_in`: what the page is told of it, and where it may ask for tokens."""
        self._gateway = LocalGateway(application, Config())
        self._web = web.resolve()
        self._config: dict[str, Any] = {"api": PREFIX.lstrip("/")}
        connect = f"'self' {s3_origin}"
        if sign_in:
            self._config["sign_in"] = sign_in.for_the_page()
            connect += f" {sign_in.origin}"
        self._policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; "
            f"img-src 'self' blob: data: {s3_origin}; connect-src {connect}; "
            "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
            "require-trusted-types-for 'script'; trusted-types 'none'"
        )

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        return _compressed(request, self._answer(request))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.host.rsplit(":", 1)[0] not in _HOSTS:
            return _error(403, "forbidden", "This server answers only as 127.0.0.1 or localhost.")
        origin = request.headers.get("Origin")
        port = request.environ["SERVER_PORT"]
        if origin is not None and origin not in {f"http://{host}:{port}" for host in _HOSTS}:
            return _error(403, "forbidden", "This server answers only its own page.")
        if request.method in ("GET", "HEAD") and (file := self._file(request.path)):
            response = self._static(file).make_conditional(request)
            del response.headers["Date"]  # the server adds its own
            return response
        return self._api(request)

    def _file(self, path: str) -> Path | None:
        file = (self._web / (path.lstrip("/") or "index.html")).resolve()
        return file if file.is_relative_to(self._web) and file.is_file() else None

    def _static(self, file: Path) -> Response:
        own = file == self._web / "config.json"
        data = json.dumps(self._config).encode() if own else file.read_bytes()
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        if kind.startswith("text/") or kind == "application/json":
            kind += "; charset=utf-8"
        headers = {
            "Content-Security-Policy": self._policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-cache",
        }
        response = Response(data, content_type=kind, headers=headers)
        response.add_etag(weak=True)
        return response

    def _api(self, request: Request) -> Response:
        path, headers = request.path, dict(request.headers)
        if (request.content_length or 0) > MAX_BODY:
            return _error(413, "too_large", f"The body is over {MAX_BODY // 1024**2} MB.")
        if path == PREFIX or path.startswith(PREFIX + "/"):
            path = path.removeprefix(PREFIX) or "/"
            headers["X-Forwarded-Prefix"] = PREFIX
        if request.query_string:
            path += "?" + request.query_string.decode("latin-1")
        try:
            answer = self._gateway.handle_request(request.method, path, headers, request.get_data())
        except ForbiddenError:
            # API Gateway's answer to a path it does not know; ours names the fault.
            return _error(404, "not_found", f"There is no route {request.method} {request.path}.")
        return _response(dict(answer))


def _response(answer: dict[str, Any]) -> Response:
    body = answer.get("body") or ""
    data = base64.b64decode(body) if answer.get("isBase64Encoded") else str(body).encode()
    response = Response(data, status=int(answer["statusCode"]))
    response.headers.clear()
    for name, value in (answer.get("headers") or {}).items():
        response.headers[name] = str(value)
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        for value in values:
            response.headers.add(name, str(value))
    response.headers["Content-Length"] = str(len(data))
    return response


def _compressed(request: Request, response: Response) -> Response:
    """As CloudFront and API Gateway answer a browser that takes gzip."""
    kind = response.mimetype or ""
    text = kind.startswith("text/") or kind in ("application/json", "image/svg+xml")
    if not text or response.status_code != 200 or len(response.data) < MIN_COMPRESSED:
        return response
    response.headers["Vary"] = "Accept-Encoding"
    if request.accept_encodings.quality("gzip"):
        response.data = gzip.compress(response.data, compresslevel=5, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
    return response


def _error(status: int, code: str, message: str) -> Response:
    body = json.dumps({"error": {"code": code, "message": message, "request_id": ""}})
    return Response(body, status=status, content_type="application/json")
