"""Honest files cut off at every boundary that their format has, and in the middle of every part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from PIL import Image

from tests.hostile.parts import (
    PNG_START,
    SHORT,
    Entry,
    Hostile,
    either,
    exif_of,
    refused,
    segments_of,
    srgb_profile,
    whole,
)
from tests.unit.heic import heic
from tests.unit.pictures import encoded, scene, tiff

Part = tuple[str, int, int]
"""What it is called, where it starts, where it ends."""


_EXIF = exif_of([Entry(0x112, SHORT, 1, 1)])


def hostile() -> Iterator[Hostile]:
    for ending, data in whole().items():
        for percent in (10, 40, 70):
            yield refused(f"cut-at-{percent}.{ending}", data[: len(data) * percent // 100])
    picture = scene(48, 32)
    more = {"exif": _EXIF, "icc_profile": srgb_profile()}
    jpeg = encoded(picture, "JPEG", **more)
    yield from _cut("jpg", jpeg, _jpeg_parts(jpeg))
    progressive = encoded(picture, "JPEG", progressive=True)
    yield from _cut("progressive.jpg", progressive, _jpeg_parts(progressive, only=(0xC2, 0xDA)))
    png = encoded(picture.resize((200, 200)), "PNG", **more)
    yield from _cut("png", png, _png_parts(png))
    animated = encoded(
        picture, "PNG", save_all=True, append_images=[Image.new("RGB", (48, 32), "red")]
    )
    yield from _cut("animated.png", animated, _png_parts(animated, magic=False))
    webp = encoded(picture, "WEBP", **more)
    yield from _cut("webp", webp, _riff_parts(webp))
    gif = encoded(picture, "GIF", comment=b"made to be cut")
    yield from _cut("gif", gif, _gif_parts(gif))
    bmp = encoded(picture, "BMP")
    yield from _cut(
        "bmp", bmp, [("file-header", 0, 14), ("header", 14, 54), ("rows", 54, len(bmp))]
    )
    grey = tiff(48, 32, strip=picture.convert("L").tobytes())
    yield from _cut("tif", grey, _tiff_parts(grey))
    for ending, data in (
        ("heic", heic(scene(64, 32), brand=b"heix", exif=_EXIF[6:])),
        ("avif", encoded(picture, "AVIF", **more)),
    ):
        yield from _cut(ending, data, _boxes(data, 0, len(data)))


def _cut(ending: str, data: bytes, parts: list[Part] | Iterator[Part]) -> Iterator[Hostile]:
    """Cut behind and within each part; what has lost none of its pixels may still be read.

    The largest part holds the pixels, and one less than half there is no picture.
    """
    parts = [part for part in parts if part[2] > part[1]]
    _, start, end = max(parts, key=lambda part: part[2] - part[1])
    seen: Counter[str] = Counter()
    done = {len(data)}
    for kind, first, last in parts:
        seen[kind] += 1
        name = f"{kind}-{seen[kind]}" if seen[kind] > 1 else kind
        for how, at in (("inside", (first + last) // 2), ("after", last)):
            if at not in done:
                done.add(at)
                judge = refused if at <= (start + end) // 2 else either
                yield judge(f"cut-{how}-{name}.{ending}", data[:at])


_MARKERS = {0xE0: "jfif", 0xE1: "exif", 0xE2: "profile", 0xDB: "tables", 0xC0: "frame",
            0xC2: "frame", 0xC4: "codes", 0xDA: "scan"}  # fmt: skip


def _jpeg_parts(data: bytes, only: tuple[int, ...] = ()) -> Iterator[Part]:
    if not only:
        yield "start", 0, 2
    for marker, start, end in segments_of(data):
        if not only or marker in only:
            yield _MARKERS[marker], start, end


def _png_parts(data: bytes, *, magic: bool = True) -> Iterator[Part]:
    if magic:
        yield "magic", 0, len(PNG_START)
    at = len(PNG_START)
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8].decode(), at, end
        at = end


def _riff_parts(data: bytes) -> Iterator[Part]:
    yield "RIFF", 0, 12
    at = 12
    while at < len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        yield data[at : at + 4].decode().strip(), at, end
        at = end


def _gif_parts(data: bytes) -> Iterator[Part]:
    yield "magic", 0, 6
    yield "screen", 6, 13
    at = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    yield "colours", 13, at
    while data[at] != 0x3B:
        if data[at] == 0x21:
            kind, body = "extension", at + 2
        else:
            kind, body = "image", at + 10
            body += 3 * 2 ** ((data[at + 9] & 7) + 1) if data[at + 9] & 0x80 else 0
            body += 1
        end = body
        while data[end]:
            end += 1 + data[end]
        yield f"{kind}-header", at, body
        yield kind, body, end + 1
        at = end + 1


def _tiff_parts(data: bytes) -> Iterator[Part]:
    yield "header", 0, 8
    count = int.from_bytes(data[8:10], "little")
    for n in range(count):
        at = 10 + 12 * n
        yield f"tag-{int.from_bytes(data[at : at + 2], 'little')}", at, at + 12
    yield "directory", 8, 10 + 12 * count + 4
    yield "strip", 10 + 12 * count + 4, len(data)


_CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"iinf": 6, b"iref": 4}
"""Boxes with boxes in them, and how many bytes come before those."""


def _boxes(data: bytes, at: int, end: int) -> Iterator[Part]:
    while at < end:
        kind = data[at + 4 : at + 8]
        last = at + int.from_bytes(data[at : at + 4], "big")
        if kind in _CONTAINERS:
            yield from _boxes(data, at + 8 + _CONTAINERS[kind], last)
        yield kind.decode().strip(), at, last
        at = last
