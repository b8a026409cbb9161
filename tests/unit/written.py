"""Pictures with text in them: lines, signs, receipts, pages, screenshots.

The fonts come with packages: Pillow's Aileron, and OpenCV's Rubik and WenQuanYi Micro Hei, which
knows Chinese, Japanese, Korean, Greek and Cyrillic.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from tests.unit.pictures import scene

FONTS = ("aileron", "sans", "italic", "uni")
Colour = tuple[int, int, int]
INK, PAPER = (30, 30, 30), (252, 251, 247)
_WORDS = """
invoice harbour receipt meeting agenda budget forecast lighthouse breakfast kitchen schedule
departure platform passenger reservation account balance transfer deadline project delivery
customer library museum entrance parking warning electricity hospital pharmacy bakery market
station bicycle weather sunshine temperature humidity calendar birthday concert chocolate
"""


@cache
def _face(name: str) -> Any:
    return cv2.FontFace(name)


def write(
    image: Image.Image,
    at: tuple[int, int],
    text: str,
    *,
    font: str = "aileron",
    size: int = 24,
    colour: Colour = INK,
) -> None:
    """Write `text` into `image`, its top left corner at `at`, `size` pixels high."""
    if font == "aileron":
        face = ImageFont.load_default(size)
        ImageDraw.Draw(image).text(at, text, font=face, fill=colour)
        return
    pixels = np.array(image)
    baseline = at[0], at[1] + round(size * 0.9)
    cv2.putText(pixels, text, baseline, colour, _face(font), size)
    image.paste(Image.fromarray(pixels))


def line(text: str, *, font: str = "aileron", size: int = 32) -> Image.Image:
    """One line of text on paper."""
    image = Image.new("RGB", (max(320, len(text) * size), size * 3), PAPER)
    write(image, (size, size), text, font=font, size=size)
    return image


def sign(text: str, *, font: str = "aileron", tilt: float = 4, seed: int = 0) -> Image.Image:
    """A photo of 800 × 600 pixels with a sign in it that hangs askew."""
    board = Image.new("RGBA", (60 + 26 * len(text), 100), (20, 80, 160, 255))
    face = board.convert("RGB")
    write(face, (30, 26), text, font=font, size=44, colour=(255, 255, 255))
    board.paste(face)
    turned = board.rotate(tilt, expand=True, resample=Image.Resampling.BICUBIC)
    photo = scene(800, 600, seed=seed)
    photo.paste(turned, (60, 200), turned)
    return noisy(photo, seed=seed)


def noisy(image: Image.Image, *, level: float = 6, seed: int = 0) -> Image.Image:
    """`image` as a sensor would have it."""
    noise = np.random.default_rng(seed).normal(0, level, (image.height, image.width, 1))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def receipt(items: Sequence[tuple[str, str]], *, tilt: float = 3) -> Image.Image:
    """A till receipt on a table: names to the left, prices to the right."""
    paper = Image.new("RGB", (520, 120 + 44 * len(items)), PAPER)
    for n, (name, price) in enumerate(items):
        write(paper, (30, 60 + 44 * n), name, size=26, font="uni")
        write(paper, (390, 60 + 44 * n), price, size=26, font="uni")
    table = (110, 85, 60)
    turned = paper.rotate(
        tilt, expand=True, fillcolor=table, resample=Image.Resampling.BICUBIC
    ).filter(ImageFilter.GaussianBlur(0.6))
    photo = Image.new("RGB", (turned.width + 300, turned.height + 300), table)
    photo.paste(turned, (150, 150))
    return noisy(photo, level=8)


def some_words(number: int, seed: int = 0) -> list[str]:
    rng, known = random.Random(seed), _WORDS.split()
    return [rng.choice(known) for _ in range(number)]


def page(lines: Sequence[str], *, width: int = 1240, size: int = 24) -> Image.Image:
    """A scanned page."""
    image = Image.new("RGB", (width, 200 + round(size * 1.6) * len(lines)), PAPER)
    for n, text in enumerate(lines):
        write(image, (100, 100 + round(size * 1.6) * n), text, size=size)
    turned = image.rotate(0.5, fillcolor=PAPER, resample=Image.Resampling.BICUBIC)
    return noisy(turned, level=4)


def desktop(lines: Sequence[str], *, size: int = 13) -> Image.Image:
    """A screenshot of 1,920 × 1,080 pixels: a window with these lines in it, bars around."""
    image = Image.new("RGB", (1920, 1080), (250, 250, 250))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 1920, 40), fill=(60, 90, 160))
    draw.rectangle((0, 40, 260, 1080), fill=(235, 235, 240))
    for n, text in enumerate(lines):
        write(image, (320, 90 + round(size * 1.7) * n), text, size=size, font="uni")
    return image


def chat(messages: Sequence[str], *, width: int = 1080) -> Image.Image:
    """A telephone's screenshot of messages one below the other: 110 pixels high for each."""
    image = Image.new("RGB", (width, 110 * len(messages) + 40), (248, 248, 250))
    draw = ImageDraw.Draw(image)
    for n, text in enumerate(messages):
        top, left = 40 + 110 * n, 40 + 160 * (n % 2)
        fill, ink = ((225, 225, 230), INK) if n % 2 else ((50, 110, 220), (255, 255, 255))
        draw.rounded_rectangle((left, top, left + 800, top + 90), 24, fill=fill)
        write(image, (left + 30, top + 24), text, size=38, colour=ink)
    return image


def as_file(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()
