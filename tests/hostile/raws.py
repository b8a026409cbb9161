"""Files that say they are a camera's raw data, and other formats that few decoders know."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.hostile.damaged import flipped
from tests.hostile.parts import (
    ASCII,
    BYTE,
    LONG,
    SHORT,
    Entry,
    Hostile,
    box,
    directory,
    either,
    jpeg_of_size,
    noise,
    refused,
    small_jpeg,
    tiff_file,
)
from tests.hostile.tiffs import grey
from tests.unit import raws
from tests.unit.pictures import scene

DNG = (Entry(50706, BYTE, 4, b"\1\4\0\0"), Entry(50708, ASCII, 8, b"Wicked\0\0"))
CFA = (
    Entry(262, SHORT, 1, 32_803),
    Entry(33421, SHORT, 2, b"\2\0\2\0"),
    Entry(33422, BYTE, 4, b"\0\1\1\2"),
)


def hostile() -> Iterator[Hostile]:
    yield from _dng()
    yield from _cameras()
    yield from _jpeg_xl()
    yield from _damaged()


def _dng_of(*entries: Entry, rest: bytes = b"") -> bytes:
    """A DNG whose directory has these fields too; `rest` lies at 4096."""
    head = tiff_file(grey(*DNG, *CFA, *entries))
    return head.ljust(4096, b"\0") + (rest or bytes(range(256)) * 2)


def _dng() -> Iterator[Hostile]:
    yield either("of-nothing.dng", _dng_of())
    yield either("sub-directory-is-itself.dng", _dng_of(Entry(330, LONG, 1, 8)))
    yield either("sub-directory-outside.dng", _dng_of(Entry(330, LONG, 1, 2**31)))
    places = struct.pack("<I", 8) * 10_000
    yield either("ten-thousand-sub-directories.dng", _dng_of(Entry(330, LONG, 10_000, places)))
    yield either("sub-directories-without-end.dng", _dng_of(Entry(330, LONG, 2**32 - 1, 8)))
    yield either(
        "preview-outside.dng", _dng_of(Entry(513, LONG, 1, 2**31), Entry(514, LONG, 1, 5000))
    )
    yield either(
        "preview-without-end.dng",
        _dng_of(Entry(513, LONG, 1, 4096), Entry(514, LONG, 1, 2**32 - 1)),
    )
    yield either(
        "preview-of-noise.dng", _with_preview(b"\xff\xd8\xff\xe0" + noise("preview", 4000))
    )
    yield either("preview-is-a-bomb.dng", _with_preview(jpeg_of_size(65_500, 65_500)))
    yield either("preview-of-nothing.dng", _with_preview(b""))
    yield either("preview-cut.dng", _with_preview(small_jpeg()[:200]))
    yield either(
        "preview-is-a-web-page.dng", _with_preview(b"<html><script>alert(1)</script></html>")
    )
    deep = _nested_directories(1000)
    yield either("a-thousand-directories-deep.dng", deep)
    yield refused(
        "bomb.dng", _dng_of(Entry(256, LONG, 1, 2**31 - 1), Entry(257, LONG, 1, 2**31 - 1))
    )
    yield either("no-size.dng", _dng_of(Entry(256, LONG, 1, 0), Entry(257, LONG, 1, 0)))
    yield either(
        "lossless-of-noise.dng", _dng_of(Entry(259, SHORT, 1, 7), rest=noise("ljpeg", 4096))
    )
    yield either("levels-over-nothing.dng", _dng_of(
        Entry(50714, 5, 1, struct.pack("<II", 1, 0)), Entry(50717, LONG, 1, 0)))  # fmt: skip
    yield either("crop-outside.dng", _dng_of(
        Entry(50719, LONG, 2, struct.pack("<II", 2**31, 2**31)),
        Entry(50720, LONG, 2, struct.pack("<II", 2**31, 2**31))))  # fmt: skip
    yield either("opcodes-of-noise.dng", _dng_of(Entry(51008, 7, 2000, noise("opcodes", 2000))))
    yield either(
        "linearised-by-noise.dng", _dng_of(Entry(50712, SHORT, 1000, noise("curve", 2000)))
    )


def _with_preview(data: bytes) -> bytes:
    """A DNG whose sub-directory names a JPEG preview: those bytes."""
    inner = [
        Entry(254, LONG, 1, 1), Entry(256, SHORT, 1, 16), Entry(257, SHORT, 1, 16),
        Entry(259, SHORT, 1, 7), Entry(262, SHORT, 1, 6),
        Entry(273, LONG, 1, 8192), Entry(277, SHORT, 1, 3), Entry(279, LONG, 1, len(data)),
        Entry(513, LONG, 1, 8192), Entry(514, LONG, 1, len(data)),
    ]  # fmt: skip
    rest = (bytes(256) + directory(inner, 4352)).ljust(4096, b"\0") + data
    return _dng_of(Entry(330, LONG, 1, 4352), Entry(254, LONG, 1, 0), rest=rest)


def _nested_directories(depth: int) -> bytes:
    parts, at = [b"II*\0\x08\0\0\0"], 8
    for n in range(depth):
        fields = [*grey(*DNG), Entry(330, LONG, 1, 0)] if n == 0 else [Entry(330, LONG, 1, 0)]
        size = len(directory(fields, at))
        fields[-1] = Entry(330, LONG, 1, at + size)
        parts.append(directory(sorted(fields), at))
        at += size
    return b"".join(parts)


def _cameras() -> Iterator[Hostile]:
    for name, make, ending in (
        ("nikon", b"NIKON CORPORATION\0", "nef"),
        ("sony", b"SONY\0", "arw"),
        ("pentax", b"PENTAX Corporation\0", "pef"),
        ("samsung", b"SAMSUNG\0", "srw"),
    ):
        entries = [Entry(271, ASCII, len(make), make), Entry(330, LONG, 1, 2**31), *CFA]
        yield either(f"{name}-outside.{ending}", tiff_file(grey(*entries)).ljust(5000, b"\0"))
        loop = [
            Entry(271, ASCII, len(make), make),
            Entry(330, LONG, 1, 8),
            Entry(513, LONG, 1, 8),
            Entry(514, LONG, 1, 2**31),
        ]
        yield either(f"{name}-loop.{ending}", tiff_file(grey(*loop)).ljust(5000, b"\0"))
    yield refused("canon-of-noise.cr2", b"II*\0\x10\0\0\0CR\2\0" + noise("cr2", 20_000))
    yield refused("canon-of-zeros.cr2", b"II*\0\x10\0\0\0CR\2\0" + bytes(20_000))
    canon = box(b"ftyp", b"crx \0\0\0\1crx isom")
    yield refused("canon-of-noise.cr3", canon + noise("cr3", 20_000))
    yield refused(
        "canon-of-empty-boxes.cr3", canon + box(b"moov", box(b"uuid", bytes(16))) + box(b"mdat")
    )
    nested = b""
    for _ in range(1000):
        nested = box(b"moov", nested)
    yield refused("canon-a-thousand-boxes-deep.cr3", canon + nested)
    yield refused("canon-old.crw", b"II\x1a\0\0\0HEAPCCDR" + noise("crw", 5000))
    yield refused(
        "fuji-outside.raf", b"FUJIFILMCCD-RAW 0201FF383501" + b"\x7f\xff\xff\xff" * 40 + bytes(4000)
    )
    yield refused("fuji-of-noise.raf", b"FUJIFILMCCD-RAW 0201" + noise("raf", 20_000))
    yield refused("panasonic-of-noise.rw2", b"IIU\0\x18\0\0\0" + noise("rw2", 20_000))
    yield refused("olympus-of-noise.orf", b"IIRO\x08\0\0\0" + noise("orf", 20_000))
    yield refused("olympus-of-zeros.orf", b"IIRS\x08\0\0\0" + bytes(20_000))
    yield refused("sigma-of-noise.x3f", b"FOVb" + noise("x3f", 20_000))
    yield refused("minolta-of-noise.mrw", b"\0MRM" + noise("mrw", 20_000))
    yield refused("phase-one-of-noise.iiq", b"IIII" + noise("iiq", 20_000))
    yield refused(
        "a-jpeg-after-fuji.raf",
        b"FUJIFILMCCD-RAW 0201"
        + bytes(64)
        + struct.pack(">II", 148, 2**31)
        + bytes(56)
        + small_jpeg()[:300],
    )


def _jpeg_xl() -> Iterator[Hostile]:
    start = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    yield refused("of-noise.jxl", b"\xff\x0a" + noise("jxl", 5000))
    yield refused("of-zeros.jxl", b"\xff\x0a" + bytes(5000))
    yield refused("only-the-start.jxl", b"\xff\x0a")
    yield refused("boxed-noise.jxl", start + box(b"jxlc", noise("jxlc", 5000)))
    yield refused("boxed-nothing.jxl", start)
    yield refused("boxed-parts-out-of-order.jxl", start + b"".join(
        box(b"jxlp", struct.pack(">I", n), noise(n, 500)) for n in (5, 0, 2**31)))  # fmt: skip
    # A codestream of 2^30 by 2^30 pixels: SizeHeader of ISO/IEC 18181-1, both sides in full.
    yield refused("bomb.jxl", b"\xff\x0a" + b"\xfe\xff\xff\xff\xff\xff\xff\xff" + bytes(500))
    yield refused("compressed-box-of-noise.jxl", start + box(b"brob", b"Exif", noise("brob", 900)))
    yield refused("of-noise.jp2", b"\0\0\0\x0cjP  \r\n\x87\n" + noise("jp2", 5000))
    yield refused("of-noise.j2k", b"\xff\x4f\xff\x51" + noise("j2k", 5000))
    yield refused("of-noise.psd", b"8BPS\0\1" + noise("psd", 5000))
    yield refused("of-noise.ico", b"\0\0\1\0\x10\0" + noise("ico", 5000))
    yield refused("of-noise.tga", bytes((0, 0, 2)) + noise("tga", 5000))
    yield refused("of-noise.qoi", b"qoif\0\0\0\x10\0\0\0\x10\4\0" + noise("qoi", 900))


def _damaged() -> Iterator[Hostile]:
    """RAW files as cameras write them, scratched and cut; each has previews of three sizes."""
    shot = raws.Shot(scene(96, 64), previews=(48, 96, 96))
    for ending in ("dng", "cr2", "nef", "arw", "cr3", "raf", "rw2"):
        data = getattr(raws, ending)(shot)
        for seed in range(4):
            yield either(f"flipped-{seed}.{ending}", flipped(data, seed))
        for percent in (5, 20, 50, 90):
            yield either(f"cut-at-{percent}.{ending}", data[: len(data) * percent // 100])
        third = len(data) // 3
        yield either(f"hole.{ending}", data[:third] + bytes(500) + data[third + 500 :])
    for name, data in (
        ("linear", raws.dng(shot, linear=True)),
        ("sensor", raws.dng(raws.Shot(scene(96, 64)))),
    ):
        for seed in range(8):
            yield either(f"{name}-flipped-{seed}.dng", flipped(data, seed))
