"""GIFs and BMPs: old formats, with old ways to lie."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.hostile.parts import Hostile, either, noise, read, refused, small_jpeg, whole
from tests.unit.pictures import bmp


def hostile() -> Iterator[Hostile]:
    yield from _gif_screens()
    yield from _gif_codes()
    yield from _bmp_headers()
    yield from _bmp_runs()


# --- GIF --------------------------------------------------------------------------------------


def gif(
    *blocks: bytes, size: tuple[int, int] = (4, 4), flags: int = 0x80, colours: bytes = bytes(6)
) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", *size, flags, 0, 0) + colours + b"".join(blocks) + b";"


def picture(
    data: bytes, *, place: tuple[int, int, int, int] = (0, 0, 4, 4), bits: int = 2, flags: int = 0
) -> bytes:
    """An image descriptor and its codes in blocks of at most 255 bytes."""
    blocks = b"".join(
        bytes((len(part),)) + part for part in (data[n : n + 255] for n in range(0, len(data), 255))
    )
    return b"," + struct.pack("<HHHHBB", *place, flags, bits) + blocks + b"\0"


def codes(*numbers: int, width: int) -> bytes:
    """Numbers of so many bits each, the lowest first, as GIF packs them."""
    value = sum(number << width * n for n, number in enumerate(numbers))
    return value.to_bytes(-(-width * len(numbers) // 8), "little")


def _gif_screens() -> Iterator[Hostile]:
    good = picture(b"\x84\x8f\xa9\xcb\xed\x0f")
    yield refused("no-size.gif", gif(picture(b"\x44\x01", place=(0, 0, 0, 0)), size=(0, 0)))
    yield either("picture-of-no-size.gif", gif(picture(b"\x44\x01", place=(0, 0, 0, 0))))
    yield refused("no-picture.gif", gif())
    yield refused("no-blocks.gif", b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0, 0, 0))
    yield either("picture-outside.gif", gif(picture(b"\x84\x51", place=(60_000, 60_000, 4, 4))))
    yield either(
        "picture-larger-than-the-screen.gif", gif(picture(b"\x84\x51", place=(0, 0, 500, 500)))
    )
    yield either("colours-missing.gif", gif(good, flags=0, colours=b""))
    yield refused("colours-promised-but-not-there.gif", gif(flags=0xF7, colours=b"\1\2\3"))
    yield either(
        "interlaced-in-one-row.gif", gif(picture(b"\x84\x51", place=(0, 0, 4, 1), flags=0x40))
    )
    yield either("version-99z.gif", b"GIF99z" + gif(good)[6:])
    yield either("unknown-blocks.gif", gif(b"\x77\x88\x99", good))
    yield either("background-255.gif", b"GIF89a\x04\0\x04\0\x80\xff\0" + bytes(6) + good + b";")
    yield either("transparent-255.gif", gif(b"!\xf9\x04\xff\xff\xff\xff\0", good))
    yield either("control-cut.gif", gif(b"!\xf9\x01\xff\0", good))
    yield either("control-of-nothing.gif", gif(b"!\xf9\0", good))
    yield either("comment-of-1-mb.gif", gif(b"!\xfe" + (b"\xff" + b"c" * 255) * 4000 + b"\0", good))
    yield either("comments-100000.gif", gif(b"!\xfe\0" * 100_000, good))
    yield either(
        "application-loops.gif", gif(b"!\xff\x0bNETSCAPE2.0\x03\x01\xff\xff\0" * 1000, good)
    )
    yield either(
        "profile-in-application.gif",
        gif(b"!\xff\x0bICCRGBG1012\xff" + noise("g", 255) + b"\0", good),
    )
    yield either("text-block.gif", gif(b"!\x01\x0c" + bytes(12) + b"\0", good))
    yield refused("blocks-without-end.gif", gif(b"!\xfe" + b"\x01a" * 500_000)[:-1])


def _gif_codes() -> Iterator[Hostile]:
    for bits in (0, 1, 8, 9, 11, 12, 13, 255):
        judge = refused if bits > 12 else either
        yield judge(f"code-bits-{bits}.gif", gif(picture(noise(bits, 300), bits=bits)))
    yield refused("codes-of-nothing.gif", gif(picture(b"")))
    yield either("codes-of-noise.gif", gif(picture(noise("lzw", 20_000), bits=8)))
    yield either("code-not-yet-known.gif", gif(picture(codes(4, 7, 7, 7, 5, width=3))))
    yield either("first-code-is-no-colour.gif", gif(picture(codes(4, 6, 0, 0, 5, width=3))))
    yield either("no-clear-code.gif", gif(picture(codes(0, 0, 0, 0, width=3))))
    yield refused("ends-at-once.gif", gif(picture(codes(4, 5, width=3))))
    yield refused("only-clears.gif", gif(picture(codes(*[4] * 20_000, width=3))))
    yield either("clears-between-all.gif", gif(picture(codes(*[4, 0] * 9, 5, width=3))))
    yield either("table-overflows.gif", gif(
        picture(b"\0" * 9000, bits=8, place=(0, 0, 2000, 2000)), size=(2000, 2000)))  # fmt: skip
    growing = picture(_growing_codes(), place=(0, 0, 4000, 2000))
    yield either("a-run-of-everything.gif", gif(growing, size=(4000, 2000)))
    large = gif(picture(noise("large", 2000), bits=8, place=(0, 0, 8000, 8000)), size=(8000, 8000))
    yield either("64-megapixels-of-noise.gif", large)


def _growing_codes() -> bytes:
    """Each code stands for a run one longer than the one before: most pixels a byte can make."""
    numbers, width, table = [(4, 3), (0, 3)], 3, 6
    while table < 4095:
        numbers.append((table, width))
        table += 1
        if table == 1 << width and width < 12:
            width += 1
    value, at = 0, 0
    for number, bits in numbers:
        value |= number << at
        at += bits
    return value.to_bytes(at // 8 + 1, "little")


# --- BMP --------------------------------------------------------------------------------------


def _bmp_of(header: bytes, rest: bytes = b"", *, offset: int | None = None) -> bytes:
    at = 14 + len(header) if offset is None else offset
    return (
        b"BM"
        + struct.pack("<IHHI", 14 + len(header) + len(rest), 0, 0, at & 0xFFFFFFFF)
        + header
        + rest
    )


def _info(
    width: int = 8, height: int = 8, *, planes: int = 1, bits: int = 24, compression: int = 0,
    colours: int = 0, size: int = 40,
) -> bytes:  # fmt: skip
    fields = (size, width, height, planes, bits, compression, 0, 2835, 2835, colours, 0)
    return struct.pack("<IiiHHIIiiII", *fields).ljust(min(size, 500), b"\0")


def _bmp_headers() -> Iterator[Hostile]:
    good, rows = whole()["bmp"], bytes(192)
    yield refused("no-size.bmp", bmp(0, 0, b""))
    yield refused("no-width.bmp", bmp(0, 16, bytes(100)))
    yield refused("negative-width.bmp", bmp(-8, 8, rows))
    yield refused("offset.bmp", bmp(8, 8, rows)[:10] + b"\xff\xff\xff\x7f" + bytes(200))
    yield either("offset-0.bmp", _bmp_of(_info(), rows, offset=0))
    yield either("offset-in-the-header.bmp", _bmp_of(_info(), rows, offset=20))
    yield refused("header-0.bmp", bmp(8, 8, rows)[:14] + bytes(200))
    for size in (1, 39, 41, 128, 2**31 - 1, 2**32 - 1):
        yield refused(f"header-of-{size}.bmp", _bmp_of(struct.pack("<I", size) + bytes(60), rows))
    for bits in (0, 2, 3, 48, 64, 65_535):
        yield either(f"{bits}-bits.bmp", _bmp_of(_info(bits=bits), bytes(1000)))
    for compression in (4, 5, 6, 11, 99, 2**32 - 1):
        yield refused(
            f"compression-{compression}.bmp", _bmp_of(_info(compression=compression), rows)
        )
    yield refused("jpeg-inside.bmp", _bmp_of(_info(bits=0, compression=4), small_jpeg()))
    yield either("planes-0.bmp", _bmp_of(_info(planes=0), rows))
    yield either("planes-65535.bmp", _bmp_of(_info(planes=65_535), rows))
    yield either("colours-without-end.bmp", _bmp_of(_info(bits=8, colours=2**32 - 1), bytes(2000)))
    yield either("colours-of-300.bmp", _bmp_of(_info(bits=8, colours=300), bytes(2000)))
    yield refused("colours-missing.bmp", _bmp_of(_info(bits=8, colours=256)))
    yield either("upside-down.bmp", bmp(8, -8, rows))
    for name, header in (
        ("os2", struct.pack("<IHHHH", 12, 8, 8, 1, 24)),
        ("os2-of-65535", struct.pack("<IHHHH", 12, 65_535, 65_535, 1, 1)),
        ("os2-no-size", struct.pack("<IHHHH", 12, 0, 0, 1, 24)),
        ("os2-short", _info(size=16)[:16]),
        ("os2-second", _info(size=64)),
        ("os2-huffman", _info(size=64, bits=1, compression=3)),
        ("os2-24-bit-runs", _info(size=64, bits=24, compression=4)),
    ):
        yield either(f"{name}.bmp", _bmp_of(header, rows))
    for name, masks in (
        ("none", (0, 0, 0, 0)),
        ("overlapping", (0xFFFFFFFF,) * 4),
        ("with-holes", (0x55555555, 0xAAAAAAAA, 0x0F0F0F0F, 0)),
        ("backwards", (0x1, 0x2, 0x4, 0x8)),
    ):
        header = _info(size=108, bits=32, compression=3)
        header = header[:40] + struct.pack("<4I", *masks) + header[56:]
        yield either(f"bit-fields-{name}.bmp", _bmp_of(header, bytes(400)))
    profile = _info(size=124)[:112] + struct.pack("<III", 2**31, 2**31, 0)
    yield either("profile-outside.bmp", _bmp_of(profile, rows))
    array = b"BA" + struct.pack("<IIHH", 40, 0, 0, 0) + good
    yield refused("array-of-bitmaps.bmp", array)


def _bmp_runs() -> Iterator[Hostile]:
    def runs(data: bytes, *, bits: int = 8, side: int = 64) -> bytes:
        kind = 1 if bits == 8 else 2
        return _bmp_of(_info(side, side, bits=bits, compression=kind), bytes(4 << bits) + data,
                       offset=54 + (4 << bits))  # fmt: skip

    yield either("runs-then-a-jump-outside.bmp", runs(b"\0\2\xff\xff" * 500))
    yield either("runs-of-nothing.bmp", runs(b"\0\0" * 5000))
    yield either("runs-that-end-at-once.bmp", runs(b"\0\1"))
    yield either("runs-too-long.bmp", runs(b"\xff\1" * 5000))
    yield either("runs-cut.bmp", runs(b"\0\xff"))
    yield either("runs-of-noise.bmp", runs(noise("rle", 5000)))
    yield either("runs-of-4-bits-of-noise.bmp", runs(noise("rle4", 5000), bits=4))
    yield either("runs-in-24-bits.bmp", bmp(64, 64, b"\0\2\xff\xff" * 500).replace(
        struct.pack("<HHI", 1, 24, 0), struct.pack("<HHI", 1, 8, 1), 1))  # fmt: skip
    yield either("runs-over-64-megapixels.bmp", runs(b"\xff\1" * 400_000, side=8000))
    yield either("jumps-over-64-megapixels.bmp", runs(b"\0\2\x01\0" * 300_000, side=8000))
    yield either("runs-of-one-over-1-megapixel.bmp", runs(b"\1\1" * 1_000_000, side=1000))
    yield read(
        "colours-all-the-same.bmp",
        _bmp_of(_info(bits=8, colours=256), bytes(1024 + 64), offset=1078),
    )
