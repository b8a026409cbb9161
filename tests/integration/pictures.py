"""Small pictures, each unlike every other."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image


def jpeg(number: int = 0, size: tuple[int, int] = (48, 36)) -> bytes:
    """A small JPEG; each number has its own bytes and its own look."""
    grid = np.random.default_rng(number).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return encoded(Image.fromarray(grid).resize(size, Image.Resampling.NEAREST), number=number)


def plain(
    colour: str, number: int = 0, size: tuple[int, int] = (48, 36), form: str = "JPEG"
) -> bytes:
    """A picture of one colour."""
    return encoded(Image.new("RGB", size, colour), form, number)


def encoded(image: Image.Image, form: str = "JPEG", number: int = 0) -> bytes:
    out = io.BytesIO()
    extra = {"comment": f"number {number}"} if form == "JPEG" else {}
    image.save(out, form, **extra)
    return out.getvalue()


def folder_of(folder: Path, count: int) -> Path:
    """A folder of `count` JPEGs."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"photo-{number:04}.jpg").write_bytes(jpeg(number))
    return folder
