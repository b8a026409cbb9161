"""Good pictures with absurd facts: EXIF, colour profiles. The picture is read; nothing absurd
comes through."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from PIL import Image

from tests.hostile.parts import (
    ASCII,
    BYTE,
    DOUBLE,
    FLOAT,
    LONG,
    RATIONAL,
    SHORT,
    SRATIONAL,
    UNDEFINED,
    Entry,
    Hostile,
    after_start,
    either,
    exif_of,
    noise,
    rationals,
    read,
    riff_chunk,
    segment,
    small_jpeg,
    srgb_profile,
    vp8l,
    vp8x,
    webp,
)
from tests.unit.pictures import encoded, png, scene


def hostile() -> Iterator[Hostile]:
    for name, block in (*_places(), *_words(), *_shapes()):
        yield read(f"exif-{name}.jpg", after_start(small_jpeg(), segment(0xE1, block)))
    for name, block in (
        ("gps-not-a-number", dict(_places())["gps-not-a-number"]),
        ("loop", _loop()),
    ):
        yield read(f"exif-{name}.png", png(1, 1, 8, 2, bytes(4), (b"eXIf", block[6:])))
        yield read(f"exif-{name}.webp", webp(vp8x(1, 1, 8), vp8l(), riff_chunk(b"EXIF", block)))
        yield read(f"exif-{name}.avif", encoded(scene(32, 32), "AVIF", exif=block))
    yield from _overgrown()
    yield from _profiles()


# --- places -----------------------------------------------------------------------------------


def _gps(kind: int, lat: bytes, lon: bytes, count: int = 3) -> bytes:
    return exif_of(
        gps=[
            Entry(1, ASCII, 2, b"N\0"),
            Entry(2, kind, count, lat),
            Entry(3, ASCII, 2, b"E\0"),
            Entry(4, kind, count, lon),
        ]
    )


def _places() -> Iterator[tuple[str, bytes]]:
    good = rationals((10, 1), (0, 1), (0, 1))
    for name, part in (
        ("nothing-over-nothing", (0, 0)),
        ("one-over-nothing", (1, 0)),
        ("enormous", (2**32 - 1, 1)),
    ):
        yield f"gps-{name}", _gps(RATIONAL, rationals(part, part, part), good)
    yield "gps-seconds-over-nothing", _gps(RATIONAL, rationals((10, 1), (0, 1), (1, 0)), good)
    signed = rationals((-(2**31), -1), (1, 1), (1, 1), kind="i")
    yield "gps-negative", _gps(SRATIONAL, signed, signed)
    for name, number in (("not-a-number", float("nan")), ("infinite", float("inf"))):
        yield f"gps-{name}", _gps(DOUBLE, struct.pack("<3d", *[number] * 3), good * 1)
        yield f"gps-{name}-32-bit", _gps(FLOAT, struct.pack("<3f", *[number] * 3), good)
        numbers = struct.pack("<3d", 10, number, 0)
        yield f"gps-{name}-minutes", _gps(DOUBLE, numbers, struct.pack("<3d", 1, 1, 1))
    yield (
        "gps-denormal",
        _gps(DOUBLE, struct.pack("<3d", 5e-324, 0, 0), struct.pack("<3d", 0, 5e-324, 0)),
    )
    yield "gps-largest-double", _gps(DOUBLE, struct.pack("<3d", *[1.7e308] * 3), good)
    yield "gps-one-part", _gps(RATIONAL, rationals((10, 1)), rationals((10, 1)), count=1)
    yield "gps-a-thousand-parts", _gps(RATIONAL, good * 400, good * 400, count=1200)
    yield "gps-bytes", _gps(BYTE, b"\xff\xff\xff", b"\xff\xff\xff")
    yield "gps-text", _gps(ASCII, b"10.0, 20.0, 30.0\0", b"NaN\0", count=17)
    yield "gps-reference-of-1000-letters", exif_of(
        gps=[Entry(1, ASCII, 1000, b"S" * 1000), Entry(2, RATIONAL, 3, good),
             Entry(3, ASCII, 4, b"W\0\0\0"), Entry(4, RATIONAL, 3, good)]
    )  # fmt: skip


# --- words, dates, numbers --------------------------------------------------------------------


def _words() -> Iterator[tuple[str, bytes]]:
    make, model, stamp, shift = 0x010F, 0x0110, 0x9003, 0x9011
    yield "markup", exif_of(
        [Entry(make, ASCII, 1250, b"<script>alert(1)</script>" * 50),
         Entry(model, ASCII, 350, b"\x1b[2J\0\r\n" * 50)]
    )  # fmt: skip
    yield "strings-of-60-kb", exif_of([Entry(make, ASCII, 60_000, b"A" * 60_000)])
    yield "invalid-utf-8", exif_of([Entry(make, ASCII, 400, b"\xff\xfe\xc0\x80" * 100)])
    yield "surrogates", exif_of([Entry(make, ASCII, 300, b"\xed\xa0\x80" * 100)])
    yield (
        "right-to-left",
        exif_of([Entry(make, ASCII, 24, "\u202egpj.exe\u2066\u200b".encode().ljust(24))]),
    )
    yield "no-text-but-numbers", exif_of([Entry(make, DOUBLE, 100, noise("make", 800))])
    yield "text-of-nothing", exif_of([Entry(make, ASCII, 0, 0), Entry(model, ASCII, 1, b"\0")])
    for name, text in (
        ("zero", b"0000:00:00 00:00:00\0"),
        ("month-13", b"2019:13:45 25:61:61\0"),
        ("year-1", b"0001:01:01 00:00:00\0"),
        ("year-9999", b"9999:12:31 23:59:59\0"),
        ("words", b"yesterday at tea   \0"),
        ("long", b"2019:01:01 00:00:00" * 100 + b"\0"),
        ("negative", b"-019:-1:-1 -1:-1:-1\0"),
    ):
        details = [Entry(stamp, ASCII, len(text), text), Entry(shift, ASCII, 7, b"+99:99\0")]
        yield f"date-{name}", exif_of(details=details)
    edge = [Entry(stamp, ASCII, 20, b"0002:01:01 00:00:00\0"), Entry(shift, ASCII, 7, b"+23:59\0")]
    yield "date-before-the-first", exif_of(details=edge)
    for number in (0, 9, 255, 65_535):
        yield f"orientation-{number}", exif_of([Entry(0x112, SHORT, 1, number)])
    yield "orientation-of-100", exif_of([Entry(0x112, SHORT, 100, bytes(200))])
    yield "orientation-text", exif_of([Entry(0x112, ASCII, 6, b"right\0")])
    yield "orientation-fraction", exif_of([Entry(0x112, RATIONAL, 1, rationals((6, 0)))])
    not_a_number = struct.pack("<d", float("nan"))
    yield (
        "exposure-not-a-number",
        exif_of(
            details=[
                Entry(tag, DOUBLE, 1, not_a_number) for tag in (0x829A, 0x829D, 0x8827, 0x920A)
            ]
        ),
    )
    nothing = rationals((1, 0))
    yield (
        "exposure-over-nothing",
        exif_of(
            details=[Entry(tag, RATIONAL, 1, nothing) for tag in (0x829A, 0x829D, 0x920A, 0xA405)]
        ),
    )
    yield "iso-enormous", exif_of(details=[Entry(0x8827, LONG, 1, 2**32 - 1)])
    yield "lens-of-noise", exif_of(
        details=[Entry(0xA434, ASCII, 500, noise("lens", 500)),
                 Entry(0xA432, RATIONAL, 4, rationals((0, 0), (1, 0), (0, 1), (2**32 - 1, 1)))]
    )  # fmt: skip
    yield (
        "resolution-over-nothing",
        exif_of([Entry(0x11A, RATIONAL, 1, nothing), Entry(0x11B, RATIONAL, 1, rationals((0, 0)))]),
    )


# --- shapes of the block ----------------------------------------------------------------------


def _loop() -> bytes:
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x8769, 4, 1, 8) + bytes(4)


def _shapes() -> Iterator[tuple[str, bytes]]:
    start = b"Exif\0\0II*\0"
    yield "loop", _loop()
    yield "next-is-itself", start + struct.pack("<IHHHIII", 8, 1, 0x112, 3, 1, 6, 8)
    yield "gps-is-the-top", exif_of([Entry(0x8825, LONG, 1, 8)])
    yield "interop-is-its-parent", exif_of(details=[Entry(0xA005, LONG, 1, 8)])
    yield "pointer-outside", exif_of([Entry(0x8769, LONG, 1, 2**31)])
    yield "pointer-to-the-end", exif_of([Entry(0x8825, LONG, 1, 2**32 - 1)])
    yield "pointer-of-text", exif_of([Entry(0x8769, ASCII, 8, b"nowhere\0")])
    yield "first-directory-outside", start + struct.pack("<I", 2**31)
    yield "first-directory-in-the-header", start + struct.pack("<I", 0)
    yield "count-65535", start + struct.pack("<IH", 8, 65_535) + bytes(500)
    yield "values-without-end", exif_of([Entry(0x10F, ASCII, 2**32 - 1, 8)])
    yield "doubles-without-end", exif_of([Entry(0x10F, DOUBLE, 2**29, 8)])
    yield "no-such-kind", exif_of([Entry(0x10F, 99, 4, 8), Entry(0x110, 0, 4, 8)])
    yield "a-tag-4000-times", exif_of([Entry(0x10F, ASCII, 4, b"abc\0")] * 4000)
    yield "value-in-the-header", exif_of([Entry(0x10F, ASCII, 60, 0)])
    yield "only-its-name", b"Exif\0\0"
    yield "big-endian-says-little", b"Exif\0\0MM*\0" + exif_of([Entry(0x112, SHORT, 1, 6)])[10:]
    yield "noise", b"Exif\0\0" + noise("exif", 5000)
    yield "noise-after-a-good-start", start + noise("exif", 5000)
    yield "maker-note", exif_of(details=[Entry(0x927C, UNDEFINED, 20_000, noise("note", 20_000))])
    yield "big-tiff", b"Exif\0\0II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0" + noise("big", 200)


def _overgrown() -> Iterator[Hostile]:
    block = segment(0xE1, b"Exif\0\0" + bytes(65_527))
    yield either("exif-of-6-mb.jpg", after_start(small_jpeg(), block * 100))
    yield either("exif-of-60-mb.jpg", after_start(small_jpeg(), block * 960))
    good = segment(0xE1, exif_of([Entry(0x112, SHORT, 1, 6)]))
    yield read("exif-twice.jpg", after_start(small_jpeg(), good, good))
    photoshop = b"Photoshop 3.0\x008BIM"
    for name, marker, body in (
        ("xmp-of-noise", 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + noise("xmp", 60_000)),
        ("photoshop-of-noise", 0xED, photoshop + noise("8bim", 60_000)),
        ("photoshop-of-lies", 0xED, photoshop + b"\x03\xed\0\0\xff\xff\xff\xff" + bytes(99)),
    ):
        yield read(f"{name}.jpg", after_start(small_jpeg(), segment(marker, body)))


# --- colour profiles --------------------------------------------------------------------------


def _profiles() -> Iterator[Hostile]:
    good = srgb_profile()
    tags = int.from_bytes(good[128:132], "big")

    def changed(at: int, value: bytes) -> bytes:
        return good[:at] + value + good[at + len(value) :]

    lies = {
        "size-0": changed(0, bytes(4)),
        "size-enormous": changed(0, b"\xff\xff\xff\xff"),
        "no-signature": changed(36, b"nope"),
        "of-a-printer": changed(16, b"CMYK"),
        "of-grey": changed(16, b"GRAY"),
        "of-lab": changed(16, b"Lab "),
        "of-15-colours": changed(16, b"FCLR"),
        "between-nothing": changed(20, b"\0\0\0\0"),
        "device-link": changed(12, b"link"),
        "named-colours": changed(12, b"nmcl"),
        "tags-without-end": changed(128, b"\xff\xff\xff\xff"),
        "no-tags": changed(128, bytes(4)),
        "tags-outside": good[:132]
        + b"".join(
            good[132 + 12 * n : 136 + 12 * n] + b"\x7f\xff\xff\xff\x7f\xff\xff\xff"
            for n in range(tags)
        ),
        "tags-all-the-same": good[:132]
        + b"".join(good[132 + 12 * n : 136 + 12 * n] + good[136:144] for n in range(tags))
        + good[132 + 12 * tags :],
        "curves-without-end": good.replace(b"para", b"curv"),
        "version-99": changed(8, b"\x63\xff\xff\xff"),
        "cut-short": good[:200],
        "only-the-header": good[:128],
        "noise": noise("icc", 60_000),
        "noise-after-the-header": good[:132] + noise("icc", 3000),
        "empty": b"\0",
    }
    for name, profile in lies.items():
        yield read(
            f"profile-{name}.jpg",
            encoded(Image.new("RGB", (8, 8), "teal"), "JPEG", icc_profile=profile),
        )
    broken = lies["tags-outside"]
    for kind, mode, ending in (
        ("PNG", "RGBA", "png"),
        ("WEBP", "RGB", "webp"),
        ("TIFF", "CMYK", "tif"),
        ("AVIF", "RGB", "avif"),
    ):
        picture = Image.new(mode, (8, 8))
        yield read(f"profile-tags-outside.{ending}", encoded(picture, kind, icc_profile=broken))
    yield read(
        "profile-for-screens.cmyk.jpg", encoded(Image.new("CMYK", (8, 8)), "JPEG", icc_profile=good)
    )
    yield read(
        "profile-for-colour.grey.jpg", encoded(Image.new("L", (8, 8)), "JPEG", icc_profile=good)
    )
    piece = b"ICC_PROFILE\0"
    yield read(
        "profile-piece-0-of-0.jpg", after_start(small_jpeg(), segment(0xE2, piece + b"\0\0" + good))
    )
    yield read(
        "profile-piece-9-of-2.jpg",
        after_start(small_jpeg(), segment(0xE2, piece + b"\x09\2" + good)),
    )
    pieces = (segment(0xE2, piece + bytes((n, 255)) + bytes(65_519)) for n in range(1, 256))
    yield read("profile-of-16-mb.jpg", after_start(small_jpeg(), *pieces))
