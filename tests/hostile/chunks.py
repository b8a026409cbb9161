"""PNGs and WebPs whose chunks lie."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from tests.hostile.parts import (
    PNG_START,
    Hostile,
    chunk,
    either,
    noise,
    read,
    refused,
    riff_chunk,
    vp8l,
    vp8x,
    webp,
    whole,
)
from tests.unit.pictures import encoded, png, scene


def hostile() -> Iterator[Hostile]:
    yield from _png_headers()
    yield from _png_chunks()
    yield from _webp_chunks()
    yield from _webp_streams()


def _png_headers() -> Iterator[Hostile]:
    yield refused("no-size.png", png(0, 0, 8, 2, b""))
    yield refused("no-width.png", png(0, 16, 8, 2, bytes(16)))
    yield refused("no-height.png", png(16, 0, 8, 2, b""))
    yield refused("negative-size.png", png(2**32 - 16, 16, 8, 2, bytes(900)))
    yield refused("odd-depth.png", png(4, 4, 7, 3, bytes(100)))
    yield refused("odd-colour.png", png(4, 4, 8, 5, bytes(100)))
    yield refused("16-bit-palette.png", png(4, 4, 16, 3, bytes(100)))
    yield refused("palette-missing.png", png(4, 4, 8, 3, bytes(20)))
    yield refused("too-few-rows.png", png(100, 100, 8, 2, bytes(50)))
    yield either("too-many-rows.png", png(4, 4, 8, 2, bytes(100_000)))
    yield refused("filter-255.png", png(4, 4, 8, 2, (b"\xff" + bytes(12)) * 4))
    body = zlib.compress(bytes(52))
    header = struct.pack(">IIBBB", 4, 4, 8, 2, 0)
    for name, filters, interlace in (("filters-9", 9, 0), ("interlace-9", 0, 9)):
        ihdr = chunk(b"IHDR", header + bytes((filters, interlace)))
        yield either(f"{name}.png", PNG_START + ihdr + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    ihdr = chunk(b"IHDR", header + bytes(2))
    rest = chunk(b"IDAT", body) + chunk(b"IEND", b"")
    yield refused(
        "header-of-12-bytes.png", PNG_START + chunk(b"IHDR", (header + bytes(2))[:12]) + rest
    )
    yield refused("no-header.png", PNG_START + rest)
    yield either("two-headers.png", PNG_START + ihdr + ihdr + rest)
    larger = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    yield either("a-second-header-is-a-bomb.png", PNG_START + ihdr + larger + rest)
    yield either(
        "header-after-the-picture.png", PNG_START + ihdr + chunk(b"IDAT", body) + larger + rest
    )
    yield refused("header-crc.png", PNG_START + ihdr[:-4] + bytes(4) + rest)


def _png_chunks() -> Iterator[Hostile]:
    rows = bytes(13 * 4)
    body = zlib.compress(rows)
    start = PNG_START + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0))
    end = chunk(b"IEND", b"")
    picture = chunk(b"IDAT", body)
    yield refused("no-pixels.png", start + end)
    yield refused("pixels-of-nothing.png", start + chunk(b"IDAT", b"") + end)
    yield refused("pixels-of-noise.png", start + chunk(b"IDAT", noise("idat", 500)) + end)
    yield either("pixels-a-byte-at-a-time.png", start + b"".join(
        chunk(b"IDAT", bytes((byte,))) for byte in body) + end)  # fmt: skip
    yield either(
        "empty-chunks-between-pixels.png", start + chunk(b"IDAT", b"") * 20_000 + picture + end
    )
    yield either("pixel-crc.png", start + picture[:-4] + bytes(4) + end)
    yield either("chunk-of-4-gb.png", start + b"\xff\xff\xff\xffIDAT" + body + end)
    yield either("chunk-of-2-gb.png", start + b"\x7f\xff\xff\xffIDAT" + body + end)
    yield refused("text-of-2-gb.png", start + b"\x7f\xff\xff\xfftEXt" + picture + end)
    yield either("chunk-without-letters.png", start + chunk(b"\0\1\2\3", b"abc") + picture + end)
    yield either("critical-and-unknown.png", start + chunk(b"ABCD", b"abc") + picture + end)
    yield either("fifty-thousand-chunks.png", start + chunk(b"prVt", b"") * 50_000 + picture + end)
    yield either("window-of-a-byte.png", start + chunk(b"IDAT", b"\x08\x1d" + body[2:]) + end)
    yield either("checksum-of-the-pixels.png", start + chunk(b"IDAT", body[:-4] + bytes(4)) + end)
    dictionary = chunk(b"IDAT", b"\x78\xbb" + noise("dictionary", 40))
    yield refused("pixels-need-a-dictionary.png", start + dictionary + end)
    for name, kind, value in (
        ("gamma-0", b"gAMA", bytes(4)),
        ("gamma-cut", b"gAMA", b"\1"),
        ("gamma-enormous", b"gAMA", b"\xff\xff\xff\xff"),
        ("white-over-nothing", b"cHRM", bytes(32)),
        ("white-cut", b"cHRM", bytes(7)),
        ("intent-255", b"sRGB", b"\xff"),
        ("intent-cut", b"sRGB", b""),
        ("resolution-enormous", b"pHYs", b"\xff" * 8 + b"\1"),
        ("resolution-cut", b"pHYs", b"\1"),
        ("transparency-cut", b"tRNS", b"\1"),
        ("transparency-long", b"tRNS", bytes(5000)),
        ("palette-of-two-bytes", b"PLTE", b"\1\2"),
        ("palette-of-1000", b"PLTE", bytes(3000)),
        ("exif-cut", b"eXIf", b"II*"),
        ("exif-of-noise", b"eXIf", noise("eXIf", 900)),
        ("text-without-end", b"tEXt", b"x" * 200),
        ("text-cut", b"zTXt", b"Comment\0"),
        ("text-of-noise", b"zTXt", b"Comment\0\0" + noise("zTXt", 300)),
        ("text-of-another-kind", b"zTXt", b"Comment\0\x63" + body),
        ("international-text-cut", b"iTXt", b"Comment\0\1"),
        ("international-text-not-utf-8", b"iTXt", b"Comment\0\0\0\xff\0\xff\0\xff\xfe"),
        ("profile-cut", b"iCCP", b"icc"),
        ("profile-of-noise", b"iCCP", b"icc\0\0" + noise("iCCP", 300)),
        ("animation-cut", b"acTL", b"\0\0"),
        ("frame-cut", b"fcTL", b"\0\0"),
        ("frame-before-animation", b"fcTL", struct.pack(">5I2H2B", 0, 4, 4, 0, 0, 1, 100, 0, 0)),
    ):
        yield either(f"{name}.png", start + chunk(kind, value) + picture + end)
    animation = chunk(b"acTL", struct.pack(">II", 2, 0))
    for name, frame in {
        "frame-larger-than-the-picture": struct.pack(
            ">5I2H2B", 0, 60_000, 60_000, 0, 0, 1, 100, 0, 0
        ),
        "frame-outside": struct.pack(">5I2H2B", 0, 4, 4, 2**31 - 1, 2**31 - 1, 1, 100, 0, 0),
        "frame-of-no-size": struct.pack(">5I2H2B", 0, 0, 0, 0, 0, 1, 100, 0, 0),
        "frame-delay-over-nothing": struct.pack(">5I2H2B", 0, 4, 4, 0, 0, 1, 0, 9, 9),
        "frame-out-of-order": struct.pack(">5I2H2B", 9, 4, 4, 0, 0, 1, 100, 0, 0),
    }.items():
        yield either(f"{name}.png", start + animation + chunk(b"fcTL", frame) + picture + end)


def _webp_chunks() -> Iterator[Hostile]:
    data, stream = whole()["webp"], vp8l(16, 16)
    yield refused("chunk-length.webp", data[:16] + b"\xff\xff\xff\xff" + data[20:])
    yield refused("chunk-length-odd.webp", data[:16] + b"\xff\xff\xff\x7f" + data[20:])
    yield refused("a-jpeg-with-riff.webp", b"RIFF" + whole()["jpg"][4:])
    for name, size in (("0", 0), ("4-gb", 2**32 - 1), ("one-less", len(data) - 10)):
        yield either(f"riff-length-{name}.webp", data[:4] + struct.pack("<I", size) + data[8:])
    yield refused("no-chunks.webp", webp())
    yield refused("only-the-canvas.webp", webp(vp8x(16, 16)))
    yield either("canvas-of-another-size.webp", webp(vp8x(900, 900), stream))
    yield either("canvas-smaller.webp", webp(vp8x(1, 1), stream))
    yield either("two-canvases.webp", webp(vp8x(16, 16), vp8x(9, 9), stream))
    yield either("two-pictures.webp", webp(vp8x(16, 16), stream, stream))
    yield either("every-flag.webp", webp(vp8x(16, 16, 255), stream))
    yield refused(
        "a-frame-without-a-picture.webp",
        webp(vp8x(16, 16, 2), riff_chunk(b"ANIM", bytes(6)), riff_chunk(b"ANMF", bytes(16))),
    )
    frame = bytes(12) + (100).to_bytes(3, "little") + b"\0"
    inner = riff_chunk(b"ANMF", frame + stream)
    for _ in range(200):
        inner = riff_chunk(b"ANMF", frame + inner)
    yield either(
        "frames-in-frames.webp", webp(vp8x(16, 16, 2), riff_chunk(b"ANIM", bytes(6)), inner)
    )
    offset = b"\xff\xff\xff\xff\xff\xff" + bytes(6) + (100).to_bytes(3, "little") + b"\0"
    yield refused(
        "frame-outside.webp",
        webp(vp8x(16, 16, 2), riff_chunk(b"ANIM", bytes(6)), riff_chunk(b"ANMF", offset + stream)),
    )
    yield either(
        "fifty-thousand-chunks.webp", webp(vp8x(16, 16), riff_chunk(b"prVt", b"") * 50_000, stream)
    )
    yield either(
        "alpha-of-noise.webp",
        webp(vp8x(160, 120, 16), riff_chunk(b"ALPH", noise("ALPH", 500)), data[12:]),
    )
    yield either(
        "alpha-of-nothing.webp", webp(vp8x(160, 120, 16), riff_chunk(b"ALPH", b""), data[12:])
    )
    yield either("picture-before-canvas.webp", webp(stream, vp8x(16, 16)))


def _webp_streams() -> Iterator[Hostile]:
    data = whole()["webp"]
    at = data.index(b"VP8 ") + 8
    yield refused("lossless-of-noise.webp", webp(riff_chunk(b"VP8L", b"\x2f" + noise("VP8L", 900))))
    yield refused(
        "lossless-of-zeros.webp", webp(riff_chunk(b"VP8L", b"\x2f\xff\xff\xff" + bytes(2)))
    )
    yield refused("lossless-signature.webp", webp(riff_chunk(b"VP8L", b"\x2e" + bytes(900))))
    yield refused(
        "lossless-version-7.webp", webp(riff_chunk(b"VP8L", b"\x2f\x0f\xc0\x03\xe0" + bytes(900)))
    )
    yield refused("not-a-key-frame.webp", data[:at] + bytes((data[at] | 1,)) + data[at + 1 :])
    yield refused("no-start-code.webp", data[: at + 3] + bytes(3) + data[at + 6 :])
    yield refused("no-size.webp", data[: at + 6] + bytes(4) + data[at + 10 :])
    yield refused(
        "larger-than-its-data.webp", data[: at + 6] + b"\xff\x3f\xff\x0f" + data[at + 10 :]
    )
    yield either("partition-lies.webp", data[:at] + b"\xf0\xff\xff" + data[at + 3 :])
    scratched = bytearray(encoded(scene(64, 64), "WEBP", lossless=True))
    scratched[40:90] = noise("scratch", 50)
    yield either("lossless-scratched.webp", bytes(scratched))
    yield read(
        "alpha-everywhere-0.webp",
        encoded(scene(16, 16).convert("RGBA").point(lambda _: 0), "WEBP", exact=True),
    )
