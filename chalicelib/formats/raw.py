"""Camera RAW: the preview its camera made where that is large enough, else developed."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from PIL import Image

from chalicelib import bounds, exif
from chalicelib.errors import UnreadableImage
from chalicelib.formats import raw_canon, raw_develop
from chalicelib.formats.base import Before, Decoded, check_size, reduced
from chalicelib.formats.pillow import PillowSource
from chalicelib.formats.raw_kinds import OLYMPUS_MAGICS, PANASONIC_MAGIC
from chalicelib.formats.raw_previews import jpeg_size, told

LARGE_ENOUGH = 1024
"""Pixels of a preview's shorter side where nobody says how many are needed."""

SMALLEST = 240
"""Where a camera is not known, a small preview is all there is; below this it shows nothing."""

_SAME_SHAPE = 0.06
"""How far the shapes of preview and picture may be apart: cameras cut some border pixels off, and
fill thumbnails of another shape up with black."""


class _Jpeg(NamedTuple):
    data: bytes
    size: tuple[int, int]


class RawSource:
    """A camera RAW. `width` and `height` are the whole picture's, as the sensor lay."""

    def __init__(self, data: bytes, kind: str, max_pixels: int) -> None:
        self.format = kind
        self._data = data
        self._max_pixels = max_pixels
        said = told(data, kind)
        self._sensor = raw_develop.look(data)
        found = [data[p.start : p.end] for p in said.previews]
        found = found or [raw_develop.largest_preview(data)]
        self._previews = [_Jpeg(each, size) for each in found if (size := jpeg_size(each))]
        if self._sensor is not None:
            self.width, self.height = self._sensor.width, self._sensor.height
        elif said.size or self._previews:
            self.width, self.height = said.size or self._previews[-1].size
        else:
            raise UnreadableImage("The camera RAW is damaged, or of a camera we do not know.")

    def decode(self, at_least: int | None, before: Before | None) -> Decoded:
        facts = facts_of(self._data, self.format)
        needed = at_least or LARGE_ENOUGH
        usable = [p for p in self._previews if self._is_the_picture(p)]
        large = [p for p in usable if min(p.size) >= needed]
        for preview in large:
            if shown := self._shown(preview, at_least, before, facts):
                return shown
        try:
            return self._developed(at_least, before, facts)
        except UnreadableImage:
            for preview in reversed(usable[: len(usable) - len(large)]):
                if shown := self._shown(preview, at_least, before, facts):
                    return shown
            raise

    def _is_the_picture(self, preview: _Jpeg) -> bool:
        width, height = preview.size
        apart = abs(width * self.height / (height * self.width) - 1)
        return min(preview.size) >= SMALLEST and apart <= _SAME_SHAPE

    def _shown(
        self,
        preview: _Jpeg,
        at_least: int | None,
        before: Before | None,
        facts: Image.Exif | None,
    ) -> Decoded | None:
        """The preview, decoded; None where it is broken: the next one, or the sensor, may do."""
        check_size(*preview.size, self._max_pixels)
        bounds.check(preview.data)
        try:
            decoded = PillowSource(preview.data, ("JPEG",)).decode(at_least, before)
        except (OSError, SyntaxError, ValueError):
            return None
        return replace(decoded, exif=facts or decoded.exif)

    def _developed(
        self, at_least: int | None, before: Before | None, facts: Image.Exif | None
    ) -> Decoded:
        if self._sensor is None:
            raise UnreadableImage(
                "The camera RAW is of a camera we do not know, and holds no preview to go by."
            )
        check_size(self._sensor.pixels, 1, self._max_pixels)
        if before is not None:
            before(self._sensor.pixels)
        half = at_least is not None and min(self.width, self.height) // 2 >= at_least
        image = raw_develop.develop(self._data, half=half)
        if at_least:
            image, _ = reduced(image, at_least)
        return Decoded(image, (0, 0, *image.size), facts, None)


def facts_of(data: bytes, kind: str) -> Image.Exif | None:
    """The RAW's own EXIF; None where it has none but that of its preview, as RAF."""
    if kind == "raf":
        return None
    if kind == "cr3":
        parts = raw_canon.canon_parts(data)
        first, taken, place = (
            data[slice(*parts.get(name, (0, 0)))] for name in (b"CMT1", b"CMT2", b"CMT4")
        )
        return exif.parse(first, taken=taken, place=place)
    if data.startswith((PANASONIC_MAGIC, *OLYMPUS_MAGICS)):
        # A TIFF but for its two bytes of magic.
        data = data[:2] + (b"*\0" if data[:2] == b"II" else b"\0*") + data[4:]
    return exif.parse(data)
