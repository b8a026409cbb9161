"""One address for page and API: static files from `web/`, all else to the Chalice application."""

from __future__ import annotations

import base64
import gzip
import json
import mimetypes
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from chalice.config import Config
from chalice.local import ForbiddenError, LocalGateway
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from chalicelib import origins
from chalicelib.api import error_response
from chalicelib.errors import Forbidden, IntellisenseError, NotFound, TooLarge
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
        self,
        application: Any,
        web: Path,
        s3_origin: str,
        sign_in: SignIn | None = None,
        origins: frozenset[str] = frozenset(),
    ) -> None:
        """`sign_in`: what the page is told of it, and where it may ask for tokens. `origins`: of
        other pages that may ask the API."""
        self._origins = origins
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
        try:
            return self._found(request)
        except IntellisenseError as error:
            answer = _response(error_response(error, str(uuid.uuid4())).to_dict())
        origin = request.headers.get("Origin", "")
        for name, value in origins.headers(origin, self._origins).items():
            answer.headers[name] = value
        return answer

    def _found(self, request: Request) -> Response:
        if request.host.rsplit(":", 1)[0] not in _HOSTS:
            raise Forbidden("This server answers only as 127.0.0.1 or localhost.")
        origin = request.headers.get("Origin")
        port = request.environ["SERVER_PORT"]
        own = {f"http://{host}:{port}" for host in _HOSTS}
        if origin is not None and origin not in own | self._origins:
            raise Forbidden("This server answers only its own page.")
        if request.method in ("GET", "HEAD") and (file := self._file(request.path)):
            response = self._static(file).make_conditional(request)
            del response.headers["Date"]  # the server adds its own
            return response
        return self._api(request)

    def _file(self, path: str) -> Path | None:
        try:
            file = (self._web / (path.lstrip("/") or "index.html")).resolve()
            return file if file.is_relative_to(self._web) and file.is_file() else None
        except (OSError, ValueError):  # longer than a file's name may be, or a NUL in it
            return None

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
        path, headers = _raw_path(request), dict(request.headers)
        if path == PREFIX or path.startswith(PREFIX + "/"):
            path = path.removeprefix(PREFIX) or "/"
            headers["X-Forwarded-Prefix"] = PREFIX
        if request.query_string:
            path += "?" + request.query_string.decode("latin-1")
        try:
            answer = self._gateway.handle_request(request.method, path, headers, _body(request))
        except (ForbiddenError, UnicodeEncodeError):
            # API Gateway's answer to a path it does not know; ours names the fault.
            raise NotFound(f"There is no route {request.method} {request.path}.") from None
        return _response(dict(answer))


def _raw_path(request: Request) -> str:
    """As it was sent: what "%2F" stands for is no slash between parts of a path."""
    sent = str(request.environ.get("REQUEST_URI") or quote(request.path))
    return urlsplit(sent).path if "://" in sent.partition("?")[0] else sent.partition("?")[0]


def _body(request: Request) -> bytes:
    """Raises `TooLarge`, also for what does not say how long it is."""
    # One byte more: werkzeug ends what comes in chunks at the limit and says nothing.
    request.max_content_length = MAX_BODY + 1
    try:
        data = request.get_data()
    except RequestEntityTooLarge:
        data = None
    if data is None or len(data) > MAX_BODY:
        raise TooLarge(f"The body is over {MAX_BODY // 1024**2} MB.")
    return data


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
    if "accept-encoding" not in response.vary:
        response.headers.add("Vary", "Accept-Encoding")
    if request.accept_encodings.quality("gzip"):
        response.data = gzip.compress(response.data, compresslevel=5, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
    return response
