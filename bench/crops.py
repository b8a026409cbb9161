"""Many different small photos, made of the sample photos."""

from __future__ import annotations

import io
import random
from pathlib import Path

from PIL import Image


def crops(folder: Path, count: int) -> list[bytes]:
    """`count` JPEG files, each another crop of a sample photo, scaled to 500 pixels' width."""
    chance = random.Random(5)
    sources = [Image.open(path).convert("RGB") for path in sorted(folder.iterdir())]
    made = []
    for number in range(count):
        source = sources[number % len(sources)]
        share = chance.uniform(0.6, 0.95)
        width, height = int(source.width * share), int(source.height * share)
        left, top = chance.randrange(source.width - width), chance.randrange(source.height - height)
        piece = source.crop((left, top, left + width, top + height))
        piece = piece.resize((500, max(1, round(500 * height / width))))
        out = io.BytesIO()
        piece.save(out, "JPEG", quality=88)
        made.append(out.getvalue())
    return made
