"""The pictures of the golden data: drawn here, of many kinds and odd sizes; and real photos.

A reference reads most of them as a viewer shows them. Where it does not, the golden pixels are
what it makes of the picture as shown, which `shown` works out from the file on its own (numpy, no
code of the product):

- transformers and open_clip ignore EXIF's orientation; a viewer turns the picture.
- Both make a 16-bit grey picture white, as Pillow cuts every value above 255 off; shown is the
  high byte.
- open_clip drops alpha, and hidden colours show; shown is the picture on white, as transformers
  has it.
- open_clip resizes before it converts to RGB. Palette and 1-bit pictures, which Pillow resizes
  only to the nearest pixel, lose their smoothness, and CMYK gets other colours; shown is RGB.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from tests.unit.pictures import encoded, exif, png

FOLDER = Path(__file__).with_name("pictures")
RAMP = "ramp.png"
"""All 256 levels of each channel, of the size that the models take: it is not resized."""

PHOTOS = (
    "cheetah.jpg",
    "china.jpg",
    "clock.png",
    "coffee.png",
    "lion.jpg",
    "motorcycle-left.png",
    "quokka.jpg",
    "retina.jpg",
    "tissue.png",
    "tower.jpg",
)
"""Of the demo's sample photos (local/samples.py), which are not in git."""

SIDE = 48
"""Pixels a side that the golden models take."""

Array = np.ndarray[Any, Any]


def photo(width: int, height: int, seed: int) -> Image.Image:
    """Soft colours, hard edges, thin lines and some noise."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (3, 4, 3), dtype=np.uint8))
    image = coarse.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(7):
        corners = rng.integers(0, [width, height], (2, 2))
        (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
        colour = tuple(rng.integers(0, 256, 3).tolist())
        shape = rng.choice(["ellipse", "rectangle", "line"])
        if shape == "line":
            draw.line((left, top, right, bottom), fill=colour, width=2)
        else:
            getattr(draw, shape)((left, top, right, bottom), fill=colour)
    noise = rng.normal(0, 4, (height, width, 1))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def draw_all() -> dict[str, bytes]:
    """File name → file."""
    files = {
        "wide.jpg": encoded(photo(199, 120, 1), "JPEG", quality=88),
        "tall.jpg": encoded(photo(97, 161, 2), "JPEG", quality=88),
        "square.jpg": encoded(photo(128, 128, 3), "JPEG", quality=92, subsampling=0),
        "progressive.jpg": encoded(photo(133, 90, 4), "JPEG", quality=80, progressive=True),
        "odd.png": encoded(photo(101, 67, 5), "PNG"),
        "left_over_1.png": encoded(photo(49, 60, 6).resize((60, 49)), "PNG"),
        "left_over_3.png": encoded(photo(51, 48, 7), "PNG"),
        "small.png": encoded(photo(23, 14, 8), "PNG"),
        "panorama.jpg": encoded(photo(420, 41, 9), "JPEG", quality=85),
        RAMP: encoded(ramp(), "PNG"),
        "webp.webp": encoded(photo(120, 81, 10), "WEBP", quality=80),
        "gif.gif": encoded(photo(75, 100, 11), "GIF"),
        "palette.png": encoded(photo(110, 70, 12).quantize(32), "PNG"),
        "one_bit.png": encoded(photo(90, 131, 13).convert("1"), "PNG"),
        "grey.png": encoded(photo(111, 74, 14).convert("L"), "PNG"),
        "grey.jpg": encoded(photo(84, 140, 15).convert("L"), "JPEG", quality=85),
        "cmyk.jpg": encoded(_cmyk(photo(118, 77, 16)), "JPEG", quality=88),
        "rgb16.png": _rgb16(photo(66, 45, 17)),
        "grey16.png": _grey16(photo(71, 93, 18)),
        "alpha.png": _with_alpha(photo(83, 61, 19), "RGBA"),
        "grey_alpha.png": _with_alpha(photo(62, 85, 20), "LA"),
        "palette_alpha.png": _palette_alpha(photo(91, 72, 21)),
    }
    for turn in range(1, 9):
        tag = exif({0x0112: turn})
        files[f"turned_{turn}.jpg"] = encoded(photo(97, 62, 22), "JPEG", quality=80, exif=tag)
    return files


def ramp() -> Image.Image:
    """Red runs through all levels once and more; green runs back; blue in other steps."""
    at = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    channels = (at % 256, 255 - at % 256, at * 7 % 256)
    return Image.fromarray(np.stack(channels, axis=2).astype(np.uint8))


def _cmyk(image: Image.Image) -> Image.Image:
    """With black ink as well, which Pillow's own conversion leaves out."""
    colours = 255 - np.asarray(image).astype(np.int16)
    black = colours.min(axis=2, keepdims=True) // 2
    parts = np.concatenate([colours - black, black], axis=2)
    return Image.fromarray(parts.astype(np.uint8), "CMYK")


def _rgb16(image: Image.Image) -> bytes:
    """A PNG of 16 bits a channel, which Pillow does not write."""
    low = np.random.default_rng(17).integers(0, 256, (image.height, image.width, 3))
    values = (np.asarray(image).astype(np.uint16) << 8 | low.astype(np.uint16)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    return png(image.width, image.height, 16, 2, rows)


def _grey16(image: Image.Image) -> bytes:
    values = np.asarray(image.convert("L")).astype(np.uint16)
    return encoded(Image.fromarray(values * 255 + 97), "PNG")


def _with_alpha(image: Image.Image, mode: str) -> bytes:
    """A veil that goes from clear to full, with a clear hole that hides bright colours."""
    width, height = image.size
    alpha = np.tile(np.linspace(0, 255, width), (height, 1)).astype(np.uint8)
    alpha[height // 4 : height // 2, width // 2 :] = 0
    image = image.convert(mode)
    image.putalpha(Image.fromarray(alpha))
    return encoded(image, "PNG")


def _palette_alpha(image: Image.Image) -> bytes:
    indexed = image.quantize(16)
    return encoded(indexed, "PNG", transparency=bytes([0, 128, 255, 60] * 4))


# --- as a viewer shows them ---------------------------------------------------------------------

_TURNS: dict[int, Callable[[Array], Array]] = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}
"""What undoes each value of EXIF's Orientation (CIPA DC-008, 4.6.4.A)."""


def shown(data: bytes) -> Image.Image:
    """The picture as a viewer shows it: RGB, upright, on white, the high byte of 16 bits."""
    opened = Image.open(io.BytesIO(data))
    turn = opened.getexif().get(0x0112, 1)
    if opened.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(opened) >> 8).astype(np.uint8)).convert("RGB")
    if opened.has_transparency_data:
        return Image.fromarray(_on_white(np.asarray(opened.convert("RGBA")).astype(np.float64)))
    return Image.fromarray(np.ascontiguousarray(_TURNS[turn](np.asarray(opened.convert("RGB")))))


def _on_white(rgba: Array) -> Array:
    share = rgba[..., 3:] / 255
    return np.asarray(np.rint(rgba[..., :3] * share + 255 * (1 - share)), np.uint8)


def read_as_is(name: str, reference: str) -> bool:
    """Whether the reference is given the file's own picture, not `shown`'s."""
    wrong = ("grey16", "turned_")
    if reference == "open_clip":
        wrong += ("alpha", "grey_alpha", "palette", "one_bit", "gif", "cmyk")
    return not name.startswith(wrong)
