"""Photos to measure with, made of the sample photos: 500 pixels wide or high, and 12 megapixels.

The sample photos are small, so those of 12 megapixels are enlarged, and get the grain of a camera
sensor: JPEG files of about the size that cameras write, which is what decoding them costs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from local.samples import sample_photos

NAMES = (
    "astronaut.png",
    "chelsea-the-cat.png",
    "china.jpg",
    "flower.jpg",
    "coffee.png",
    "cheetah.jpg",
    "cheetah-running.jpg",
    "lion.jpg",
    "tower.jpg",
    "quokka.jpg",
    "rocket.jpg",
    "hubble-deep-field.jpg",
    "motorcycle-left.png",
    "motorcycle-right.png",
    "retina.jpg",
    "tissue.png",
)
SMALL = 500
"""Pixels of the longer side."""

LARGE = (4000, 3000)
GRAIN = 8.0
"""Standard deviation, in levels of 255."""

QUALITY = 90


def photos(cache: Path) -> dict[str, list[Path]]:
    """JPEG files by their size, "500 px" and "12 MP", made in `cache` where they are not yet."""
    folder = cache / "bench" / "photos"
    sizes = {"500 px": folder / "500px", "12 MP": folder / f"12mp-grain-{GRAIN:g}"}
    for out in sizes.values():
        out.mkdir(parents=True, exist_ok=True)
    made = {name: [out / f"{Path(n).stem}.jpg" for n in NAMES] for name, out in sizes.items()}
    samples = sample_photos(cache)
    for number, name in enumerate(NAMES):
        small, large = made["500 px"][number], made["12 MP"][number]
        if small.is_file() and large.is_file():
            continue
        with Image.open(samples / name) as opened:
            photo = opened.convert("RGB")
        _save(ImageOps.contain(photo, (SMALL, SMALL)), small)
        _save(_large(photo, number), large)
    return made


def _large(photo: Image.Image, seed: int) -> Image.Image:
    """12 megapixels of it, cut to 4:3 or 3:4, with grain that is the same in all channels."""
    side = LARGE if photo.width >= photo.height else LARGE[::-1]
    enlarged = np.asarray(ImageOps.fit(photo, side, Image.Resampling.BICUBIC), np.float32)
    grain = np.random.default_rng(seed).standard_normal((*enlarged.shape[:2], 1), np.float32)
    return Image.fromarray(np.clip(enlarged + GRAIN * grain, 0, 255).astype(np.uint8))


def _save(photo: Image.Image, path: Path) -> None:
    part = path.with_suffix(".part")
    photo.save(part, "JPEG", quality=QUALITY)
    part.replace(path)
