"""The boxes of ISO base media files (ISO/IEC 14496-12), such as HEIC and CR3. Nothing raises."""

from __future__ import annotations

from collections.abc import Iterator

_MOST_BOXES = 200

Extent = tuple[int, int]


def boxes(
    data: bytes, start: int, end: int, *, most: int = _MOST_BOXES
) -> Iterator[tuple[bytes, int, int]]:
    """(type, start and end of its contents) of each box in that part of the file, `most` of them;
    none after one that makes no sense. The type of a `uuid` box is its UUID."""
    for _ in range(most):
        if start + 8 > end:
            return
        size = int.from_bytes(data[start : start + 4], "big")
        kind, head = data[start + 4 : start + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        stop = end if size == 0 else start + size
        if stop > end or stop < start + head:
            return
        if kind == b"uuid":
            kind, head = data[start + head : start + head + 16], head + 16
        yield kind, min(start + head, stop), stop
        start = stop


def inside(data: bytes, path: tuple[bytes, ...], start: int, end: int) -> list[Extent]:
    """The contents of every box at the end of `path`."""
    found = [(start, end)]
    for step in path:
        found = [
            (inner, stop)
            for outer, last in found
            for kind, inner, stop in boxes(data, outer, last)
            if kind == step
        ]
    return found[:_MOST_BOXES]


def ends_too_early(data: bytes) -> bool:
    """Whether the last box would go on behind the end of the file: something was cut off."""
    start = 0
    for _ in range(_MOST_BOXES):
        size = int.from_bytes(data[start : start + 4], "big")
        if size == 1:
            size = int.from_bytes(data[start + 8 : start + 16], "big")
        if size == 0 or start + size >= len(data):
            return start + size > len(data)
        start += size
    return False
