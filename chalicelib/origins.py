"""Pages of other origins: which of them may ask the API from a browser
(https://fetch.spec.whatwg.org/#http-cors-protocol).

What no header allows, the browser keeps from the page, so whoever is not in the setting is told
nothing. No credentials: cookies are for the API's own page, and tokens are sent as a header."""

from __future__ import annotations

from collections.abc import Iterable

ASKED_WITH = (
    "authorization",
    "content-type",
    "if-none-match",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
)
"""Headers that a page may send: a token or a SigV4 signature
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)."""

TOLD = ("etag", "location", "retry-after", "www-authenticate", "x-amzn-requestid")
"""Headers of answers that a page may read, beside those that it always may."""

REMEMBERED_S = 7200
"""For which a browser need not ask again; Chromium remembers no longer
(https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Access-Control-Max-Age)."""


def headers(origin: str, allowed: frozenset[str]) -> dict[str, str]:
    """Of any answer to a request that names `origin`, "" for none. Where some are allowed, every
    answer differs by that header, and says so to caches."""
    if not allowed:
        return {}
    said = {"Vary": "Origin"}
    if origin in allowed:
        said["Access-Control-Allow-Origin"] = origin
        said["Access-Control-Expose-Headers"] = ", ".join(TOLD)
    return said


def preflight(origin: str, allowed: frozenset[str], methods: Iterable[str]) -> dict[str, str]:
    """Of the answer to OPTIONS, beside `headers`: what may be sent to a path with `methods`."""
    if origin not in allowed:
        return {}
    return {
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": ", ".join(ASKED_WITH),
        "Access-Control-Max-Age": str(REMEMBERED_S),
    }
