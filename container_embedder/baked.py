"""`python -m container_embedder.baked FOLDER`: the last step of building an image.

A model that does not load, or a reader of text that reads none, should fail the build, and not
each function that is started; and the hashes behind the model's fingerprint are kept in the folder,
which nothing can write to later.
"""

from __future__ import annotations

import sys
from pathlib import Path

from chalicelib.clip import load_clip
from chalicelib.errors import IntellisenseError, ModelError


def baked(folder: Path) -> str:
    """The fingerprint of the model, once a text and a picture have gone through it.

    Raises `ModelError` where it does not load."""
    import numpy as np

    clip = load_clip(folder, device="cpu")
    clip.embed_texts(["a photo"])
    side = clip.pixel_spec.crop
    ramp = np.linspace(0, 255, side * side * 3).astype(np.uint8)
    clip.embed_pixels(ramp.reshape(1, side, side, 3))
    return clip.fingerprint


def reads_text() -> None:
    """Raises `ModelError` where the text in a picture cannot be read with what is installed."""
    from PIL import Image, ImageDraw, ImageFont

    from chalicelib.ocr.reader import TextReader

    picture = Image.new("RGB", (320, 80), "white")
    font = ImageFont.load_default(40)
    ImageDraw.Draw(picture).text((20, 15), "Hello there", fill="black", font=font)
    read = TextReader().read(picture)
    if "hello" not in read.lower():
        raise ModelError(f"The reader of text took a drawn “Hello there” for “{read}”.")


def main(arguments: list[str]) -> int:
    try:
        (folder,) = arguments
    except ValueError:
        sys.stderr.write("usage: python -m container_embedder.baked FOLDER\n")
        return 2
    try:
        fingerprint = baked(Path(folder))
        reads_text()
        sys.stdout.write(f"{fingerprint}\n")
    except IntellisenseError as error:
        sys.stderr.write(f"error: {error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
