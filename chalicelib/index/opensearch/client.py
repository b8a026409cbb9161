"""Speaks to OpenSearch: JSON by orjson, retries inside the caller's time, our own errors."""

from __future__ import annotations

import base64
import contextlib
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

import orjson
from aws_lambda_powertools import Logger
from opensearchpy import OpenSearch, Urllib3HttpConnection, exceptions
from opensearchpy.serializer import JSONSerializer

from chalicelib.errors import ConfigurationError, IndexUnavailable
from chalicelib.index.opensearch.patience import Patience
from chalicelib.log import SERVICE

logger = Logger(service=SERVICE, child=True)
logging.getLogger("opensearch").setLevel(logging.CRITICAL)  # what matters of it is logged here

REQUEST_S = 30.0
"""The longest one request may take."""

Method = Literal["GET", "POST", "PUT", "DELETE"]
Auth = tuple[str, str] | Callable[..., dict[str, str]] | None
"""Name and password, or what signs a request (SigV4), or nothing."""


class IndexMissing(IndexUnavailable):
    """The index itself is not there (any more)."""


class BodyTooLarge(IndexUnavailable):
    """The server takes only smaller requests."""


class RequestRefused(ConfigurationError):
    """The server understood the request and will never do it; `kind` is its name for why."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class _Orjson(JSONSerializer):
    def loads(self, s: str) -> Any:
        try:
            return orjson.loads(s)
        except ValueError as error:
            raise exceptions.SerializationError(s) from error

    def dumps(self, data: Any) -> Any:
        return data if isinstance(data, bytes) else encode(data)


def encode(data: Any) -> bytes:
    """JSON; float32 arrays are written with the digits that name each number exactly."""
    return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)


class Client:
    """One cluster behind one address. Safe to use from several threads; open it after forking."""

    def __init__(
        self, url: str, *, auth: Auth = None, ca_file: str = "", patience_s: float = 30.0
    ) -> None:
        """`patience_s`: how long a request is tried again where no deadline comes first."""
        parts, port = _parts_of(url)
        secure = parts.scheme == "https"
        self.url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self.patience_s = patience_s
        self._transport = OpenSearch(
            hosts=[
                {
                    "host": parts.hostname,
                    "port": port or (443 if secure else 80),
                    "url_prefix": parts.path.strip("/"),
                }
            ],
            http_auth=_basic(*auth) if isinstance(auth, tuple) else auth,
            use_ssl=secure,
            ca_certs=ca_file or None,
            connection_class=Urllib3HttpConnection,
            serializer=_Orjson(),
            max_retries=0,
            pool_maxsize=16,
        ).transport

    def close(self) -> None:
        self._transport.close()

    def patience(self, seconds: float | None = None) -> Patience:
        """For one piece of work; without `seconds`, as long as this client tries."""
        return Patience(self.patience_s if seconds is None else seconds)

    def call(
        self,
        method: Method,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        patience_s: float | None = None,
        on_retry: Callable[[], None] | None = None,
    ) -> Any:
        """The answer, as JSON values. `on_retry` is told when a request that may have been
        carried out is sent again.

        Raises `IndexMissing`, `BodyTooLarge`, `RequestRefused`, `ConfigurationError` (sign-in),
        and `IndexUnavailable` when no answer came in time.
        """
        patience = self.patience(patience_s)
        while True:
            timeout = min(REQUEST_S, max(0.5, patience.left))
            try:
                answer = self._transport.perform_request(
                    method, path, params=dict(params or {}), body=body, timeout=timeout,
                    headers={"content-type": _type_of(path)},
                )  # fmt: skip
                if isinstance(answer, dict | list):
                    return answer
                raise exceptions.SerializationError(answer)
            except exceptions.SerializationError as error:
                raise IndexUnavailable(
                    f"What answers at {self.url} does not speak like OpenSearch: no JSON."
                ) from error
            except exceptions.TransportError as error:
                reason = self._reason(error)
                if (pause := patience.next_pause()) is None:
                    raise IndexUnavailable(
                        f"OpenSearch at {self.url} did not answer: {reason}."
                    ) from error
            logger.warning("index asked again", path=path, reason=reason, pause_s=round(pause, 2))
            time.sleep(pause)
            if on_retry:
                on_retry()

    def _reason(self, error: exceptions.TransportError) -> str:
        """What went wrong, where trying again may help; raises our own error where not."""
        status = error.status_code
        if isinstance(error, exceptions.SSLError) and not _broke_off(error):
            raise ConfigurationError(
                f"No secure connection to OpenSearch at {self.url}: {_short(error.error)}. "
                "IMAGES_OPENSEARCH_CA_FILE names the certificate to trust."
            ) from error
        if not isinstance(status, int):
            return "no connection" if status == "N/A" else "no answer in time"
        kind, why = _said(status, error.info)
        if is_block(status, kind):
            raise blocked(why) from error
        if may_pass(status):
            return f"{status} {why}"
        if status in (401, 403):
            raise self.sign_in_refused(status, why) from error
        if status == 404:
            raise missing(why) from error
        if status == 413:
            raise BodyTooLarge("OpenSearch takes only smaller requests.") from error
        raise refused(status, error.info) from error

    def sign_in_refused(self, status: int, why: str) -> ConfigurationError:
        return ConfigurationError(f"OpenSearch at {self.url} refused the sign-in ({status} {why}).")


def may_pass(status: int) -> bool:
    """Too slow, too busy, or a node on its way out or in: the same request may succeed later."""
    return status in (408, 429) or status >= 500


def is_block(status: int, kind: str) -> bool:
    """Whether the cluster has closed the index to writes, as it does when its disk is full. One
    that is about to start or to choose a leader says the same with 503, and soon stops."""
    return kind == "cluster_block_exception" and status != 503


def missing(reason: str) -> IndexMissing:
    return IndexMissing(f"The index is not there (any more): {reason}.")


def refused(status: int, info: Any) -> RequestRefused:
    """`info` is the answer, as JSON values."""
    kind, why = _said(status, info)
    return RequestRefused(f"OpenSearch refused a request ({status}): {why}.", kind)


def is_missing(error: Mapping[str, Any]) -> bool:
    return error.get("type") == "index_not_found_exception"


def blocked(reason: str) -> IndexUnavailable:
    return IndexUnavailable(
        f"The index takes no writes ({reason}). Most often the disk of OpenSearch is full: "
        "give it more, or delete an index that is not in use."
    )


def _parts_of(url: str) -> tuple[SplitResult, int | None]:
    """(all parts, the port), of an address that a client can be made for."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts, parts.port
    # What stands before the @ may be a password.
    shown = url.rpartition("@")[2]
    raise ConfigurationError(f"The address of OpenSearch must be like https://host, not {shown!r}.")


