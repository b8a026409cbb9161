"""Lines of text: in which order they are read, and what is kept of them (pure)."""

from __future__ import annotations

import math
import statistics
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

MOST_CHARACTERS = 4000
"""What a record keeps of a picture's text."""

SURE = 0.7
SURE_OF_ONE = 0.9
"""How sure a line must be, and one of a single character. On 1,000 photos a seventh of what the
detector took for lines was read less sure than 0.7, nearly all of it noise, and single characters
were noise below 0.9."""

_STEEPEST = math.radians(30)
_LONG = 3
"""A line this many times as long as it is high says how the picture is tilted."""

_LAST_WORD = 100
"""Characters within which a cut looks for the end of a word; some scripts have none."""

Corners = tuple[tuple[float, float], ...]
"""Four points (x, y): top left, top right, bottom right, bottom left of a line of text."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a line of text is, in pixels of the picture at hand."""

    corners: Corners

    @property
    def width(self) -> float:
        a, b, c, d = self.corners
        return max(math.dist(a, b), math.dist(d, c))

    @property
    def height(self) -> float:
        a, b, c, d = self.corners
        return max(math.dist(a, d), math.dist(b, c))

    @property
    def thickness(self) -> float:
        """The shorter side: the height of a line that runs across, the width of one upright."""
        return min(self.width, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        return sum(x for x, _ in self.corners) / 4, sum(y for _, y in self.corners) / 4

    @property
    def slope(self) -> float:
        """Radians by which the line falls to the right."""
        (x0, y0), (x1, y1) = self.corners[:2]
        return math.atan2(y1 - y0, x1 - x0)

    def moved(self, scale: float, right: float, down: float) -> Box:
        """The same box in a picture `scale` times as large, from `right` and `down` pixels on."""
        return Box(tuple((x * scale + right, y * scale + down) for x, y in self.corners))

    def holds(self, point: tuple[float, float]) -> bool:
        across, down = zip(*self.corners, strict=True)
        x, y = point
        inside: bool = min(across) <= x <= max(across) and min(down) <= y <= max(down)
        return inside


def both_looks(closer: Sequence[Box], farther: Sequence[Box]) -> list[Box]:
    """What two looks at one picture found, each line once: as the closer look saw it."""
    return [
        *closer,
        *(
            box
            for box in farther
            if not any(box.holds(near.centre) or near.holds(box.centre) for near in closer)
        ),
    ]


def rows(boxes: Sequence[Box]) -> list[list[Box]]:
    """The boxes as rows from top to bottom, each from left to right.

    A page that lies askew is read as if it lay straight: rows follow the long lines' median slope.
    """
    tilt = _tilt(boxes)

    def straight(box: Box) -> tuple[float, float]:
        x, y = box.centre
        across = x * math.cos(tilt) + y * math.sin(tilt)
        return across, y * math.cos(tilt) - x * math.sin(tilt)

    found: list[list[Box]] = []
    level = -math.inf
    for box in sorted(boxes, key=lambda b: straight(b)[1]):
        y = straight(box)[1]
        if not found or y - level > box.thickness / 2:
            found.append([])
            level = y
        found[-1].append(box)
    return [sorted(row, key=lambda b: straight(b)[0]) for row in found]


def _tilt(boxes: Sequence[Box]) -> float:
    slopes = [b.slope for b in boxes if b.width > _LONG * b.height]
    tilt = statistics.median(slopes) if slopes else 0.0
    return tilt if abs(tilt) < _STEEPEST else 0.0


def worth_keeping(text: str, sureness: float) -> bool:
    """Whether a line that was read is one: sure enough, and with a letter or digit in it."""
    known = sum(c.isalnum() for c in text)
    return known > 0 and sureness >= (SURE if known > 1 else SURE_OF_ONE)


def tidy(text: str) -> str:
    """NFC, single spaces, nothing that cannot be seen."""
    shown = "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFC", text))
    return " ".join(shown.split())


def cut(text: str, most: int = MOST_CHARACTERS) -> str:
    """The start of `text`, at most `most` characters, ended where a word ends."""
    if len(text) <= most:
        return text
    start = text[: most + 1]
    ends = [n for n, c in enumerate(start) if c.isspace() and n >= most - _LAST_WORD]
    return start[: ends[-1] if ends else most].rstrip()
