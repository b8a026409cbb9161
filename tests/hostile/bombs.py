"""Small files that want to become large: by pixels, by frames, by compressed metadata."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from functools import cache

from PIL import Image

from tests.hostile.parts import (
    Hostile,
    chunk,
    either,
    find_box,
    jpeg_of_size,
    read,
    refused,
    riff_chunk,
    vp8l,
    vp8x,
    webp,
    whole,
)
from tests.unit.heic import heic
from tests.unit.pictures import bmp, encoded, png, scene, tiff

FRAMES = 10_000


def hostile() -> Iterator[Hostile]:
    yield from _by_pixels()
    yield from _by_sides()
    yield from _by_frames()
    yield from _by_metadata()


@cache
def zeros(length: int) -> bytes:
    """So many zeros, compressed."""
    return zlib.compress(bytes(length), 9)


def _by_pixels() -> Iterator[Hostile]:
    yield refused("bomb-header.png", png(2**31 - 1, 2**31 - 1, 8, 6, bytes(100)))
    yield refused("bomb-header-16-bit.png", png(60_000, 60_000, 16, 6, bytes(100)))
    yield refused("bomb-over-by-one-row.png", png(8_000, 8_001, 1, 0, bytes(1001 * 8001)))
    yield refused("bomb-wide.png", png(2**31 - 1, 1, 8, 0, bytes(1000)))
    yield either("bomb-pixels.png", png(10, 10, 8, 2, bytes(100_000_000)))
    yield refused("bomb.bmp", bmp(30_000, 30_000, bytes(300)))
    yield refused("bomb-negative.bmp", bmp(30_000, -30_000, bytes(300)))
    yield refused("bomb-smallest-number.bmp", bmp(1, -(2**31), bytes(300)))
    yield refused("bomb.tif", tiff(60_000, 60_000, strip=bytes(300)))
    yield either("bomb-deflate.tif", tiff(100, 100, strip=zeros(150_000_000), tags={259: 8}))
    yield refused("bomb-lzw-wide.tif", tiff(2**32 - 1, 1, strip=bytes(300), tags={259: 5}))
    yield refused("bomb.jpg", jpeg_of_size(65_500, 65_500))
    yield refused("bomb-progressive.jpg", jpeg_of_size(65_500, 65_500, progressive=True))
    yield refused("bomb-frame-over-the-edge.gif", _gif_frame_of_size(65_535, 65_535))
    cleared = b"!\xf9\x04\x09\0\0\0\0"
    over = b"GIF89a\x04\0\x04\0\0\0\0" + cleared + b"," + b"\xab" * 8 + b"\0\x02\0;"
    yield refused("bomb-frame-over-the-edge-cleared.gif", over)
    yield refused("bomb.webp", _webp_of_size(0x4000, 0x4000))
    yield refused("bomb-canvas.webp", webp(vp8x(1 << 24, 1 << 24), vp8l()))
    ispe = struct.pack(">II", 160, 120)
    for name, ending, data in (
        ("bomb", "heic", heic(scene(160, 120))),
        ("bomb", "avif", whole()["avif"]),
    ):
        yield refused(f"{name}.{ending}", data.replace(ispe, struct.pack(">II", 2**31, 2**31)))
        yield refused(
            f"{name}-16384.{ending}", data.replace(ispe, struct.pack(">II", 16384, 16384))
        )


SIDES = ((1, 65_535), (65_535, 1), (65_535, 65_535))


def _by_sides() -> Iterator[Hostile]:
    """The longest sides that 16 bits hold; those of one pixel are small, and honest as PNG."""
    for width, height in SIDES:
        name, large = f"sides-{width}-by-{height}", width == height
        whole_rows = (bytes(1 + (width + 7) // 8)) * min(height, 65_535)
        judge = refused if large else read
        yield judge(f"{name}.png", png(width, height, 1, 0, b"" if large else whole_rows))
        rows = bytes(-(-3 * width // 4) * 4 * height) if not large else bytes(3000)
        yield judge(f"{name}.bmp", bmp(width, height, rows))
        strip = bytes(width * height) if not large else bytes(3000)
        yield judge(f"{name}.tif", tiff(width, height, strip=strip))
        yield (refused if large else either)(f"{name}.gif", _gif_of_size(width, height))
        yield (refused if large else either)(f"{name}.jpg", jpeg_of_size(width, height))
        yield refused(f"{name}.webp", webp(vp8x(width, height), vp8l()))
        ispe = struct.pack(">II", 160, 120)
        for ending in ("heic", "avif"):
            lie = whole()[ending].replace(ispe, struct.pack(">II", width, height))
            yield (refused if large else either)(f"{name}.{ending}", lie)


def _gif_of_size(width: int, height: int) -> bytes:
    data = bytearray(whole()["gif"])
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def _gif_frame_of_size(width: int, height: int) -> bytes:
    data = bytearray(encoded(Image.new("P", (8, 8)), "GIF"))
    at = data.rindex(b",") + 5
    data[at : at + 4] = struct.pack("<HH", width, height)
    return bytes(data)


def _webp_of_size(width: int, height: int) -> bytes:
    data = bytearray(vp8l(16, 16))
    data[9:13] = ((width - 1) | (height - 1) << 14).to_bytes(4, "little")
    return webp(bytes(data))


# --- frames -----------------------------------------------------------------------------------


def _by_frames() -> Iterator[Hostile]:
    """The first frame is good and small; whoever decodes the others is lost."""
    start = b"GIF89a\x02\0\x02\0\x80\0\0\0\0\0\xff\xff\xff"
    frame = b"!\xf9\x04\0\0\0\0\0,\0\0\0\0\x02\0\x02\0\0\x02\x02\x44\x0a\0"
    yield read("ten-thousand-frames.gif", start + frame * FRAMES + b";")
    yield read("frames-without-end.gif", start + frame * FRAMES)
    large = b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x44\x0a\0"
    yield read("later-frames-are-bombs.gif", start + frame + large * FRAMES + b";")
    yield read("ten-thousand-frames.png", _apng(FRAMES))
    yield read("frames-promised-but-not-there.png", _apng(1, promised=2**31 - 1))
    yield either("no-frames-promised.png", _apng(1, promised=0))
    anim = riff_chunk(b"ANIM", bytes(6))
    moving = riff_chunk(b"ANMF", bytes(12) + (100).to_bytes(3, "little") + b"\0" + vp8l())
    yield read("ten-thousand-frames.webp", webp(vp8x(1, 1, 2), anim, moving * FRAMES))
    wide = bytes(6) + b"\xff\xff\xff\xff\xff\xff" + (100).to_bytes(3, "little") + b"\0" + vp8l()
    yield refused(
        "frames-larger-than-the-canvas.webp",
        webp(vp8x(1, 1, 2), anim, riff_chunk(b"ANMF", wide) * 100),
    )
    yield refused("frames-promised-but-not-there.webp", webp(vp8x(1, 1, 2), anim))
    yield either("ten-thousand-frames.avif", _avif_sequence(FRAMES))
    yield either("frames-promised-but-not-there.avif", _avif_sequence(2**31 - 1, listed=2))
    pages = [Image.new("1", (4, 4), n % 2) for n in range(250)]
    yield read(
        "two-hundred-pages.tif", encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    )
    again = [Image.new("RGB", (8, 8), (n, n, n)) for n in range(200)]
    yield read(
        "two-hundred-pictures.mpo", encoded(again[0], "MPO", save_all=True, append_images=again[1:])
    )


def _apng(frames: int, promised: int | None = None) -> bytes:
    """1 x 1 pixels, `frames` times; its header may promise another number."""
    pixel = zlib.compress(bytes(4))
    said = struct.pack(">II", frames if promised is None else promised, 0)
    control = struct.pack(">5I2H2B", 0, 1, 1, 0, 0, 1, 100, 0, 0)
    parts = [chunk(b"acTL", said), chunk(b"fcTL", control), chunk(b"IDAT", pixel)]
    for n in range(1, frames):
        parts.append(chunk(b"fcTL", struct.pack(">I", 2 * n - 1) + control[4:]))
        parts.append(chunk(b"fdAT", struct.pack(">I", 2 * n) + pixel))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(parts) + chunk(b"IEND", b"")


def _avif_sequence(frames: int, listed: int | None = None) -> bytes:
    """An animated AVIF whose tables of samples tell of more frames than there are.

    Its boxes keep their places: the tables grow over what follows the film's header, which is
    put at the end of the file.
    """
    pictures = [Image.new("RGB", (16, 16), (n, 90, 90)) for n in (0, 200)]
    data = encoded(pictures[0], "AVIF", save_all=True, append_images=pictures[1:], duration=40)
    moov = find_box(data, b"moov")
    return data.replace(moov, moov[:4] + b"skip" + bytes(len(moov) - 8)) + _with_more_samples(
        moov, frames, frames if listed is None else listed
    )


def _with_more_samples(moov: bytes, frames: int, listed: int) -> bytes:
    """`moov` with `frames` samples said to be, of which `listed` are in the table of sizes."""
    at, out = 8, b""
    while at < len(moov):
        kind, end = moov[at + 4 : at + 8], at + int.from_bytes(moov[at : at + 4], "big")
        inner = moov[at:end]
        if kind in (b"trak", b"mdia", b"minf", b"stbl"):
            inner = _with_more_samples(inner, frames, listed)
        elif kind == b"stsz":
            size = max(inner[20:24], bytes(4))
            inner = inner[8:16] + struct.pack(">I", frames) + size * listed
            inner = struct.pack(">I", 8 + len(inner)) + kind + inner
        elif kind == b"stts":
            inner = inner[:16] + struct.pack(">I", frames) + inner[20:]
        elif kind in (b"mvhd", b"tkhd", b"mdhd"):
            times = 16 if inner[8] == 1 else 8
            inner = inner[:12] + bytes(times) + inner[12 + times :]
        out += inner
        at = end
    return struct.pack(">I", 8 + len(out)) + moov[4:8] + out


# --- metadata ---------------------------------------------------------------------------------


def _by_metadata() -> Iterator[Hostile]:
    flood = zeros(100_000_000)
    for name, kind, body in (
        ("text", b"zTXt", b"Comment\0\0" + flood),
        ("international-text", b"iTXt", b"Comment\0\1\0\0\0" + flood),
        ("xmp", b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + flood),
        ("profile", b"iCCP", b"icc\0\0" + flood),
    ):
        yield either(f"bomb-{name}.png", png(1, 1, 8, 2, bytes(4), (kind, body)))
    much = b"Comment\0\0" + zeros(1_000_000)
    yield either("bomb-of-many-texts.png", png(1, 1, 8, 2, bytes(4), *[(b"zTXt", much)] * 300))
    yield either(
        "a-thousand-chunks.png",
        png(1, 1, 8, 2, bytes(4), *[(b"tEXt", b"Comment\0" + b"x" * 1000)] * 2000),
    )
    yield either(
        "exif-of-10-mb.png", png(1, 1, 8, 2, bytes(4), (b"eXIf", b"II*\0" + bytes(10_000_000)))
    )
    xmp = b'<?xpacket?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    xmp += b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(20))
    xmp += b"]><x:xmpmeta>&u;</x:xmpmeta>"
    yield read("entities-in-xmp.webp", webp(vp8x(1, 1, 4), vp8l(), riff_chunk(b"XMP ", xmp)))
    yield read(
        "profile-of-10-mb.webp",
        webp(vp8x(1, 1, 32), riff_chunk(b"ICCP", bytes(10_000_000)), vp8l()),
    )
    yield read(
        "exif-of-10-mb.webp",
        webp(vp8x(1, 1, 8), vp8l(), riff_chunk(b"EXIF", b"II*\0" + bytes(10_000_000))),
    )