def _basic(name: str, password: str) -> Callable[..., dict[str, str]]:
    """In UTF-8, as OpenSearch reads it; opensearch-py would write Latin-1."""
    given = base64.b64encode(f"{name}:{password}".encode()).decode()
    return lambda *_: {"authorization": f"Basic {given}"}


def _broke_off(error: exceptions.SSLError) -> bool:
    """Whether the connection ended in mid-handshake, as that of a server on its way out does."""
    causes = getattr(error.info, "args", ())
    return any(isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError) for cause in causes)


def _said(status: int, info: Any) -> tuple[str, str]:
    """(kind, reason), the reason short and never empty."""
    kind, why = _cause(info)
    return kind, _short(why) or _phrase(status)


def _cause(info: Any) -> tuple[str, str]:
    """(kind, reason) of an error answer, the innermost; empty where it gives none. What stands
    before the domain (a gateway, the check of signatures) has a form of its own, or none."""
    if not isinstance(info, dict):
        return "", ""
    error = info.get("error") or info.get("message") or info.get("Message") or ""
    if not isinstance(error, dict):
        return "", str(error).rstrip(".")
    inner = error.get("caused_by") or (error.get("root_cause") or [error])[0]
    kind = str(inner.get("type") or error.get("type") or "")
    return kind, str(inner.get("reason") or kind).rstrip(".")


def _phrase(status: int) -> str:
    with contextlib.suppress(ValueError):
        return HTTPStatus(status).phrase
    return "unknown status"


def _short(reason: object) -> str:
    text = " ".join(str(reason).split())
    return text if len(text) <= 300 else text[:299] + "…"


def _type_of(path: str) -> str:
    return "application/x-ndjson" if path.endswith(("/_bulk", "/_msearch")) else "application/json"
