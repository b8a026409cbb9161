"""HEIC and AVIF whose boxes, items and references lie (ISO/IEC 14496-12 and 23008-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from tests.hostile.parts import (
    Hostile,
    box,
    either,
    find_box,
    full_box,
    noise,
    read,
    refused,
    whole,
)
from tests.unit.heic import heic
from tests.unit.pictures import scene

SIDE = 64


class Item(NamedTuple):
    """`links` are places in the list of properties, counted from 1."""

    kind: bytes
    data: bytes
    links: Sequence[int] = ()


Reference = tuple[bytes, int, Sequence[int]]
"""Kind, from which item, to which items."""


def hostile() -> Iterator[Hostile]:
    yield from _boxes()
    yield from _items()
    yield from _derived()
    yield from _grids()
    yield from _properties()


@cache
def _picture() -> tuple[bytes, bytes]:
    """(its configuration box, its coded samples) of one honest picture of 64 x 64."""
    data = heic(scene(SIDE, SIDE))
    return find_box(data, b"hvcC"), find_box(data, b"mdat")[8:]


def heif(
    items: Sequence[Item],
    references: Sequence[Reference] = (),
    *,
    primary: int = 1,
    properties: Sequence[bytes] = (),
    size: tuple[int, int] = (SIDE, SIDE),
) -> bytes:
    """A HEIC of these items. The first two properties are the picture's configuration and
    `size`; what `properties` holds follows them."""
    properties = [_picture()[0], full_box(b"ispe", 0, struct.pack(">II", *size)), *properties]
    start = box(b"ftyp", b"heic\0\0\0\0mif1heic")

    def meta(at: int) -> bytes:
        places = entries = links = b""
        for number, (kind, data, linked) in enumerate(items, 1):
            places += struct.pack(">HHHII", number, 0, 1, at, len(data))
            entries += full_box(b"infe", 2, struct.pack(">HH", number, 0), kind, b"\0")
            links += struct.pack(">HB", number, len(linked)) + bytes(linked)
            at += len(data)
        count = struct.pack(">H", len(items))
        told = b"".join(
            box(kind, struct.pack(f">HH{len(to)}H", one, len(to), *to))
            for kind, one, to in references
        )
        return full_box(
            b"meta", 0,
            full_box(b"hdlr", 0, bytes(4), b"pict", bytes(13)),
            full_box(b"pitm", 0, struct.pack(">H", primary)),
            full_box(b"iloc", 0, b"\x44\0", count, places),
            full_box(b"iinf", 0, count, entries),
            full_box(b"iref", 0, told) if told else b"",
            box(b"iprp", box(b"ipco", *properties),
                full_box(b"ipma", 0, struct.pack(">I", len(items)), links)),
        )  # fmt: skip

    at = len(start) + len(meta(0)) + 8
    return start + meta(at) + box(b"mdat", *(item.data for item in items))


def _coded() -> Item:
    return Item(b"hvc1", _picture()[1], (1, 2))


def _boxes() -> Iterator[Hostile]:
    data = whole()["heic"]
    yield refused("box-length-0.heic", bytes(4) + data[4:])
    yield refused("box-length-1.heic", data.replace(b"meta", b"meat", 1))
    yield refused("no-places-of-items.heic", data.replace(b"iloc", b"ilol", 1))
    yield refused("no-pixels.avif", whole()["avif"].replace(b"mdat", b"skip", 1)[:-500])
    start, meta = find_box(data, b"ftyp"), find_box(data, b"meta")
    rest = data[len(start) + len(meta) :]
    for depth in (20, 1000):
        nested = meta
        for _ in range(depth):
            nested = full_box(b"meta", 0, nested)
        yield refused(f"boxes-{depth}-deep.heic", start + nested + rest)
        nested = b""
        for _ in range(depth):
            nested = box(b"ipco", nested)
        changed = meta.replace(find_box(meta, b"ipco"), nested)
        yield refused(f"properties-{depth}-deep.heic", start + changed + rest)
    yield either("meta-twice.heic", start + meta + meta + rest)
    long = struct.pack(">I", 1) + b"meta" + struct.pack(">Q", 2**63) + meta[8:]
    yield refused("box-of-8-exabytes.heic", start + long + rest)
    short = struct.pack(">I", 4) + meta[4:]
    yield refused("box-of-4-bytes.heic", start + short + rest)
    yield either("a-hundred-thousand-boxes.heic", start + box(b"free") * 100_000 + meta + rest)
    yield refused(
        "a-hundred-thousand-brands.heic",
        box(b"ftyp", b"nope\0\0\0\0" + b"nono" * 100_000) + meta + rest,
    )
    for kind in (b"hdlr", b"pitm", b"iinf", b"iprp", b"ipma", b"hvcC", b"ispe", b"mdat"):
        at = data.index(kind)
        yield either(f"no-{kind.decode()}.heic", data[:at] + b"skip" + data[at + 4 :])
        yield either(
            f"{kind.decode()}-of-4-gb.heic", data[: at - 4] + b"\xff\xff\xff\xff" + data[at:]
        )
        yield either(f"{kind.decode()}-of-8-bytes.heic", data[: at - 4] + b"\0\0\0\x08" + data[at:])
    for kind in (b"av1C", b"ispe", b"pixi", b"iloc", b"ipma", b"infe"):
        other = whole()["avif"]
        at = other.index(kind)
        yield either(f"no-{kind.decode()}.avif", other[:at] + b"skip" + other[at + 4 :])
        yield either(
            f"{kind.decode()}-of-4-gb.avif", other[: at - 4] + b"\xff\xff\xff\xff" + other[at:]
        )
    configuration = find_box(whole()["avif"], b"av1C")
    yield either("configuration-of-noise.avif", whole()["avif"].replace(
        configuration, configuration[:8] + noise("av1C", len(configuration) - 8)))  # fmt: skip


def _items() -> Iterator[Hostile]:
    data = heif([_coded()])
    yield read("built-by-hand.heic", data)
    yield refused("no-items.heic", heif([]))
    yield refused("primary-is-missing.heic", heif([_coded()], primary=99))
    yield refused("primary-is-0.heic", heif([_coded()], primary=0))
    at = data.index(b"iloc") + 12
    place = data[at : at + 14]
    for name, changed in {
        "outside": place[:6] + struct.pack(">II", 2**31, 100),
        "at-the-last-byte": place[:6] + struct.pack(">II", 2**32 - 1, 2**32 - 1),
        "without-end": place[:10] + b"\xff\xff\xff\xff",
        "of-nothing": place[:10] + bytes(4),
        "in-65535-parts": place[:4] + b"\xff\xff" + place[6:],
        "in-no-part": place[:4] + bytes(2) + place[6:],
        "is-its-own-table": place[:6] + struct.pack(">I", at) + place[10:],
    }.items():
        yield refused(f"item-{name}.heic", data[:at] + changed + data[at + 14 :])
    yield refused("65535-items-promised.heic", data[: at - 2] + b"\xff\xff" + data[at:])
    yield refused("item-of-noise.heic", heif([Item(b"hvc1", noise("hevc", 5000), (1, 2))]))
    huge = struct.pack(">I", 2**31) + _picture()[1][4:]
    yield refused("unit-of-2-gb.heic", heif([Item(b"hvc1", huge, (1, 2))]))
    yield refused("units-of-nothing.heic", heif([Item(b"hvc1", bytes(4) * 50_000, (1, 2))]))
    for kind in (b"mime", b"Exif", b"uri ", b"av01", b"jpeg", b"unci", b"mski", b"abcd"):
        yield refused(
            f"primary-is-{kind.decode().strip()}.heic", heif([Item(kind, _picture()[1], (1, 2))])
        )
    for name, kind in {"no-text": b"Ex\xd7f", "half-a-letter": b"Exi\xc3"}.items():
        other = Item(kind, b"about it")
        yield refused(f"kind-is-{name}.heic", heif([_coded(), other], [(b"cdsc", 2, [1])]))
    exif = Item(b"Exif", b"\xff\xff\xff\xff" + noise("exif", 50))
    yield either("exif-starts-outside.heic", heif([_coded(), exif], [(b"cdsc", 2, [1])]))
    yield either("exif-of-nothing.heic", heif([_coded(), Item(b"Exif", b"")], [(b"cdsc", 2, [1])]))
    yield either("nine-hundred-exifs.heic", heif(
        [_coded(), *[exif] * 900], [(b"cdsc", n, [1]) for n in range(2, 902)]))  # fmt: skip
    yield either(
        "nine-hundred-pictures.heic", heif([_coded()] + [Item(b"hvc1", b"", (1, 2))] * 900)
    )


def _derived() -> Iterator[Hostile]:
    """Items made of items: loops, chains, and those that grow with every step."""
    same, coded = Item(b"iden", b"", (2,)), _coded()
    yield refused("is-its-own-copy.heic", heif([same], [(b"dimg", 1, [1])]))
    yield refused(
        "two-copies-of-each-other.heic", heif([same, same], [(b"dimg", 1, [2]), (b"dimg", 2, [1])])
    )
    yield either("copy-of-a-copy-900-deep.heic", heif(
        [*[same] * 900, coded], [(b"dimg", n, [n + 1]) for n in range(1, 901)]))  # fmt: skip
    yield refused("copy-of-nobody.heic", heif([same], [(b"dimg", 1, [77])]))
    yield refused("copy-of-65535.heic", heif([same, coded], [(b"dimg", 1, [2] * 60_000)]))
    for kind in (b"thmb", b"auxl", b"prem", b"cdsc", b"base", b"tbas", b"dpnd"):
        name = kind.decode()
        yield either(f"{name}-of-itself.heic", heif([coded], [(kind, 1, [1])]))
        both: list[Reference] = [(kind, 1, [2]), (kind, 2, [1])]
        yield either(f"{name}-of-each-other.heic", heif([coded, coded], both))
    overlay = bytes(10) + struct.pack(">HH", SIDE, SIDE) + bytes(4) * 2
    yield refused(
        "overlay-of-itself.heic", heif([Item(b"iovl", overlay, (2,))], [(b"dimg", 1, [1, 1])])
    )
    far = bytes(10) + struct.pack(">HH", SIDE, SIDE) + b"\x7f\xff\x7f\xff"
    yield either(
        "overlay-outside.heic", heif([Item(b"iovl", far, (2,)), coded], [(b"dimg", 1, [2])])
    )
    large = bytes(10) + b"\xff\xff\xff\xff" + bytes(4)
    yield either(
        "overlay-of-65535.heic", heif([Item(b"iovl", large, (2,)), coded], [(b"dimg", 1, [2])])
    )
    alpha = full_box(b"auxC", 0, b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
    loop = [Item(b"hvc1", coded.data, (1, 2)), Item(b"iden", b"", (2, 3))]
    yield either("alpha-is-the-picture.heic", heif(
        loop, [(b"auxl", 2, [1]), (b"dimg", 2, [1])], properties=[alpha]))  # fmt: skip


def _grid(rows: int, columns: int, width: int, height: int) -> bytes:
    return bytes((0, 1, rows - 1, columns - 1)) + struct.pack(">II", width, height)


def _grids() -> Iterator[Hostile]:
    coded = _coded()
    whole_grid = Item(b"grid", _grid(2, 2, 128, 128), (3,))
    large = [full_box(b"ispe", 0, struct.pack(">II", 128, 128))]

    def grid(
        item: Item, to: Sequence[int], *more: Reference, size: tuple[int, int] | None = None
    ) -> bytes:
        told = [full_box(b"ispe", 0, struct.pack(">II", *size))] if size else large
        return heif([item, coded], [(b"dimg", 1, to), *more], properties=told)

    four = [whole_grid, *[coded] * 4]
    yield either("grid-of-four.heic", heif(four, [(b"dimg", 1, range(2, 6))], properties=large))
    yield either("grid-of-one-tile-four-times.heic", grid(whole_grid, [2] * 4))
    yield refused("grid-of-itself.heic", grid(whole_grid, [1] * 4))
    yield either("grid-of-nobody.heic", grid(whole_grid, [90, 91, 92, 93]))
    yield either("grid-with-too-few-tiles.heic", grid(whole_grid, [2]))
    yield refused("grid-of-no-tiles.heic", grid(whole_grid, []))
    yield refused("grid-cut.heic", grid(Item(b"grid", b"\0\1", (3,)), [2] * 4))
    yield refused("grid-of-nothing.heic", grid(Item(b"grid", b"", (3,)), [2] * 4))
    wide = Item(b"grid", _grid(256, 256, 16_384, 16_384), (3,))
    yield refused("grid-of-65536.heic", grid(wide, [2] * 65_535, size=(16_384, 16_384)))
    sly = Item(b"grid", _grid(256, 256, 16_384, 16_384), (3,))
    yield refused("grid-says-128-and-is-16384.heic", grid(sly, [2] * 65_535))
    big = Item(b"grid", _grid(2, 2, 2**31, 2**31), (3,))
    yield refused("grid-bomb.heic", grid(big, [2] * 4))
    none = Item(b"grid", _grid(2, 2, 0, 0), (3,))
    yield refused("grid-of-no-size.heic", grid(none, [2] * 4))
    loop: list[Reference] = [(b"dimg", 1, [2] * 4), (b"dimg", 2, [1] * 4)]
    yield refused(
        "two-grids-of-each-other.heic", heif([whole_grid, whole_grid], loop, properties=large)
    )
    for depth in (2, 8, 60):
        yield either(f"grids-in-grids-{depth}-deep.heic", _grids_in_grids(depth))
    many = Item(b"grid", _grid(31, 31, 1984, 1984), (3,))
    told = [full_box(b"ispe", 0, struct.pack(">II", 1984, 1984))]
    yield either("grid-of-31-by-31.heic", heif(
        [many, *[coded] * 961], [(b"dimg", 1, range(2, 963))], properties=told))  # fmt: skip


def _grids_in_grids(depth: int) -> bytes:
    """Each of the four grids of a level holds all four of the next: 4^depth tiles in the end."""
    layer = Item(b"grid", _grid(2, 2, 128, 128), (3,))
    items = [*[layer] * (1 + 4 * (depth - 1)), *[_coded()] * 4]
    told: list[Reference] = [(b"dimg", 1, range(2, 6))]
    for level in range(depth - 1):
        first = 2 + 4 * level
        told += [(b"dimg", n, range(first + 4, first + 8)) for n in range(first, first + 4)]
    return heif(items, told, properties=[full_box(b"ispe", 0, struct.pack(">II", 128, 128))])


def _properties() -> Iterator[Hostile]:
    coded = _coded()
    more = {
        "turned-255-times": [box(b"irot", b"\xff")],
        "mirrored-in-255": [box(b"imir", b"\xff")],
        "cropped-over-nothing": [box(b"clap", struct.pack(">8I", 64, 0, 64, 0, 0, 0, 0, 0))],
        "cropped-to-nothing": [box(b"clap", struct.pack(">8I", 0, 1, 0, 1, 0, 1, 0, 1))],
        "cropped-outside": [
            box(b"clap", struct.pack(">8I", 2**31, 1, 2**31, 1, 2**31, 1, 2**31, 1))
        ],
        "channels-255": [full_box(b"pixi", 0, b"\xff" * 256)],
        "colours-of-noise": [box(b"colr", b"prof" + noise("colr", 900))],
        "colours-cut": [box(b"colr", b"nc")],
        "colours-65535": [box(b"colr", b"nclx" + b"\xff" * 7)],
        "pixels-over-nothing": [box(b"pasp", bytes(8))],
        "light-cut": [box(b"clli", b"\1")],
        "two-sizes": [full_box(b"ispe", 0, struct.pack(">II", 2**31, 2**31))],
        "size-0": [full_box(b"ispe", 0, bytes(8))],
    }
    for name, properties in more.items():
        yield either(f"{name}.heic", heif([coded._replace(links=(1, 2, 3))], properties=properties))
    turns = [box(b"irot", b"\1")]
    yield either(
        "turned-two-hundred-times.heic",
        heif([coded._replace(links=(1, 2, *[3] * 200))], properties=turns),
    )
    yield either("property-that-is-not-there.heic", heif([coded._replace(links=(1, 2, 127))]))
    yield refused("no-size-property.heic", heif([coded._replace(links=(1,))]))
    yield refused("no-configuration.heic", heif([coded._replace(links=(2,))]))
    for size in ((63, 63), (128, 128), (4000, 4000), (8000, 8000)):
        yield either(f"says-{size[0]}-and-is-64.heic", heif([coded], size=size))
    yield refused("says-0-and-is-64.heic", heif([coded], size=(0, 0)))
