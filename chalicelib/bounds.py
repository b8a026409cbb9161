"""What is refused before a decoder sees it: files that are small, of small pictures, and yet take
minutes, or more threads than the machine has; or that libraries die of.

Only what is known to do harm. A file that cannot be followed here is left to its decoder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from chalicelib.boxes import boxes
from chalicelib.errors import TooLarge, UnreadableImage

MAX_EXIF_SEGMENTS = 64
"""Of 64 KB each. Pillow joins them one by one, copying what it has: 960 of them take a minute."""

MAX_SCANS = 200
"""Encoders write about ten, optimisers a few dozen. Each costs a pass over the whole picture."""

MAX_TILES = 2048
"""Phones make grids of about 50 tiles; libheif lets one item refer to 1,000."""

MAX_DEPTH = 8
"""Items made of items made of items; a phone's grid, with its alpha, has two levels."""


def check(data: bytes) -> None:
    """Raises `UnreadableImage` or `TooLarge` for a file that no decoder should be given."""
    if data.startswith(b"\xff\xd8"):
        _check_jpeg(data)
    elif data[4:8] == b"ftyp":
        _check_items(data)
        _check_texts(data)


# --- JPEG -------------------------------------------------------------------------------------

_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""The next marker, over whatever stands before it; in a scan those of restarts belong to it."""


def _check_jpeg(data: bytes) -> None:
    # Counting the letters is a hundred times faster than walking the file, and seldom too much.
    if data.count(b"\xff\xda") <= MAX_SCANS and data.count(b"Exif\0\0") <= MAX_EXIF_SEGMENTS:
        return
    scans = exifs = 0
    for marker, start in _segments(data):
        scans += marker == 0xDA
        exifs += marker == 0xE1 and data.startswith(b"Exif\0\0", start)
        if exifs > MAX_EXIF_SEGMENTS:
            raise TooLarge(
                "The image carries more EXIF data than any camera writes; "
                f"the limit is {MAX_EXIF_SEGMENTS // 16} MB."
            )
        if scans > MAX_SCANS:
            raise UnreadableImage(
                f"The image is built up in more than {MAX_SCANS} passes, which no camera or "
                "program does."
            )


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """(marker, where its content starts) of each segment up to the end of the first picture."""
    at = 2
    while (found := _MARKER.search(data, at)) and found[1] != b"\xd9":
        at = found.end()
        yield found[1][0], at + 2
        at += max(2, int.from_bytes(data[at : at + 2], "big"))


# --- HEIF and AVIF ----------------------------------------------------------------------------


_MAX_BOXES = 10_000


def _check_items(data: bytes) -> None:
    """Refuses items made of items without end, or in a number that grows at every level."""
    made_of: dict[int, list[int]] = {}
    for kind, one, others in _references(data):
        if kind == b"dimg":
            made_of.setdefault(one, []).extend(others)
        elif kind == b"auxl":
            for other in others:
                made_of.setdefault(other, []).append(one)
    seen: dict[int, _Parts] = {}
    for item in made_of:
        _parts(item, made_of, seen, MAX_DEPTH)


class _Parts(NamedTuple):
    """How many pictures are decoded for an item, and over how many levels."""

    pictures: int
    levels: int


def _parts(item: int, made_of: dict[int, list[int]], seen: dict[int, _Parts], depth: int) -> _Parts:
    if item not in made_of:
        return _Parts(1, 0)
    if item not in seen:
        below = [_parts(part, made_of, seen, depth - 1) for part in made_of[item]] if depth else []
        levels = 1 + max((part.levels for part in below), default=MAX_DEPTH)
        if levels > MAX_DEPTH:
            raise UnreadableImage("The image is made of parts that are made of parts, without end.")
        seen[item] = _Parts(sum(part.pictures for part in below), levels)
        if seen[item].pictures > MAX_TILES:
            raise TooLarge(f"The image is made of more than {MAX_TILES} parts.")
    return seen[item]


def _references(data: bytes) -> Iterator[tuple[bytes, int, list[int]]]:
    """(kind, from which item, to which) of ISO/IEC 14496-12, 8.11.12."""
    for table, table_end in _tables(data, b"iref"):
        size = 4 if data[table : table + 1] > b"\0" else 2
        for kind, start, end in boxes(data, table + 4, table_end, most=_MAX_BOXES):
            first = int.from_bytes(data[start : start + size], "big")
            at = start + size + 2
            count = min(int.from_bytes(data[at - 2 : at], "big"), (end - at) // size, MAX_TILES + 1)
            numbers = (data[at + size * n : at + size * (n + 1)] for n in range(count))
            yield kind, first, [int.from_bytes(number, "big") for number in numbers]


def _check_texts(data: bytes) -> None:
    """Kinds and names of items are UTF-8; pi-heif hands others on unread and dies of them."""
    for table, table_end in _tables(data, b"iinf"):
        wide = data[table : table + 1] > b"\0"
        for kind, start, end in boxes(data, table + (8 if wide else 6), table_end, most=_MAX_BOXES):
            if kind != b"infe":
                continue
            # Version and flags, the item's number (four bytes from version 3 on), its protection.
            version = data[start : start + 1]
            texts = start + 4 + (4 if version > b"\2" else 2) + 2
            names = texts + 4 if version > b"\1" else texts
            try:
                data[texts:names].decode()
                data[names:end].decode()
            except UnicodeDecodeError as error:
                raise UnreadableImage("The image is damaged or incomplete.") from error


def _tables(data: bytes, wanted: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of what is in each table of that kind."""
    for outer, start, end in boxes(data, 0, len(data), most=_MAX_BOXES):
        if outer == b"meta":
            for kind, first, last in boxes(data, start + 4, end, most=_MAX_BOXES):
                if kind == wanted:
                    yield first, last
