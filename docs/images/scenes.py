"""Paints the landscapes that `page.png` shows, so that the picture of the page is all our own.

`python docs/images/scenes.py FOLDER`, then `make demo ARGS='--no-samples --photos FOLDER'`, and a
window of 1200 × 716 at `/?q=sunset&closest=true`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Colour = tuple[int, int, int]
Pixels = NDArray[np.float64]

SCENES: tuple[tuple[str, int, int, str, Colour, Colour, Colour, bool], ...] = (
    ("sunset-in-the-alps", 1200, 800, "alps", (38, 42, 92), (255, 158, 94), (70, 44, 84), False),
    ("dunes-at-noon", 1000, 800, "dunes", (70, 150, 214), (214, 232, 238), (226, 168, 92), False),
    ("lake-at-dawn", 1300, 800, "lake", (120, 150, 200), (255, 220, 196), (52, 82, 104), False),
    ("night-over-the-hills", 900, 900, "hills", (8, 12, 36), (40, 58, 104), (14, 22, 40), True),
    ("misty-forest", 1200, 850, "alps", (196, 212, 214), (238, 240, 232), (40, 84, 74), False),
    ("red-canyon", 900, 800, "dunes", (86, 160, 206), (250, 226, 196), (168, 66, 40), False),
    ("island-in-the-sea", 1400, 800, "sea", (28, 120, 190), (200, 236, 244), (20, 96, 140), False),
    ("moonrise-at-the-lake", 1100, 800, "lake", (16, 18, 58), (112, 84, 140), (24, 26, 58), True),
    ("green-valley", 1200, 800, "hills", (110, 176, 230), (232, 244, 246), (74, 134, 62), False),
    ("winter-ridge", 1000, 850, "alps", (92, 134, 184), (236, 240, 248), (120, 140, 170), False),
    ("violet-evening", 1300, 800, "hills", (70, 50, 120), (255, 176, 170), (60, 38, 84), False),
    ("shore-at-night", 1000, 800, "sea", (6, 10, 30), (44, 66, 110), (10, 24, 48), True),
)

RIDGES = {"alps": (5, 0.62, 2.1), "hills": (5, 0.34, 3.4), "dunes": (4, 0.3, 3.9),
          "lake": (3, 0.36, 2.5), "sea": (1, 0.16, 2.6)}  # fmt: skip
"""How many ridges, how high (share of the picture), how smooth (fall of each octave)."""


def paint(chance: np.random.Generator, width: int, height: int, kind: str,
          zenith: Colour, horizon: Colour, ground: Colour, night: bool) -> Image.Image:  # fmt: skip
    water = kind in ("lake", "sea")
    base = int(height * (0.62 if water else 0.95))
    down = np.linspace(0, 1, height)[:, None, None]
    sky = np.clip(down / (base / height), 0, 1) ** 0.8
    picture = np.array(zenith) * (1 - sky) + np.array(horizon) * sky
    picture = np.repeat(picture, width, axis=1)
    picture += glow(chance, width, height, base, night)
    count, tall, smooth = RIDGES[kind]
    for number in range(count):
        near = (number + 1) / count
        line = base - height * tall * (1 - 0.75 * near) * ridge(chance, width, smooth)
        tint = np.array(horizon) * (1 - near) * 0.8 + np.array(ground) * (0.2 + 0.8 * near)
        below = np.arange(height)[:, None] > line[None, :]
        shade = 1 + 0.12 * (np.arange(height)[:, None] - line[None, :]) / height
        picture = np.where(below[..., None], tint * shade[..., None], picture)
    if water:
        picture = mirror(chance, picture, base, np.array(ground))
    picture += chance.normal(0, 2.2, picture.shape[:2])[..., None]
    image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
    return image.filter(ImageFilter.GaussianBlur(0.6))


def ridge(chance: np.random.Generator, width: int, smooth: float) -> Pixels:
    """A skyline, 0 to 1: waves of rising pitch and falling height."""
    along = np.linspace(0, 1, width)
    line = np.zeros(width)
    for octave in range(1, 9):
        wave = np.sin(2 * np.pi * (along * 2 ** (octave * 0.8) + chance.random()))
        line += (1 - np.abs(wave)) * chance.uniform(0.6, 1.2) * smooth**-octave
    return (line - line.min()) / np.ptp(line)


def glow(chance: np.random.Generator, width: int, height: int, base: int, night: bool) -> Pixels:
    """Sun or moon with its halo; at night, stars."""
    x, y = width * chance.uniform(0.2, 0.8), base * (0.25 if night else chance.uniform(0.35, 0.6))
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    away = np.hypot(across - x, down - y) / height
    radius = 0.045 if night else 0.055
    disc = np.clip((radius - away) * 300, 0, 1) * (190 if night else 255)
    halo = np.exp(-away * (9 if night else 5)) * (60 if night else 110)
    light = (disc + halo)[..., None] * np.array([1.0, 0.92, 0.78])
    if night:
        stars = chance.random((height, width)) > 0.9988
        light += (stars * chance.uniform(40, 220, (height, width)))[..., None]
    return light


def mirror(chance: np.random.Generator, picture: Pixels, base: int, ground: Pixels) -> Pixels:
    """Water below `base`: the sky upside down, rippled and darkened towards the shore."""
    height = picture.shape[0]
    rows = np.arange(height - base)
    source = np.clip(base - 1 - rows * base // max(1, height - base), 0, base - 1)
    water = picture[source]
    for row in rows:
        reach = 2 + row // 9
        water[row] = np.roll(water[row], int(chance.integers(-reach, reach + 1)), axis=0)
    depth = (rows / len(rows))[:, None, None]
    picture[base:] = water * (0.82 - 0.3 * depth) + ground * (0.1 + 0.28 * depth)
    return picture


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, *scene) in enumerate(SCENES):
        paint(np.random.default_rng(number + 3), *scene).save(folder / f"{name}.jpg", quality=92)


if __name__ == "__main__":
    main()
