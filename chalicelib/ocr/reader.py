"""A picture → the text in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from chalicelib.ocr import sizes
from chalicelib.ocr.glance import text_area
from chalicelib.ocr.identity import DETECTION_SIDE
from chalicelib.ocr.lines import (
    MOST_CHARACTERS,
    Box,
    both_looks,
    cut,
    rows,
    tidy,
    worth_keeping,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from chalicelib.ocr.engine import Engine

SECONDS = 8.0
"""Processor time after which no further line is read: a page in small type takes it."""

_FINE_SIDE = 1280
"""In drawn pictures also this side is looked at, of the area that looks like text: at the usual one
12 pixels of 1,920 leave letters that the detector does not see, and much empty space around a few
lines blinds it (the whole at 1280 shows it less than at 736). Photos have their text larger."""

_LOW = 16
"""Pixels at the usual side below which a line is better seen from closer."""


class TextReader:
    """Reads pictures, one after another. The models are loaded with the first of them."""

    def __init__(self, folder: str = "", seconds: float = SECONDS) -> None:
        self._folder = folder
        self._seconds = seconds
        self._engine: Engine | None = None

    def read(self, image: Image, *, fine: bool = False) -> str:
        """The text in `image` (RGB, of a size that `sizes.to_read` gives), a row of it a line,
        from top to bottom and from left to right; "" where there is none. `fine`: also letters
        of a few pixels are looked for."""
        if self._engine is None:
            from chalicelib.ocr.engine import Engine

            self._engine = Engine(self._folder)
        end = time.process_time() + self._seconds
        said: list[str] = []
        for row in self._rows(self._engine, image, fine):
            words: list[str] = []
            for box in row:
                if time.process_time() < end:
                    words.extend(filter(None, [self._words(self._engine, image, box)]))
            said.extend(filter(None, [" ".join(words)]))
            if time.process_time() > end or sum(map(len, said)) > MOST_CHARACTERS:
                break
        return cut("\n".join(said), MOST_CHARACTERS)

    def _rows(self, engine: Engine, image: Image, fine: bool) -> Iterator[list[Box]]:
        """Rows from the top down; each band is looked at when those above it are done with."""
        bands = sizes.bands(*image.size)
        for number, (top, bottom) in enumerate(bands):
            first = (top + bands[number - 1][1]) / 2 if number else 0
            last = (bottom + bands[number + 1][0]) / 2 if number + 1 < len(bands) else image.height
            found = self._find(engine, image.crop((0, top, image.width, bottom)), fine)
            # A line in two bands' overlap counts in the one that holds its middle.
            moved = [box.moved(1, 0, top) for box in found]
            yield from rows([box for box in moved if first <= box.centre[1] < last])

    def _find(self, engine: Engine, band: Image, fine: bool) -> list[Box]:
        small, scale = sizes.to_look(band, DETECTION_SIDE)
        found = [box.moved(scale, 0, 0) for box in engine.find(small)]
        if not fine or max(band.size) <= DETECTION_SIDE:
            return found
        area = text_area(band)
        small, scale = sizes.to_look(band.crop(area), _FINE_SIDE)
        closer = [box.moved(scale, *area[:2]) for box in engine.find(small)]
        # The area may cut through larger letters, and the first look saw those well.
        low = _LOW * max(band.size) / DETECTION_SIDE
        return both_looks([box for box in closer if box.thickness < low], found)

    def _words(self, engine: Engine, image: Image, box: Box) -> str:
        text, sureness = engine.read(image, box)
        text = tidy(text)
        return text if worth_keeping(text, sureness) else ""
