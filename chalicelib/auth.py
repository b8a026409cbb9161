"""Who is calling. One function; every route asks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.config import Settings
from chalicelib.errors import Unauthorized


@dataclass(frozen=True, slots=True)
class Caller:
    """`owner` is recorded with what this caller uploads; "" on one machine."""

    owner: str


def identify(settings: Settings, context: Mapping[str, Any]) -> Caller:
    """The caller of a request, from API Gateway's request context.

    `none` is for one machine (`Settings.load` refuses it in Lambda). With `iam`, API Gateway has
    checked the SigV4 signature and says whose it is. Raises `Unauthorized`.
    """
    if settings.auth == "none":
        return Caller("")
    arn = (context.get("identity") or {}).get("userArn")
    if not arn:
        raise Unauthorized("Sign the request with AWS SigV4 credentials.")
    return Caller(str(arn))
