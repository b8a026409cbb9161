"""HEIC files from nothing but their specifications, for tests: no packaged library encodes HEVC.

Each 32 x 32 block is its own slice of raw samples (`pcm_flag`, ITU-T H.265 7.3.8.7), so that the
arithmetic coder says the same few bits before and after every block, and the decoded picture is
exactly the given one, in 4:2:0. The container is ISO/IEC 23008-12: one `hvc1` item, with a turn
(`irot`), a mirror (`imir`) and EXIF on demand.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BLOCK = 32

_START = bytes((0x86, 0x80))
"""What CABAC writes for part_mode (its first state, most probable symbol), then pcm_flag = 1."""
_END = bytes((0xFE, 0x80))
"""What CABAC writes, begun anew, for end_of_slice_segment_flag = 1; its last 1 is the stop bit."""


class _Bits:
    def __init__(self) -> None:
        self.text = ""

    def u(self, width: int, value: int) -> _Bits:
        self.text += format(value, f"0{width}b") if width else ""
        return self

    def ue(self, *values: int) -> _Bits:
        for value in values:
            code = format(value + 1, "b")
            self.text += "0" * (len(code) - 1) + code
        return self

    def ended(self) -> bytes:
        """With the stop bit, and zeros to the next whole byte."""
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


_PROFILE = (
    # Main Still Picture (3), compatible with Main (1) and Main 10 (2); level 4
    _Bits().u(8, 3).u(32, 0x70000000).u(4, 0b1001).u(44, 0).u(8, 120).text
)


def _vps() -> bytes:
    bits = _Bits().u(4, 0).u(2, 3).u(6, 0).u(3, 0).u(1, 1).u(16, 0xFFFF)
    bits.text += _PROFILE
    return bits.u(1, 1).ue(0, 0, 0).u(6, 0).ue(0).u(2, 0).ended()


def _sps(width: int, height: int, depth: int) -> bytes:
    bits = _Bits().u(4, 0).u(3, 0).u(1, 1)
    bits.text += _PROFILE
    padded_width, padded_height = _padded(width), _padded(height)
    bits.ue(0, 1, padded_width, padded_height)
    bits.u(1, 1).ue(0, (padded_width - width) // 2, 0, (padded_height - height) // 2)
    bits.ue(depth - 8, depth - 8, 0).u(1, 1).ue(0, 0, 0)
    bits.ue(2, 0, 0, 3, 0, 0)  # blocks of 32 and no smaller; transforms of 4 to 32
    bits.u(3, 0)  # no scaling list, no asymmetric parts, no sample adaptive offset
    bits.u(1, 1).u(4, depth - 1).u(4, depth - 1)  # raw samples, of as many bits,
    bits.ue(2, 0).u(1, 1)  # in blocks of 32, unfiltered
    return bits.ue(0).u(3, 0).u(2, 0).ended()


def _pps() -> bytes:
    bits = _Bits().ue(0, 0).u(7, 0).ue(0, 0, 0).u(3, 0).ue(0, 0).u(6, 0).u(1, 0)
    return bits.u(3, 0b101).u(2, 0).ue(0).u(2, 0).ended()  # no deblocking


def _slice(address: int, blocks: int, samples: bytes) -> bytes:
    bits = _Bits().u(1, address == 0).u(1, 0).ue(0)
    if address:
        bits.u((blocks - 1).bit_length(), address)
    return bits.ue(2, 0).ended() + _START + samples + _END


def _nal(kind: int, payload: bytes) -> bytes:
    """With 03 put in where the payload would look like a start code."""
    out = bytearray()
    for byte in payload:
        if byte <= 3 and out.endswith(b"\0\0"):
            out.append(3)
        out.append(byte)
    return bytes((kind << 1, 1)) + bytes(out)


def _padded(length: int) -> int:
    return -(-length // BLOCK) * BLOCK


def _planes(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Y, Cb and Cr (BT.601, full range), padded to whole blocks; colour at half size."""
    values = np.asarray(image.convert("YCbCr"))
    height, width = values.shape[:2]
    edges = ((0, _padded(height) - height), (0, _padded(width) - width), (0, 0))
    values = np.pad(values, edges, mode="edge")
    return values[:, :, 0], values[::2, ::2, 1], values[::2, ::2, 2]


def _samples(values: NDArray[np.uint8], depth: int) -> bytes:
    """Each of `depth` bits, without gaps."""
    if depth == 8:
        return values.tobytes()
    deep = np.round(values.ravel() * ((2**depth - 1) / 255)).astype(np.uint16)
    bits = np.unpackbits(deep.astype(">u2").view(np.uint8)).reshape(-1, 16)[:, 16 - depth :]
    return np.packbits(bits).tobytes()


