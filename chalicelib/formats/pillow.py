"""What Pillow reads: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, and HEIF by pi-heif."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pi_heif
from PIL import Image

from chalicelib import exif
from chalicelib.boxes import ends_too_early
from chalicelib.errors import UnreadableImage
from chalicelib.formats.base import Before, Decoded, reduced

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
_NAMES = {"MPO": "jpeg"}

pi_heif.register_heif_opener()


class PillowSource:
    """A file that Pillow opened. `only` narrows the formats down, as for a preview in a RAW."""

    def __init__(self, data: bytes, only: tuple[str, ...] = _FORMATS) -> None:
        self._opened: ImageFile = Image.open(io.BytesIO(data), formats=only)
        self.width, self.height = self._opened.size
        # libheif leaves a tile black that is not there.
        if self._opened.format == "HEIF" and ends_too_early(data):
            raise UnreadableImage("The image is incomplete: the file ends too early.")

    @property
    def format(self) -> str:
        name = self._opened.format or ""
        return _NAMES.get(name, name.lower())

    def decode(self, at_least: int | None, before: Before | None) -> Decoded:
        opened = self._opened
        scale = _draft(opened, at_least) if at_least else 1
        if before is not None:
            before(opened.width * opened.height)
        opened.load()
        facts = exif.read(opened)
        profile = opened.info.get("icc_profile")
        image, factor = reduced(opened, at_least) if at_least else (opened, 1)
        scale *= factor
        return Decoded(image, (0, 0, self.width / scale, self.height / scale), facts, profile)


def _draft(opened: ImageFile, at_least: int) -> int:
    """Have a JPEG decoded to a half, quarter or eighth: libjpeg leaves out the frequencies that
    are not to be seen there. Returns 2, 4 or 8, or 1 where nothing is to be won."""
    width = opened.width
    drafted = opened.draft(None, (at_least, at_least))
    return round(width / drafted[1][2]) if drafted else 1
