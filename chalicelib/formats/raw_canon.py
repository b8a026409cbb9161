"""What Canon keeps in which box of a CR3: Laurent Clévy, https://github.com/lclevy/canon_cr3."""

from __future__ import annotations

from chalicelib.boxes import Extent, boxes, inside

CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
PREVIEW = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")


def canon_parts(data: bytes) -> dict[bytes, Extent]:
    """CMT1 (what a TIFF says first), CMT2 (EXIF), CMT4 (GPS), each a TIFF; by their names."""
    parts: dict[bytes, Extent] = {}
    for start, end in inside(data, (b"moov", CANON), 0, len(data)):
        for kind, inner, stop in boxes(data, start, end):
            parts.setdefault(kind, (inner, stop))
    return parts


_PREVIEW_HEAD = 8
_PRVW_HEAD = 16
"""Bytes before the box in its uuid box, and before the JPEG in the box."""


def jpegs(data: bytes) -> list[Extent]:
    """Where JPEGs may lie: the preview's box, and each track's first sample."""
    found = []
    for start, end in inside(data, (PREVIEW,), 0, len(data)):
        for inner, stop in inside(data, (b"PRVW",), start + _PREVIEW_HEAD, end):
            found.append((inner + _PRVW_HEAD, stop))
    for start, end in inside(data, (b"moov", b"trak", b"mdia", b"minf", b"stbl"), 0, len(data)):
        table = {kind: data[inner:stop] for kind, inner, stop in boxes(data, start, end)}
        size = int.from_bytes(table.get(b"stsz", b"")[4:8], "big")
        size = size or int.from_bytes(table.get(b"stsz", b"")[12:16], "big")
        at = int.from_bytes(table.get(b"co64", b"")[8:16], "big")
        at = at or int.from_bytes(table.get(b"stco", b"")[8:12], "big")
        if at > 0 and at + size <= len(data):
            found.append((at, at + size))
    return found
