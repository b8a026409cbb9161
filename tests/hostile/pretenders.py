"""What only pretends to be a picture, and what is a picture and something else besides."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

from tests.hostile.parts import (
    PNG_START,
    Hostile,
    after_start,
    chunk,
    noise,
    read,
    refused,
    segment,
    small_jpeg,
    whole,
)

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!DOCTYPE html><html><body onload=alert(1)></body></html>"
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /OpenAction 2 0 R >>\nendobj\n"
SCRIPT = b"*/=1;alert(document.cookie)//"
ELF = b"\x7fELF\x02\x01\x01" + bytes(4000)


def hostile() -> Iterator[Hostile]:
    yield from _nothing()
    yield from _other_things()
    yield from _starts_only()
    yield from _two_things_at_once()


def _nothing() -> Iterator[Hostile]:
    yield refused("empty.jpg", b"")
    yield refused("one-byte.png", b"\x89")
    yield refused("zeros.jpg", bytes(100_000))
    yield refused("ones.png", b"\xff" * 100_000)
    yield refused("noise.webp", noise(1, 100_000))
    yield refused("text.jpg", b"This is a letter, not a picture.\n" * 500)
    yield refused("byte-order-mark.png", b"\xef\xbb\xbf" + whole()["png"])
    yield refused("line-ends-changed.png", whole()["png"].replace(b"\r\n", b"\n", 1))
    yield refused("base64.jpg", b"data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD")
    yield refused("backwards.jpg", whole()["jpg"][::-1])
    yield refused("one-byte-short-at-the-front.jpg", whole()["jpg"][1:])


def _other_things() -> Iterator[Hostile]:
    yield refused("script.jpg", SVG)
    yield refused(
        "entities.png",
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
        + b"".join(b'<!ENTITY %c "&%c;&%c;">' % (98 + n, 97 + n, 97 + n) for n in range(20))
        + b"]><svg>&u;</svg>",
    )
    yield refused("page.png", HTML)
    yield refused("document.jpg", PDF)
    yield refused("postscript.tif", b"%!PS-Adobe-3.0 EPSF-3.0\n(%pipe%id) (w) file\n")
    yield refused("imagemagick.png", b"push graphic-context\nfill 'url(https://127.0.0.1/\"|id)'\n")
    yield refused("archive.jpg", _zip())
    yield refused("programme.gif", ELF)
    yield refused("windows-programme.jpg", b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0" + noise(3, 900))
    yield refused("film.heic", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(4000))
    yield refused("song.jpg", b"ID3\x04\0\0\0\0\x1f\x76" + noise("song", 4000))
    yield refused("sound.webp", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + bytes(4000))
    yield refused("pickle.png", b"cos\nsystem\n(S'true'\ntR.")
    yield refused("shell.jpg", b"#!/bin/sh\nrm -rf /\n")
    yield refused("code.jpg", b"alert(1);\n" * 100)
    yield refused("compressed.png", b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + noise("gzip", 500))
    yield refused("database.jpg", b"SQLite format 3\0" + bytes(4000))
    yield refused("photoshop.tif", b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\x10\0\0\0\x10\0\0\x08\0\3")
    yield refused("icon.bmp", b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0" + bytes(2000))
    yield refused("netpbm.png", b"P6\n4 4\n255\n" + bytes(48))
    yield refused("flic.gif", b"\0\x10\0\0\x11\xaf" + bytes(4000))
    yield refused("xbm.jpg", b"#define a_width 9\n#define a_height 9\nstatic char a[] = {0,0};\n")


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("../../cat.jpg"), bytes(5_000_000))
    return out.getvalue()


def _starts_only() -> Iterator[Hostile]:
    for ending, data in whole().items():
        yield refused(f"only-the-start.{ending}", data[:12])
        yield refused(f"the-start-and-noise.{ending}", data[:16] + noise(ending, 5000))
        yield refused(f"the-start-and-zeros.{ending}", data[:16] + bytes(5000))
    for name, start in {
        "script": SVG,
        "document": PDF,
        "archive": _zip(),
        "programme": ELF,
    }.items():
        yield refused(f"{name}-before-the-picture.jpg", start + small_jpeg())
        yield refused(f"{name}-after-the-magic.png", PNG_START + start)
        yield refused(f"{name}-after-the-magic.jpg", b"\xff\xd8\xff\xe0" + start)
    yield refused("gif-and-script.gif", b"GIF89a/*\x00\x00" + SCRIPT + bytes(100))


def _two_things_at_once() -> Iterator[Hostile]:
    """Whole pictures: they are read, and of the rest nothing comes through."""
    gif, png, jpeg = whole()["gif"], whole()["png"], small_jpeg()
    comment = b"!\xfe" + bytes((len(SCRIPT),)) + SCRIPT + b"\0"
    colours = 13 + 3 * 2 ** ((gif[10] & 7) + 1)
    yield read("picture-and-script.gif", gif[:colours] + comment + gif[colours:])
    yield read("picture-then-script.gif", gif + b"\n" + SCRIPT)
    yield read("picture-then-archive.jpg", jpeg + _zip())
    yield read("picture-then-programme.jpg", jpeg + ELF)
    yield read("document-in-comment.jpg", after_start(jpeg, segment(0xFE, PDF)))
    yield read("script-in-comment.jpg", after_start(jpeg, segment(0xFE, SCRIPT)))
    yield read("php-in-comment.jpg", after_start(jpeg, segment(0xFE, b"<?php system($_GET[0]);?>")))
    yield read("picture-then-page.png", png + HTML)
    yield read("page-in-text.png", png[:33] + chunk(b"tEXt", b"Comment\0" + HTML) + png[33:])
    yield read("picture-then-archive.webp", whole()["webp"] + _zip())
    yield read("picture-then-document.bmp", whole()["bmp"] + PDF)
    yield read("picture-then-picture.png", png + jpeg)
    yield read("a-png-called.jpg", png)
    yield read("a-jpeg-called.heic", whole()["jpg"])
    yield read("a-gif-called.avif", gif)
