"""Why an image is in an answer, said so that people see it."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from chalicelib import words
from chalicelib.records import Hit
from chalicelib.relevance import FIELDS, Field, confidence, least_kept

Reason = Literal["meaning", "name", "collection", "camera", "text"]

SNIPPET = 200
"""Characters of a picture's text that an answer shows."""

_BEFORE = 60
"""Of these so many at most before the first word found."""

_IN_A_SNIPPET = 32
"""Words found that are looked at of one place."""

Spans = list[tuple[int, int]]
"""(start, end) of words found in a text."""


class Reasons(NamedTuple):
    """`why`: what speaks for the image. `words`: those of the query as they stand in each field
    that has any. `text`: some of the text in it. `confidence`: 0 to 1, None where the model has no
    calibration."""

    why: list[Reason]
    words: dict[Field, list[str]]
    text: str
    confidence: float | None


def reasons(hit: Hit, threshold: float | None) -> Reasons:
    """Those of `hit`, which was held to `threshold`."""
    spans = _spans_of(hit)
    found = _found(hit, spans)
    worded: list[Reason] = [*found]
    means = threshold is None or hit.meaning >= least_kept(threshold)
    sure = None if threshold is None else round(confidence(hit.meaning, threshold, hit.found), 3)
    return Reasons(
        ["meaning", *worded] if means or not worded else worded,
        found,
        snippet(hit.record.text, spans.get("text", [])),
        sure,
    )


def _spans_of(hit: Hit) -> dict[Field, Spans]:
    if hit.found is None:
        return {}
    asked = hit.found.words
    return {
        field: spans
        for field in FIELDS
        if field in asked and (spans := marks(getattr(hit.record, field), asked[field]))
    }


def _found(hit: Hit, spans: Mapping[Field, Spans]) -> dict[Field, list[str]]:
    said: dict[Field, list[str]] = {}
    for field, those in spans.items():
        text: str = getattr(hit.record, field)
        said[field] = list(dict.fromkeys(text[start:end] for start, end in those))
    if hit.found and hit.found.exact_name and "name" not in said:
        return {"name": [hit.record.name], **said}
    return said


def marks(text: str, asked: tuple[str, ...]) -> Spans:
    """As `words.marks`, but what surely holds no word is not taken apart: no token reaches across
    a gap, and plain letters fold to plain small ones."""
    found = []
    for piece in re.finditer(r"\S+", text):
        said = piece[0]
        if said.isascii():
            small = said.lower()
            if not any(word in small for word in asked):
                continue
        start = piece.start()
        found += [(start + a, start + b) for a, b in _marks_of_piece(said, asked)]
    return found


@functools.lru_cache(maxsize=4096)
def _marks_of_piece(piece: str, asked: tuple[str, ...]) -> Spans:
    return words.marks(piece, asked)


def snippet(text: str, spans: Spans) -> str:
    """`text` where most of the words found stand together, on one line, "…" where it goes on."""
    first = _densest(text, spans)
    start = max(0, first[0] - _BEFORE)
    if start:
        # Between words where there is a gap near; what is written without gaps is cut anywhere.
        gap = text.find(" ", start, first[0])
        start = gap + 1 if gap >= 0 else start
    room = SNIPPET - 2
    end = len(text) if len(text) - start <= room else start + room
    if end < len(text):
        gap = text.rfind(" ", max(start + room // 2, first[1]), end)
        end = gap if gap >= 0 else end
    shown = " ".join(text[start:end].split())
    return f"{'…' if start else ''}{shown}{'…' if end < len(text) else ''}"


def _densest(text: str, spans: Spans) -> tuple[int, int]:
    """The first of `spans` behind which most different words follow within a snippet."""
    best, most = (0, 0), 0
    for number, (start, end) in enumerate(spans):
        last = start + SNIPPET - _BEFORE
        near = spans[number : number + _IN_A_SNIPPET]
        different = len({text[a:b].casefold() for a, b in near if b <= last})
        if different > most:
            best, most = (start, end), different
    return best