def _stream(image: Image.Image, depth: int) -> bytes:
    luma, blue, red = _planes(image)
    rows, columns = luma.shape[0] // BLOCK, luma.shape[1] // BLOCK
    out = bytearray()
    for address in range(rows * columns):
        row, column = divmod(address, columns)
        samples = b"".join(
            _samples(
                plane[row * side : (row + 1) * side, column * side : (column + 1) * side], depth
            )
            for plane, side in ((luma, BLOCK), (blue, BLOCK // 2), (red, BLOCK // 2))
        )
        nal = _nal(19, _slice(address, rows * columns, samples))
        out += struct.pack(">I", len(nal)) + nal
    return bytes(out)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + kind + body


def _full(kind: bytes, version: int, *parts: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)


def _hvcc(width: int, height: int, depth: int) -> bytes:
    profile = int(_PROFILE, 2).to_bytes(12, "big")
    sets = ((32, _vps()), (33, _sps(width, height, depth)), (34, _pps()))
    arrays = b""
    for kind, payload in sets:
        nal = _nal(kind, payload)
        arrays += struct.pack(">BHH", 0x80 | kind, 1, len(nal)) + nal
    deep = 0xF8 | (depth - 8)
    fixed = b"\x01" + profile + bytes((0xF0, 0, 0xFC, 0xFD, deep, deep, 0, 0, 0x0F, len(sets)))
    return _box(b"hvcC", fixed, arrays)


def heic(
    image: Image.Image,
    *,
    brand: bytes = b"heic",
    turn: int = 0,
    mirror: int | None = None,
    exif: bytes = b"",
    depth: int = 8,
) -> bytes:
    """`image` (even sides) as HEIC, of `depth` bits a sample.

    `turn` quarter turns against the clock and `mirror` (0: top becomes bottom, 1: left becomes
    right) are what a reader shall do to it; `exif` is a TIFF block.
    """
    properties = _properties(image.size, depth)
    if turn:
        properties.append(_box(b"irot", bytes((turn,))))
    if mirror is not None:
        properties.append(_box(b"imir", bytes((mirror,))))
    linked = bytes(n | (0x80 if n in (1, 4, 5) else 0) for n in range(1, len(properties) + 1))
    items = [(b"hvc1", _stream(image, depth))]
    references = b""
    if exif:
        items.append((b"Exif", struct.pack(">I", 0) + exif))
        references = _box(b"cdsc", struct.pack(">HHH", 2, 1, 1))
    return _file(brand, items, references, properties, {1: linked})


def heic_grid(image: Image.Image, columns: int = 2, rows: int = 2) -> bytes:
    """`image` in tiles of one size, as phones keep theirs: a derived item puts them together."""
    width, height = image.width // columns, image.height // rows
    tiles = [
        image.crop((x * width, y * height, (x + 1) * width, (y + 1) * height))
        for y in range(rows)
        for x in range(columns)
    ]
    items = [(b"hvc1", _stream(tile, 8)) for tile in tiles]
    items.append((b"grid", struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *image.size)))
    whole = len(items)
    properties = [
        *_properties((width, height), 8),
        _full(b"ispe", 0, struct.pack(">II", *image.size)),
    ]
    parts = struct.pack(f">HH{len(tiles)}H", whole, len(tiles), *range(1, whole))
    linked = {number: bytes((0x81, 2, 3)) for number in range(1, whole)} | {whole: bytes((4, 3))}
    return _file(b"heic", items, _box(b"dimg", parts), properties, linked, primary=whole)


def _properties(size: tuple[int, int], depth: int) -> list[bytes]:
    colour = _box(b"colr", b"nclx", struct.pack(">HHHB", 1, 13, 6, 0x80))
    return [_hvcc(*size, depth), _full(b"ispe", 0, struct.pack(">II", *size)), colour]


def _file(
    brand: bytes,
    items: list[tuple[bytes, bytes]],
    references: bytes,
    properties: list[bytes],
    linked: dict[int, bytes],
    *,
    primary: int = 1,
) -> bytes:
    """The container; `linked` has the properties of each item, by number, with their flags."""
    ftyp = _box(b"ftyp", brand, struct.pack(">I", 0), b"mif1", brand)
    links = struct.pack(">I", len(linked)) + b"".join(
        struct.pack(">HB", number, len(which)) + which for number, which in linked.items()
    )

    def meta(start: int) -> bytes:
        locations, entries = b"", b""
        for number, (kind, data) in enumerate(items, 1):
            locations += struct.pack(">HHHII", number, 0, 1, start, len(data))
            entries += _full(b"infe", 2, struct.pack(">HH", number, 0), kind, b"\0")
            start += len(data)
        return _full(
            b"meta",
            0,
            _full(b"hdlr", 0, bytes(4), b"pict", bytes(13)),
            _full(b"pitm", 0, struct.pack(">H", primary)),
            _full(b"iloc", 0, struct.pack(">BBH", 0x44, 0, len(items)), locations),
            _full(b"iinf", 0, struct.pack(">H", len(items)), entries),
            _full(b"iref", 0, references) if references else b"",
            _box(b"iprp", _box(b"ipco", *properties), _full(b"ipma", 0, links)),
        )

    start = len(ftyp) + len(meta(0)) + 8
    return ftyp + meta(start) + _box(b"mdat", *(data for _, data in items))
