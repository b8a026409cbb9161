"""JPEGs that are wicked in ways of their own: tables, scans, restarts, kinds that few decode."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.hostile.parts import (
    Hostile,
    after_start,
    either,
    jpeg_of_size,
    noise,
    read,
    refused,
    segment,
    segments_of,
    small_jpeg,
    whole,
)
from tests.unit.pictures import encoded, scene


def hostile() -> Iterator[Hostile]:
    yield from _kinds()
    yield from _frames()
    yield from _tables()
    yield from _scans()
    yield from _floods()


def _segment_at(data: bytes, marker: int) -> tuple[int, int]:
    """Where the first segment of that marker starts and ends."""
    return next((start, end) for kind, start, end in segments_of(data) if kind == marker)


def _replaced(data: bytes, marker: int, by: bytes) -> bytes:
    start, end = _segment_at(data, marker)
    return data[:start] + by + data[end:]


def _kinds() -> Iterator[Hostile]:
    """Each names another process than its data was made by (ITU-T T.81, table B.1)."""
    data = small_jpeg()
    at = _segment_at(data, 0xC0)[0]
    for name, marker in {
        "lossless": 0xC3,
        "differential": 0xC5,
        "differential-progressive": 0xC6,
        "differential-lossless": 0xC7,
        "extension": 0xC8,
        "arithmetic": 0xC9,
        "arithmetic-progressive": 0xCA,
        "arithmetic-lossless": 0xCB,
        "jpeg-ls": 0xF7,
    }.items():
        yield either(f"{name}.jpg", data[: at + 1] + bytes((marker,)) + data[at + 2 :])
    conditioning = segment(0xCC, b"\x00\xff\x10\xff")
    arithmetic = data[:at] + conditioning + b"\xff\xc9" + data[at + 2 :]
    yield either("arithmetic-with-absurd-conditioning.jpg", arithmetic)
    for depth in (0, 1, 12, 16, 255):
        changed = data[: at + 4] + bytes((depth,)) + data[at + 5 :]
        yield refused(f"{depth}-bit.jpg", changed)
    extended = data[:at] + b"\xff\xc1" + data[at + 2 : at + 4] + b"\x0c" + data[at + 5 :]
    yield refused("12-bit-extended.jpg", extended)


def _frames() -> Iterator[Hostile]:
    data = small_jpeg()
    start, end = _segment_at(data, 0xC0)
    frame = data[start:end]
    yield refused("no-height.jpg", jpeg_of_size(16, 0))
    yield refused("no-width.jpg", jpeg_of_size(0, 16))
    yield refused("no-frame.jpg", data[:start] + data[end:])
    yield either("two-frames.jpg", data[:end] + frame + data[end:])
    larger = frame[:5] + struct.pack(">HH", 65_500, 65_500) + frame[9:]
    yield either("a-second-frame-is-a-bomb.jpg", data[:end] + larger + data[end:])
    yield refused("the-first-frame-is-a-bomb.jpg", data[:start] + larger + data[start:])
    for name, sampling in (("0", 0), ("15-by-15", 0xFF), ("3-by-1", 0x31), ("1-by-4", 0x14)):
        changed = bytearray(frame)
        changed[11] = sampling
        yield either(f"sampling-{name}.jpg", data[:start] + bytes(changed) + data[end:])
    many = struct.pack(">BHHB", 8, 16, 16, 255) + b"".join(bytes((n, 0x11, 0)) for n in range(255))
    yield refused("255-components.jpg", _replaced(data, 0xC0, segment(0xC0, many)))
    none = struct.pack(">BHHB", 8, 16, 16, 0)
    yield refused("no-components.jpg", _replaced(data, 0xC0, segment(0xC0, none)))
    same = frame[:10] + frame[10:13] * 3
    yield either("one-component-thrice.jpg", _replaced(data, 0xC0, same))
    late = data[:-2] + segment(0xDC, b"\xff\xff") + data[-2:]
    yield either("lines-told-at-the-end.jpg", late)


def _tables() -> Iterator[Hostile]:
    data = small_jpeg()
    codes = _segment_at(data, 0xC4)
    yield either("no-codes.jpg", data[: codes[0]] + data[codes[1] :])
    full = bytes((0,)) + b"\xff" * 16 + bytes(4080)
    yield refused("codes-too-many.jpg", _replaced(data, 0xC4, segment(0xC4, full)))
    yield refused("codes-of-class-9.jpg", _replaced(data, 0xC4, segment(0xC4, b"\x97" + bytes(16))))
    yield either("codes-without-codes.jpg", _replaced(data, 0xC4, segment(0xC4, bytes(17))))
    over = bytes((0,)) + b"\x03" + bytes(15) + b"\x01\x02\x03"
    yield refused("codes-overfull.jpg", _replaced(data, 0xC4, segment(0xC4, over)))
    yield refused("quantities-cut.jpg", _replaced(data, 0xDB, segment(0xDB, b"\0" + bytes(10))))
    yield refused(
        "quantities-of-table-15.jpg", _replaced(data, 0xDB, segment(0xDB, b"\x0f" + bytes(64)))
    )
    yield either("quantities-0.jpg", _replaced(data, 0xDB, segment(0xDB, b"\0" + bytes(64))))
    yield either("segment-of-no-length.jpg", data[:2] + b"\xff\xe0\0\0" + data[2:])
    yield either("segment-of-length-1.jpg", data[:2] + b"\xff\xe0\0\1" + data[2:])
    yield refused("segment-beyond-the-end.jpg", data[:2] + b"\xff\xe0\xff\xff" + data[2:])
    for name, start in (("adobe", b"Adobe"), ("jfif", b"JFIF\0"), ("mpf", b"MPF\0II*\0")):
        marker = {"adobe": 0xEE, "jfif": 0xE0, "mpf": 0xE2}[name]
        yield either(f"{name}-cut.jpg", after_start(data, segment(marker, start)))
    yield read("jfif-thumbnail-lies.jpg", after_start(
        data, segment(0xE0, b"JFIF\0\1\2\1\0\1\0\1\xff\xff")))  # fmt: skip
    yield either("mpf-of-noise.jpg", after_start(data, segment(0xE2, b"MPF\0" + noise("mpf", 500))))
    loop = (
        b"MPF\0II*\0\x08\0\0\0"
        + struct.pack("<HHHII", 1, 0xB001, 4, 1, 2**32 - 1)
        + struct.pack("<I", 8)
    )
    yield either("mpf-of-4-milliard-pictures.jpg", after_start(data, segment(0xE2, loop)))
    entries = struct.pack("<HHHII", 2, 0xB001, 4, 1, 2) + struct.pack("<HHII", 0xB002, 7, 32, 50)
    outside = entries + bytes(16) + struct.pack("<IIIHH", 0x030000, 2**31, 2**31, 0, 0) * 2
    yield either(
        "mpf-outside.jpg", after_start(data, segment(0xE2, b"MPF\0II*\0\x08\0\0\0" + outside))
    )
    yield refused("two-starts.jpg", whole()["jpg"][:400] * 2)
    yield either(
        "quality-of-nothing.jpg", encoded(scene(32, 32), "JPEG", quality=1)[:-40] + b"\xff\xd9"
    )


def _scans() -> Iterator[Hostile]:
    data = encoded(scene(256, 256), "JPEG", progressive=True)
    scan = data.rindex(b"\xff\xda")
    refinement = data[scan:-2]
    yield either("many-scans.jpg", data[:scan] + refinement * 2000 + data[-2:])
    yield either("ten-thousand-scans.jpg", data[:scan] + refinement[:20] * 10_000 + data[-2:])
    yield refused("scans-over-48-megapixels.jpg", _scans_over_a_large_picture(3000))
    yield refused("scan-of-nobody.jpg", _replaced(small_jpeg(), 0xDA, segment(0xDA, b"\0\0\x3f\0")))
    yield refused("scan-of-strangers.jpg", _replaced(
        small_jpeg(), 0xDA, segment(0xDA, b"\x03\x77\0\x78\x11\x79\x11\0\x3f\0")))  # fmt: skip
    yield either(
        "scan-backwards.jpg",
        data[:scan] + refinement[:5] + b"\x3f\x01\x00" + refinement[8:] + data[-2:],
    )
    yield refused("only-scans.jpg", data[:2] + refinement * 50 + data[-2:])


def _scans_over_a_large_picture(scans: int) -> bytes:
    """8,000 x 6,000 pixels of grey, each scan of which is a few bytes and costs a pass over all."""
    frame = segment(0xC2, struct.pack(">BHHB", 8, 6000, 8000, 1) + b"\x01\x11\x00")
    tables = segment(0xDB, b"\0" + b"\x01" * 64)
    # One code, of one bit: nothing more in this block, nor in the 2^14 and more that 14 bits tell.
    codes = segment(0xC4, b"\x10\x01" + bytes(15) + b"\xe0")
    runs = "0" + "1" * 14
    bits = int((runs * 24).ljust(360, "1"), 2).to_bytes(45, "big").replace(b"\xff", b"\xff\0")
    band = segment(0xDA, b"\x01\x01\x00\x01\x3f\x00") + bits
    return b"\xff\xd8" + tables + frame + codes + band * scans + b"\xff\xd9"


def _floods() -> Iterator[Hostile]:
    data = small_jpeg()
    codes = data[slice(*_segment_at(data, 0xC4))]
    quantities = data[slice(*_segment_at(data, 0xDB))]
    yield read("comments-100000.jpg", after_start(data, segment(0xFE, b"") * 100_000))
    yield read("codes-20000.jpg", after_start(data, codes * 20_000))
    yield read("quantities-20000.jpg", after_start(data, quantities * 20_000))
    yield read("app-segments-50000.jpg", after_start(data, segment(0xE9, b"x" * 8) * 50_000))
    yield read("fill-bytes.jpg", data[:2] + b"\xff" * 1_000_000 + data[2:])
    restarts = encoded(scene(256, 256), "JPEG", restart_marker_blocks=1)
    yield read("restart-at-every-block.jpg", restarts)
    scan = _segment_at(restarts, 0xDA)
    head = scan[0] + 2 + int.from_bytes(restarts[scan[0] + 2 : scan[0] + 4], "big")
    yield either("only-restarts.jpg", restarts[:head] + b"\xff\xd0\xff\xd1" * 50_000 + b"\xff\xd9")
    yield either("restarts-out-of-order.jpg", restarts.replace(b"\xff\xd3", b"\xff\xd6"))
    interval = segment(0xDD, b"\xff\xff")
    yield either("restarts-never-come.jpg", after_start(restarts, interval))
    nested = data
    for _ in range(40):
        nested = (
            after_start(data, segment(0xE1, b"Exif\0\0" + nested))
            if len(nested) < 60_000
            else nested
        )
    yield read("a-jpeg-in-a-jpeg-in-a-jpeg.jpg", nested)
    yield either(
        "zeros-for-a-picture.jpg",
        data[: _segment_at(data, 0xDA)[0] + 14] + bytes(500_000) + b"\xff\xd9",
    )
