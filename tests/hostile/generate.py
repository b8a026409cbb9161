"""Hostile files, made the same every time: `files()` gives each by a name that says what it is.

`python -m tests.hostile.generate FOLDER` writes them out, to look at or to drop in a bucket.
"""

from __future__ import annotations

import io
import random
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from tests.unit.heic import heic
from tests.unit.pictures import bmp, encoded, exif, png, scene, tiff

FORMATS = {
    "jpg": ("JPEG", {"quality": 90}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {"quality": 80}),
    "gif": ("GIF", {}),
    "bmp": ("BMP", {}),
    "tif": ("TIFF", {"compression": "tiff_lzw"}),
    "avif": ("AVIF", {"quality": 80}),
}


def files() -> dict[str, bytes]:
    """Name → bytes; nothing in here is a whole, honest picture."""
    made: dict[str, bytes] = {}
    for part in (_not_images, _bombs, _lies, _broken, _overgrown):
        for name, data in part():
            if name in made:
                raise ValueError(f"two files are called {name}")
            made[name] = data
    return made


def _whole() -> dict[str, bytes]:
    picture = scene(160, 120)
    saved = {ending: encoded(picture, kind, **o) for ending, (kind, o) in FORMATS.items()}
    return saved | {"heic": heic(picture)}


# --- what only pretends -----------------------------------------------------------------------


def _not_images() -> Iterator[tuple[str, bytes]]:
    yield "empty.jpg", b""
    yield "one-byte.png", b"\x89"
    yield "zeros.jpg", bytes(100_000)
    yield "ones.png", b"\xff" * 100_000
    yield "noise.webp", random.Random(1).randbytes(100_000)
    yield "text.jpg", b"This is a letter, not a picture.\n" * 500
    yield "script.jpg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    yield (
        "entities.png",
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
        + b"".join(b'<!ENTITY %c "&%c;&%c;">' % (98 + n, 97 + n, 97 + n) for n in range(20))
        + b"]><svg>&u;</svg>",
    )
    yield "page.png", b"<!DOCTYPE html><html><body onload=alert(1)></body></html>"
    yield "document.jpg", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /OpenAction 2 0 R >>\nendobj\n"
    yield (
        "postscript.tif",
        b"%!PS-Adobe-3.0 EPSF-3.0\n(%pipe%id) (w) file\n",
    )
    yield "imagemagick.png", b"push graphic-context\nfill 'url(https://127.0.0.1/\"|id)'\n"
    yield "archive.jpg", _zip()
    yield "programme.gif", b"\x7fELF\x02\x01\x01" + bytes(4000)
    yield "film.heic", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(4000)
    yield "pickle.png", b"cos\nsystem\n(S'true'\ntR."
    yield "gif-and-script.gif", b"GIF89a/*\x00\x00*/=1;alert(1)//" + bytes(100)
    for ending, data in _whole().items():
        yield f"only-the-start.{ending}", data[:12]
        yield f"the-start-and-noise.{ending}", data[:16] + random.Random(ending).randbytes(5000)


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("../../cat.jpg"), bytes(5_000_000))
    return out.getvalue()


# --- small files, large pictures --------------------------------------------------------------


def _bombs() -> Iterator[tuple[str, bytes]]:
    yield "bomb-header.png", png(2**31 - 1, 2**31 - 1, 8, 6, bytes(100))
    yield "bomb-header-16-bit.png", png(60_000, 60_000, 16, 6, bytes(100))
    yield "bomb-over-by-one-row.png", png(8_000, 8_001, 1, 0, bytes(1001 * 8001))
    yield "bomb-wide.png", png(2**31 - 1, 1, 8, 0, bytes(1000))
    yield "bomb.bmp", bmp(30_000, 30_000, bytes(300))
    yield "bomb-negative.bmp", bmp(30_000, -30_000, bytes(300))
    yield "bomb-smallest-number.bmp", bmp(1, -(2**31), bytes(300))
    yield "bomb.tif", tiff(60_000, 60_000, strip=bytes(300))
    yield (
        "bomb-deflate.tif",
        tiff(100, 100, strip=zlib.compress(bytes(150_000_000), 9), tags={259: 8}),
    )
    yield "bomb-lzw-wide.tif", tiff(2**32 - 1, 1, strip=bytes(300), tags={259: 5})
    gif = bytearray(_whole()["gif"])
    gif[6:10] = struct.pack("<HH", 65_535, 65_535)
    yield "bomb.gif", bytes(gif)
    yield "bomb.jpg", _jpeg_of_size(65_500, 65_500)
    yield "bomb-progressive.jpg", _jpeg_of_size(65_500, 65_500, progressive=True)
    webp = bytearray(encoded(Image.new("RGBA", (16, 16), (9, 9, 9, 9)), "WEBP", lossless=True))
    at = webp.index(b"VP8L") + 9
    webp[at : at + 4] = (0x3FFF | 0x3FFF << 14).to_bytes(4, "little")
    yield "bomb.webp", bytes(webp)
    big = heic(scene(160, 120)).replace(
        struct.pack(">II", 160, 120), struct.pack(">II", 2**31, 2**31)
    )
    yield "bomb.heic", big
    yield (
        "bomb-text.png",
        png(1, 1, 8, 2, bytes(4), (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9))),
    )
    yield (
        "bomb-profile.png",
        png(1, 1, 8, 2, bytes(4), (b"iCCP", b"icc\0\0" + zlib.compress(bytes(100_000_000), 9))),
    )
    yield "bomb-pixels.png", png(10, 10, 8, 2, bytes(100_000_000))


