"""The vector of a picture as a short text, which an address has room for. docs/adr/0040.

"v1", the first digits of the model's fingerprint, and one signed byte a number, in base64url (RFC
4648, section 5) without padding: nothing of it needs escaping in an address.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from chalicelib.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PATTERN = "^v1[0-9A-Za-z_-]{9,}$"

MAX_LENGTH = 8192
"""Characters: vectors of 6,000 numbers, more than any model here has."""

_VERSION = "v1"
_MODEL = 8
"""Digits of the fingerprint: enough to tell a library's models apart."""

_MOST = 127


def to_text(vector: NDArray[np.float32], fingerprint: str) -> str:
    """`vector`, float32 [D] and not all zero, rounded. Its length is not kept: it is a unit one."""
    import numpy as np

    scaled = vector.astype(np.float64) * (_MOST / np.abs(vector).max())
    numbers = np.rint(scaled).astype(np.int8).tobytes()
    return _head(fingerprint) + base64.urlsafe_b64encode(numbers).decode().rstrip("=")


def from_text(text: str, fingerprint: str, dim: int, *, field: str) -> NDArray[np.float32]:
    """The unit vector that `text` stands for, float32 [`dim`].

    Raises `InvalidRequest` for what is none, or one of another model than `fingerprint`.
    """
    import numpy as np

    if not re.fullmatch(PATTERN, text):
        raise _refused("This is no vector of a picture", field)
    head, body = text[: len(_head(fingerprint))], text[len(_head(fingerprint)) :]
    if head != _head(fingerprint):
        raise _refused(
            f"This vector is of another model ({head[len(_VERSION) :]}), which the pictures here"
            f" are not searched with now",
            field,
        )
    # One character more than a multiple of four stands for no byte at all.
    whole = body[:-1] if len(body) % 4 == 1 else body
    numbers = np.frombuffer(base64.urlsafe_b64decode(whole + "=" * (-len(whole) % 4)), np.int8)
    if len(numbers) != dim:
        raise _refused(
            f"This vector has {len(numbers)} numbers, and those of this model have {dim}; a part"
            f" of it may have been lost on the way",
            field,
        )
    wide = numbers.astype(np.float64)
    if not wide.any():
        raise _refused("This vector has nothing but zeros in it", field)
    return np.asarray(wide / np.sqrt(wide @ wide), np.float32)


def _head(fingerprint: str) -> str:
    return _VERSION + fingerprint[:_MODEL]


def _refused(why: str, field: str) -> InvalidRequest:
    return InvalidRequest(f"{why}; search by the picture itself once more.", field=field)
