"""The directories of a TIFF (TIFF 6.0, section 2), as camera RAW uses them. Values are read when
asked for; what lies outside the file is not there. Nothing raises."""

from __future__ import annotations

import struct
from collections.abc import Iterator

SUB_IFDS = 0x014A

_ORDERS = {b"II": "<", b"MM": ">"}
_MOST_DIRECTORIES = 32
_MOST_ENTRIES = 500
_MOST_VALUES = 64
"""Far more than cameras write, and few enough to walk at once whatever the file says."""

_NUMBERS = {1: "B", 3: "H", 4: "I", 9: "i", 13: "I"}
_RATIONALS = {5: "I", 10: "i"}
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}


class Ifd:
    """One directory."""

    def __init__(self, data: bytes, order: str, offset: int) -> None:
        self._data = data
        self._order = order
        self._entries: dict[int, tuple[int, int, int]] = {}
        self.next = 0
        if not 8 <= offset <= len(data) - 2:
            return
        (count,) = struct.unpack_from(f"{order}H", data, offset)
        end = offset + 2 + 12 * count
        if count > _MOST_ENTRIES or end > len(data):
            return
        for at in range(offset + 2, end, 12):
            tag, kind, number = struct.unpack_from(f"{order}HHI", data, at)
            self._place(tag, kind, number, at + 8)
        if end + 4 <= len(data):
            (self.next,) = struct.unpack_from(f"{order}I", data, end)

    def _place(self, tag: int, kind: int, number: int, at: int) -> None:
        size = number * _BYTES.get(kind, 0)
        if size > 4:
            (at,) = struct.unpack_from(f"{self._order}I", self._data, at)
        if size > 0 and at + size <= len(self._data):
            self._entries.setdefault(tag, (kind, number, at))

    def __contains__(self, tag: int) -> bool:
        return tag in self._entries

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Whole numbers, fractions cut off; () where there are none."""
        kind, count, at = self._entries.get(tag, (0, 0, 0))
        count = min(count, _MOST_VALUES)
        if kind in _RATIONALS:
            parts = struct.unpack_from(
                f"{self._order}{2 * count}{_RATIONALS[kind]}", self._data, at
            )
            pairs = zip(parts[::2], parts[1::2], strict=True)
            return tuple(above // below for above, below in pairs if below)
        if kind not in _NUMBERS:
            return ()
        return struct.unpack_from(f"{self._order}{count}{_NUMBERS[kind]}", self._data, at)

    def number(self, tag: int) -> int | None:
        return next(iter(self.numbers(tag)), None)

    def text(self, tag: int) -> str:
        kind, count, at = self._entries.get(tag, (0, 0, 0))
        end = at + min(count, 200)
        return self._data[at:end].decode("latin-1").strip("\0 ") if kind == 2 else ""

    def extent(self, tag: int) -> tuple[int, int]:
        """From where to where in the file the bytes of `tag` lie; (0, 0) where it has none."""
        kind, count, at = self._entries.get(tag, (0, 0, 0))
        return at, at + count * _BYTES.get(kind, 0)


def directories(data: bytes, order: str | None = None, first: int | None = None) -> list[Ifd]:
    """Every directory of the TIFF in `data`, those below SubIFDs too, the first one first."""
    order = order or _ORDERS.get(data[:2])
    if order is None or len(data) < 8:
        return []
    start = struct.unpack_from(f"{order}I", data, 4)[0] if first is None else first
    return list(_walk(data, order, start))


def _walk(data: bytes, order: str, start: int) -> Iterator[Ifd]:
    waiting, seen = [start], set[int]()
    while waiting and len(seen) < _MOST_DIRECTORIES:
        offset = waiting.pop(0)
        if offset in seen or offset == 0:
            continue
        seen.add(offset)
        ifd = Ifd(data, order, offset)
        yield ifd
        waiting += [*ifd.numbers(SUB_IFDS), ifd.next]
