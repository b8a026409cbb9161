"""How parent and child talk: a length, a JSON header, then raw blobs.

JSON and raw bytes, never pickle: the child has handled hostile input, so its answers are data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

MAX_HEADER = 1 << 20
MAX_BLOB = 1 << 30


def pack(header: dict[str, Any], blobs: Sequence[bytes] = ()) -> list[bytes]:
    """The pieces to write, in order; the header gains "blobs", the length of each."""
    text = json.dumps({**header, "blobs": [len(b) for b in blobs]}).encode()
    return [len(text).to_bytes(4, "big") + text, *blobs]


def unpack(read: Callable[[int], bytes]) -> tuple[dict[str, Any], list[bytes]] | None:
    """One frame by way of `read(n)`, which gives exactly n bytes, or fewer at the end.

    None when the other side has closed. Raises ValueError for anything that is not a frame.
    """
    start = read(4)
    if len(start) < 4:
        return None
    size = int.from_bytes(start, "big")
    if size > MAX_HEADER:
        raise ValueError("frame header too long")
    text = read(size)
    if len(text) < size:
        return None
    header = json.loads(text)
    blobs = []
    for length in header["blobs"]:
        if not isinstance(length, int) or not 0 <= length <= MAX_BLOB:
            raise ValueError("frame blob too long")
        blob = read(length)
        if len(blob) < length:
            return None
        blobs.append(blob)
    return header, blobs