def _jpeg_of_size(width: int, height: int, *, progressive: bool = False) -> bytes:
    data = bytearray(encoded(Image.new("RGB", (16, 16)), "JPEG", progressive=progressive))
    at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


# --- lies -------------------------------------------------------------------------------------


def _lies() -> Iterator[tuple[str, bytes]]:
    yield "no-size.png", png(0, 0, 8, 2, b"")
    yield "no-height.jpg", _jpeg_of_size(16, 0)
    yield "odd-depth.png", png(4, 4, 7, 3, bytes(100))
    yield "odd-colour.png", png(4, 4, 8, 5, bytes(100))
    yield "palette-missing.png", png(4, 4, 8, 3, bytes(20))
    yield "too-few-rows.png", png(100, 100, 8, 2, bytes(50))
    yield "filter-255.png", png(4, 4, 8, 2, (b"\xff" + bytes(12)) * 4)
    yield "strip-outside.tif", tiff(64, 64, strip=bytes(10), tags={273: 2**31})
    yield "strip-length.tif", tiff(64, 64, strip=bytes(10), tags={279: 2**32 - 1})
    yield "no-such-compression.tif", tiff(64, 64, strip=bytes(4096), tags={259: 34_000})
    yield "samples.tif", tiff(64, 64, strip=bytes(4096), tags={277: 65_535})
    yield "depth-1000.tif", tiff(64, 64, strip=bytes(4096), tags={258: 1000})
    yield "rows-0.tif", tiff(64, 64, strip=bytes(4096), tags={278: 0})
    yield "tiles-0.tif", tiff(64, 64, strip=bytes(4096), tags={322: 0, 323: 0, 324: 8, 325: 9})
    yield "circle.tif", tiff(64, 64)[:4] + struct.pack("<I", 4) + tiff(64, 64)[8:]
    yield "bmp-offset.bmp", bmp(8, 8, bytes(192))[:10] + b"\xff\xff\xff\x7f" + bytes(200)
    yield "bmp-header-0.bmp", bmp(8, 8, bytes(192))[:14] + bytes(200)
    yield (
        "rle.bmp",
        bmp(64, 64, b"\0\2\xff\xff" * 500).replace(
            struct.pack("<HHI", 1, 24, 0), struct.pack("<HHI", 1, 8, 1), 1
        ),
    )
    whole = _whole()
    yield "a-png-called.jpg", whole["png"][:3000]
    yield "a-jpeg-with-riff.webp", b"RIFF" + whole["jpg"][4:]
    yield "two-starts.jpg", whole["jpg"][:400] + whole["jpg"][:400]
    yield "webp-chunk-length.webp", whole["webp"][:16] + b"\xff\xff\xff\xff" + whole["webp"][20:]
    yield "box-length-0.heic", bytes(4) + whole["heic"][4:]
    yield "box-length-1.heic", whole["heic"].replace(b"meta", b"meat", 1)
    yield "item-outside.heic", whole["heic"].replace(b"iloc", b"ilol", 1)
    yield "no-pixels.avif", whole["avif"].replace(b"mdat", b"skip", 1)[:-500]


# --- honest files, damaged --------------------------------------------------------------------


def _broken() -> Iterator[tuple[str, bytes]]:
    for ending, data in _whole().items():
        for percent in (10, 40, 70):
            yield f"cut-at-{percent}.{ending}", data[: len(data) * percent // 100]
        for seed in range(3):
            yield f"flipped-{seed}.{ending}", _flipped(data, seed)
        yield f"hole.{ending}", data[: len(data) // 3] + bytes(500) + data[len(data) // 3 + 500 :]


def _flipped(data: bytes, seed: int) -> bytes:
    """A few bytes changed, most of them near the front, where formats keep their sizes."""
    chance, out = random.Random(seed), bytearray(data)
    for _ in range(8):
        out[int(chance.random() ** 3 * len(out))] = chance.randrange(256)
    return bytes(out)


# --- more than anyone needs -------------------------------------------------------------------


def _overgrown() -> Iterator[tuple[str, bytes]]:
    small = encoded(Image.new("RGB", (8, 8)), "JPEG")
    segment = b"\xff\xe1\xff\xff" + b"Exif\0\0" + bytes(65_527)
    yield "exif-of-6-mb.jpg", small[:2] + segment * 100 + small[2:]
    yield (
        "exif-loop.jpg",
        encoded(
            Image.new("RGB", (8, 8)),
            "JPEG",
            exif=b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x8769, 4, 1, 8) + bytes(4),
        ),
    )
    yield (
        "profile-of-noise.jpg",
        encoded(Image.new("RGB", (8, 8)), "JPEG", icc_profile=random.Random(2).randbytes(60_000)),
    )
    yield (
        "a-thousand-chunks.png",
        png(1, 1, 8, 2, bytes(4), *[(b"tEXt", b"Comment\0" + b"x" * 1000)] * 2000),
    )
    frames = [Image.new("P", (4, 4), n) for n in range(250)]
    yield "many-frames.gif", encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    yield "many-scans.jpg", _many_scans()
    yield (
        "name-in-exif.jpg",
        encoded(
            Image.new("RGB", (8, 8)),
            "JPEG",
            exif=exif({0x010F: "<script>alert(1)</script>" * 50, 0x0110: "\x1b[2J\0\r\n" * 50}),
        ),
    )


def _many_scans() -> bytes:
    """A progressive JPEG that refines itself 2,000 times over."""
    data = encoded(scene(256, 256), "JPEG", progressive=True)
    scan = data.rindex(b"\xff\xda")
    return data[:scan] + data[scan:-2] * 2000 + data[-2:]


def main(folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, data in files().items():
        (Path(folder) / name).write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1])
