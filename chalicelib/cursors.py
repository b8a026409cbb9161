"""Cursors: opaque to callers, a short JSON list to us."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

from chalicelib.errors import InvalidRequest


def invalid_cursor() -> InvalidRequest:
    return InvalidRequest(
        "The cursor does not belong to this request; start again without it.",
        code="invalid_cursor",
        field="cursor",
    )


def is_image_id(part: Any) -> bool:
    """What a cursor says of where it stopped comes back from outside, so it is looked at."""
    return isinstance(part, str) and re.fullmatch("[0-9a-f]{32}", part) is not None


def pack(*parts: Any) -> str:
    """`parts` (JSON values) as URL-safe text."""
    text = json.dumps(parts, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def unpack(cursor: str, length: int) -> list[Any]:
    """The parts `pack` was given. Raises `InvalidRequest` (code "invalid_cursor")."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise invalid_cursor() from None
    if not isinstance(parts, list) or len(parts) != length:
        raise invalid_cursor()
    return parts
