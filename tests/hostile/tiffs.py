"""TIFFs that lie about their directories, strips and tiles."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.hostile.parts import (
    ASCII,
    DOUBLE,
    LONG,
    RATIONAL,
    SHORT,
    Entry,
    Hostile,
    directory,
    either,
    noise,
    rationals,
    read,
    refused,
    small_jpeg,
    tiff_file,
)
from tests.unit.pictures import encoded, scene, tiff


def hostile() -> Iterator[Hostile]:
    yield from _directories()
    yield from _numbers()
    yield from _compressions()
    yield from _tiles()


def grey(*more: Entry, side: int = 16, strip: int | None = None) -> list[Entry]:
    """The fields of an honest grey picture, its pixels where the file says `more`."""
    fields = {
        256: Entry(256, SHORT, 1, side),
        257: Entry(257, SHORT, 1, side),
        258: Entry(258, SHORT, 1, 8),
        259: Entry(259, SHORT, 1, 1),
        262: Entry(262, SHORT, 1, 1),
        273: Entry(273, LONG, 1, 4096 if strip is None else strip),
        277: Entry(277, SHORT, 1, 1),
        278: Entry(278, SHORT, 1, side),
        279: Entry(279, LONG, 1, side * side),
    }
    fields |= {entry.tag: entry for entry in more}
    return [fields[tag] for tag in sorted(fields)]


def _with_pixels(*more: Entry, following: int = 0) -> bytes:
    head = tiff_file(grey(*more), following=following)
    return head.ljust(4096, b"\0") + bytes(range(256)) * 4


def _directories() -> Iterator[Hostile]:
    yield either("next-directory-is-the-first.tif", _with_pixels(following=8))
    yield either("next-directory-is-the-header.tif", _with_pixels(following=1))
    yield either("next-directory-outside.tif", _with_pixels(following=2**31))
    yield either("ten-thousand-directories.tif", _chain(10_000))
    yield either("two-directories-for-ever.tif", _chain(2, last=8))
    yield refused("ten-thousand-empty-directories.tif", _chain(10_000, empty=True))
    yield either("sub-directory-is-the-first.tif", _with_pixels(Entry(330, LONG, 1, 8)))
    yield either("exif-is-the-first.tif", _with_pixels(Entry(34665, LONG, 1, 8)))
    yield either("gps-is-the-pixels.tif", _with_pixels(Entry(34853, LONG, 1, 4096)))
    yield refused("circle.tif", tiff(64, 64)[:4] + struct.pack("<I", 4) + tiff(64, 64)[8:])
    yield refused("directory-in-the-header.tif", b"II*\0\0\0\0\0" + tiff(64, 64)[8:])
    yield refused("directory-outside.tif", b"II*\0\xff\xff\xff\x7f" + tiff(64, 64)[8:])
    yield refused("directory-of-65535-fields.tif", b"II*\0\x08\0\0\0\xff\xff" + bytes(1000))
    yield refused("directory-of-nothing.tif", b"II*\0\x08\0\0\0\0\0" + bytes(100))
    yield either("fields-out-of-order.tif", tiff_file(grey()[::-1]).ljust(4096, b"\0") + bytes(256))
    twice = [*grey(), *(Entry(256, LONG, 1, 60_000), Entry(257, LONG, 1, 60_000))]
    yield either("size-said-twice.tif", tiff_file(twice).ljust(4096, b"\0") + bytes(256))
    yield refused("big-tiff.tif", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0" + b"\xff" * 200)
    yield refused(
        "big-tiff-fields-without-end.tif",
        b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**63) + bytes(200),
    )
    yield refused("wrong-end-first.tif", b"MM\0*" + tiff(64, 64)[4:])
    yield refused("magic-43-of-classic.tif", b"II+\0" + tiff(64, 64)[4:])


def _chain(length: int, *, last: int = 0, empty: bool = False) -> bytes:
    """Directories one after the other, the first with a picture unless all are empty."""
    parts, at = [b"II*\0\x08\0\0\0"], 8
    for n in range(length):
        entries = [] if empty else grey(strip=8) if n == 0 else [Entry(254, LONG, 1, 1)]
        size = len(directory(entries, at))
        end = n == length - 1
        parts.append(directory(entries, at, last if end else at + size))
        at += size
    return b"".join(parts).ljust(600, b"\0")


def _numbers() -> Iterator[Hostile]:
    pixels = bytes(4096)
    yield refused("no-size.tif", tiff(0, 0, strip=pixels))
    yield refused("strip-outside.tif", tiff(64, 64, strip=bytes(10), tags={273: 2**31}))
    yield refused("strip-length.tif", tiff(64, 64, strip=bytes(10), tags={279: 2**32 - 1}))
    yield refused("samples.tif", tiff(64, 64, strip=pixels, tags={277: 65_535}))
    yield refused("samples-0.tif", tiff(64, 64, strip=pixels, tags={277: 0}))
    yield refused("depth-1000.tif", tiff(64, 64, strip=pixels, tags={258: 1000}))
    yield refused("depth-0.tif", tiff(64, 64, strip=pixels, tags={258: 0}))
    yield refused("rows-0.tif", tiff(64, 64, strip=pixels, tags={278: 0}))
    yield either("rows-without-end.tif", tiff(64, 64, strip=pixels, tags={278: 2**32 - 1}))
    yield either("planes-9.tif", tiff(64, 64, strip=pixels, tags={284: 9}))
    yield either("predictor-99.tif", tiff(64, 64, strip=pixels, tags={317: 99, 259: 5}))
    yield refused("colours-missing.tif", tiff(64, 64, strip=pixels, tags={262: 3}))
    yield refused("colour-65535.tif", tiff(64, 64, strip=pixels, tags={262: 65_535}))
    yield either("orientation-65535.tif", tiff(64, 64, strip=pixels, tags={274: 65_535}))
    depths = struct.pack("<H", 8) * 30_000
    yield either(
        "depths-30000.tif",
        _with_pixels(Entry(258, SHORT, 30_000, 8000)).ljust(8000, b"\0") + depths,
    )
    yield refused("width-is-text.tif", _with_pixels(Entry(256, ASCII, 3, b"16\0")))
    yield refused(
        "width-is-a-fraction.tif", _with_pixels(Entry(256, RATIONAL, 1, rationals((16, 0))))
    )
    not_a_number = struct.pack("<d", float("nan"))
    yield either("width-not-a-number.tif", _with_pixels(Entry(256, DOUBLE, 1, not_a_number)))
    yield either("resolution-not-a-number.tif", _with_pixels(Entry(282, DOUBLE, 1, not_a_number)))
    yield either(
        "resolution-over-nothing.tif", _with_pixels(Entry(282, RATIONAL, 1, rationals((1, 0))))
    )
    yield either("description-without-end.tif", _with_pixels(Entry(270, ASCII, 2**32 - 1, 8)))
    yield either("description-of-2-gb.tif", _with_pixels(Entry(270, ASCII, 2**31 - 1, 100)))
    yield refused("strips-without-end.tif", _with_pixels(Entry(273, LONG, 2**30, 8)))
    places = struct.pack("<I", 4096) * 16
    same = [
        Entry(273, LONG, 16, places),
        Entry(279, LONG, 16, struct.pack("<I", 16) * 16),
        Entry(278, SHORT, 1, 1),
    ]
    yield read("strips-all-at-one-place.tif", _with_pixels(*same))
    floats = [Entry(339, SHORT, 1, 3), Entry(258, SHORT, 1, 32), Entry(279, LONG, 1, 1024)]
    yield either(
        "pixels-not-numbers.tif", tiff_file(grey(*floats)).ljust(4096, b"\0") + b"\xff" * 1024
    )
    infinite = struct.pack("<f", float("inf")) * 256
    yield either("pixels-infinite.tif", tiff_file(grey(*floats)).ljust(4096, b"\0") + infinite)
    tiny = struct.pack("<f", 1e-45) * 128 + struct.pack("<f", 3e38) * 128
    yield either("pixels-enormous.tif", tiff_file(grey(*floats)).ljust(4096, b"\0") + tiny)


def _compressions() -> Iterator[Hostile]:
    pixels = noise("strip", 4096)
    yield refused("no-such-compression.tif", tiff(64, 64, strip=bytes(4096), tags={259: 34_000}))
    for name, number in {
        "ccitt": 2, "fax-3": 3, "fax-4": 4, "lzw": 5, "old-jpeg": 6, "jpeg": 7, "deflate": 8,
        "packbits": 32_773, "thunderscan": 32_809, "sgi-log": 34_676, "lzma": 34_925,
        "zstd": 50_000, "webp": 50_001, "lerc": 34_887, "jpeg-2000": 34_712,
    }.items():  # fmt: skip
        yield either(f"{name}-of-noise.tif", tiff(64, 64, strip=pixels, tags={259: number}))
    for name, number in {"lzw": 5, "deflate": 8, "fax-4": 4, "packbits": 32_773, "jpeg": 7}.items():
        yield either(f"{name}-of-nothing.tif", tiff(64, 64, strip=bytes(1), tags={259: number}))
    yield either(
        "lzw-codes-that-are-not-yet.tif", tiff(64, 64, strip=b"\x80\x3f\xff" * 2000, tags={259: 5})
    )
    yield either(
        "packbits-bomb.tif", tiff(8000, 8000, strip=b"\x81\x00" * 500_000, tags={259: 32_773})
    )
    fax = {258: 1, 259: 4, 262: 0}
    yield either("fax-bomb.tif", tiff(8000, 8000, strip=b"\xff" * 1001, tags=fax))
    yield either(
        "jpeg-larger-than-said.tif", tiff(8, 8, strip=small_jpeg(), tags={259: 7, 262: 6, 277: 3})
    )
    yield either(
        "jpeg-smaller-than-said.tif",
        tiff(512, 512, strip=small_jpeg(), tags={259: 7, 262: 6, 277: 3}),
    )
    lzw = bytearray(encoded(scene(64, 64), "TIFF", compression="tiff_lzw"))
    lzw[20:200] = noise("lzw", 180)
    yield either("lzw-scratched.tif", bytes(lzw))


def _tiles() -> Iterator[Hostile]:
    pixels = bytes(4096)
    yield either("tiles-0.tif", tiff(64, 64, strip=pixels, tags={322: 0, 323: 0, 324: 8, 325: 9}))
    yield refused(
        "tiles-1-by-1.tif", tiff(8000, 8000, strip=pixels, tags={322: 1, 323: 1, 324: 8, 325: 9})
    )
    yield either(
        "tiles-without-end.tif",
        tiff(64, 64, strip=pixels, tags={322: 2**31, 323: 2**31, 324: 8, 325: 9}),
    )
    large = {322: 60_000, 323: 60_000, 324: 8, 325: 9, 259: 8}
    yield either("a-tile-of-3-gigapixels.tif", tiff(64, 64, strip=pixels, tags=large))
    yield either(
        "tiles-outside.tif",
        tiff(64, 64, strip=pixels, tags={322: 16, 323: 16, 324: 2**31, 325: 256}),
    )
    yield either("tiles-and-strips.tif", tiff(64, 64, strip=pixels, tags={322: 64, 323: 64}))
    yield either(
        "tiles-of-13.tif", tiff(64, 64, strip=pixels, tags={322: 13, 323: 13, 324: 8, 325: 169})
    )
