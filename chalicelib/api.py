"""What all routes share: the application object, JSON and errors out."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from aws_lambda_powertools import Logger
from chalice.app import Chalice, Request, Response
from pydantic import BaseModel

from chalicelib import asking, deadline, measures, origins
from chalicelib.auth import Need, Scope
from chalicelib.contract import Operation
from chalicelib.errors import Forbidden, IntellisenseError, QuotaExceeded, Unauthorized
from chalicelib.log import SERVICE
from chalicelib.parameters import NONE, Query

logger = Logger(service=SERVICE, child=True)

View = TypeVar("View", bound=Callable[..., Any])

_KEPT = ("allow", "clear-site-data", "retry-after", "set-cookie", "www-authenticate")
"""Headers that `answer` adds to its own."""

_CHALICE_CODES = {400: "invalid_request", 405: "method_not_allowed", 415: "unsupported_type"}
_CHALICE_MESSAGES = {
    405: "This route does not take that method.",
    415: "Send the body as application/json.",
    500: "Something went wrong here; the log has this request id.",
}


class Application(Chalice):
    """Chalice that may serve several threads: each has its own request."""

    _threads = threading.local()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.needs: dict[tuple[str, str], Need] = {}
        """What each (method, path) asks of its caller."""
        self.operations: dict[tuple[str, str], Operation] = {}
        """What each says of itself."""

    def answers(
        self,
        method: str,
        path: str,
        *scopes: Scope,
        gives: Any,
        takes: type[BaseModel] | None = None,
        asks: Query = NONE,
        cookie: bool = False,
        status: int = 200,
        refuses: tuple[int, ...] = (),
        also: Mapping[int, Any] | None = None,
    ) -> Callable[[View], View]:
        """Decorates a view: the route, the scopes of which its caller has to have one, and what
        an `Operation` says of it beside its name and docstring. What it returns becomes JSON, what
        it raises an error answer."""

        def register(view: View) -> View:
            if path not in self.routes:
                self.needs["OPTIONS", path] = Need()
                self.route(path, methods=["OPTIONS"])(self._options)
            self.needs[method, path] = Need(scopes, cookie)
            self.operations[method, path] = Operation(
                view.__name__, view.__doc__ or "", scopes, cookie, takes, asks, gives, status,
                refuses, also or {},
            )  # fmt: skip
            self.route(path, methods=[method])(self._answering(view, status))
            return view

        return register

    def _options(self, **_: str) -> Response:
        """What a path takes; `for_other_origins` says more to a page that may use it."""
        allowed = ", ".join(self.routes[self.serving().path])
        return Response(body="", status_code=204, headers={"Allow": allowed})

    def for_other_origins(
        self, allowed: frozenset[str], request: Request, response: Response
    ) -> Response:
        """`response`, with what lets a page of an origin of `allowed` read it."""
        origin = request.headers.get("origin", "")
        said = origins.headers(origin, allowed)
        if (before := response.headers.get("Vary")) and "Vary" in said:
            said["Vary"] = f"{before}, {said['Vary']}"
        if request.method == "OPTIONS" and response.status_code < 300:
            methods = [m for m in self.routes[request.path] if m != "OPTIONS"]
            said |= origins.preflight(origin, allowed, methods)
        response.headers.update(said)
        return response

    def _answering(self, view: Callable[..., Any], status: int) -> Callable[..., Response]:
        """`view` with its answer as JSON, and its errors as `failed` has them."""

        @functools.wraps(view)
        def wrapped(**kwargs: str) -> Response:
            try:
                self.query()
                given = {name: asking.path_part(text) for name, text in kwargs.items()}
                result = view(**given)
            except IntellisenseError as error:
                return failed(error, self.serving())
            return result if isinstance(result, Response) else answer(result, status)

        return wrapped

    def need_of(self, request: Request) -> Need | None:
        """None where no view will be called. Raises `Forbidden` for a view that does not say."""
        if request.method not in self.routes.get(request.path, {}):
            return None
        try:
            return self.needs[request.method, request.path]
        except KeyError:
            raise Forbidden("Nobody may use this route: it does not say who may.") from None

    def _get_request(self) -> Request | None:
        return getattr(self._threads, "request", None)

    def _set_request(self, value: Request | None) -> None:
        self._threads.request = value

    current_request = property(_get_request, _set_request)

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        with deadline.until(deadline.of(context)):
            answer: dict[str, Any] = super().__call__(event, context)
            return answer

    @classmethod
    def serving(cls) -> Request:
        """The request this thread is answering."""
        request: Request = cls._threads.request
        return request

    def query(self) -> dict[str, str]:
        """Its query parameters. Raises `InvalidRequest` for those that its route does not take."""
        request = self.serving()
        given = request.query_params
        values = {} if given is None else {name: given.getlist(name) for name in given}
        return asking.known(values, self.operations[request.method, request.path].asks)


def error_response(error: IntellisenseError, request_id: str) -> Response:
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.field:
        body["field"] = error.field
    headers = {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = error.challenge
    elif isinstance(error, QuotaExceeded):
        headers["Retry-After"] = str(error.retry_after)
    elif error.code == "insufficient_scope":
        headers["WWW-Authenticate"] = 'Bearer error="insufficient_scope"'
    return answer({"error": {**body, "request_id": request_id}}, error.status, headers)


def shape_errors(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """Middleware: Chalice's own errors (wrong method, wrong type, a bug) in our shape."""
    response = get_response(request)
    body = response.body
    if response.status_code < 400 or not isinstance(body, dict) or "error" in body:
        return response
    status = response.status_code
    said = {
        "code": _CHALICE_CODES.get(status, "internal"),
        "message": _CHALICE_MESSAGES.get(status) or str(body.get("Message", "")),
        "request_id": request_id(request),
    }
    told(said["code"], status, said["message"], said["request_id"])
    return answer({"error": said}, status, response.headers)


