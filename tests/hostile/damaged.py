"""Honest files, scratched: bytes changed, holes, pieces doubled and swapped."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.hostile.parts import Hostile, either, noise, whole


def hostile() -> Iterator[Hostile]:
    for ending, data in whole().items():
        for seed in range(6):
            yield either(f"flipped-{seed}.{ending}", flipped(data, seed))
        third = len(data) // 3
        yield either(f"hole.{ending}", data[:third] + bytes(500) + data[third + 500 :])
        yield either(
            f"noise-in-the-middle.{ending}", data[:third] + noise(ending, 200) + data[third + 200 :]
        )
        yield either(f"middle-missing.{ending}", data[:third] + data[2 * third :])
        yield either(f"middle-twice.{ending}", data[: 2 * third] + data[third:])
        yield either(
            f"front-of-one-back-of-another.{ending}", data[:third] + whole(96, 160)[ending][third:]
        )
        yield either(f"front-ones.{ending}", data[:16] + b"\xff" * 16 + data[32:])


def flipped(data: bytes, seed: int) -> bytes:
    """A few bytes changed, most of them near the front, where formats keep their sizes."""
    chance, out = random.Random(seed), bytearray(data)
    for _ in range(8):
        out[int(chance.random() ** 3 * len(out))] = chance.randrange(256)
    return bytes(out)