def told(code: str, status: int, reason: str, request_id: str) -> None:
    """Say that a request was not answered as asked, and whose doing that was."""
    if status >= 500:
        logger.error("request failed", code=code, reason=reason, request_id=request_id)
        measures.note_error(code)
    else:
        logger.info("request refused", code=code, reason=reason, request_id=request_id)


def failed(error: IntellisenseError, request: Request) -> Response:
    """What `error` is answered with; it is logged too."""
    identity = request_id(request)
    told(error.code, error.status, error.message, identity)
    return error_response(error, identity)


def redirect(url: str, *, cache_seconds: int) -> Response:
    """302 to a presigned address, remembered by the browser for less than that is good for."""
    headers: dict[str, Any] = {
        "Location": url,
        "Cache-Control": f"private, max-age={cache_seconds}",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(body="", status_code=302, headers=headers)


def answer(body: Any, status: int = 200, headers: dict[str, Any] | None = None) -> Response:
    kept = {k: v for k, v in (headers or {}).items() if k.lower() in _KEPT}
    return Response(
        body=json.dumps(body, ensure_ascii=False, default=str),
        status_code=status,
        headers={
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **kept,
        },
    )


def kept(text: str, request: Request, *, seconds: int) -> Response:
    """JSON that callers may keep for `seconds`, and ask then whether it is still the same
    (RFC 9110, 13.1.2). The tag is a weak one, for the text may be compressed on its way."""
    tag = f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    # API Gateway compresses, and does not say so to caches.
    headers: dict[str, Any] = {
        "Cache-Control": f"public, max-age={seconds}",
        "ETag": tag,
        "Vary": "Accept-Encoding",
    }
    known = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
    if "*" in known or tag in known or tag.removeprefix("W/") in known:
        return Response(body="", status_code=304, headers=headers)
    plain = {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff"}
    return Response(body=text, status_code=200, headers={**plain, **headers})


def request_id(request: Request) -> str:
    own = request.context.get("requestId")
    return str(own or getattr(request.lambda_context, "aws_request_id", ""))
