"""Texts as folded letters: NFKC, case and accents (Unicode Standard Annex 15,
https://unicode.org/reports/tr15/), and of what kind each letter is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple


class Folded(NamedTuple):
    """A text in pieces, a folded letter each. `kinds` has a character a piece: l and u letters, u
    those that were capitals; d digits; s what is a token by itself; a space what is no part of
    any. `starts` and `ends` say where in the text it was."""

    pieces: Sequence[str]
    kinds: str
    starts: Sequence[int]
    ends: Sequence[int]


_ASCII_KINDS = "".join(
    "u" if c.isupper() else "l" if c.islower() else "d" if c.isdigit() else " "
    for c in map(chr, range(128))
)


def folded(text: str) -> Folded:
    """`text`, letter by letter."""
    if text.isascii():
        places = range(len(text))
        return Folded(text.lower(), text.translate(_ASCII_KINDS), places, range(1, len(text) + 1))
    pieces: list[str] = []
    kinds: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    place = 0
    while place < len(text):
        end = place + 1
        while end < len(text) and _goes_on(text[end]):
            end += 1
        for piece, kind in _fold(text[place:end]):
            pieces.append(piece)
            kinds.append(kind)
            starts.append(place)
            ends.append(end)
        place = end
    return Folded(pieces, "".join(kinds), starts, ends)


@lru_cache(maxsize=4096)
def _goes_on(char: str) -> bool:
    """Whether `char` belongs to the one before it: marks, and the inner parts of Hangul."""
    return (
        unicodedata.category(char)[0] == "M"
        or "\u1160" <= char <= "\u11ff"
        or char in "\uff9e\uff9f"
    )


@lru_cache(maxsize=16384)
def _fold(cluster: str) -> tuple[tuple[str, str], ...]:
    """(folded piece, kind) of a letter with its marks; several where it is a ligature. The Thai and
    the Lao "am" stay whole: half of each would go to the letter before."""
    if cluster[0] in "™℠":
        return ((" ", " "),)
    form: Literal["NFD", "NFKD"] = "NFD" if cluster[0] in "\u0e33\u0eb3" else "NFKD"
    plain = "".join(c for c in unicodedata.normalize(form, cluster) if not _is_accent(c))
    found: list[tuple[str, str]] = []
    for char in unicodedata.normalize("NFC", plain):
        kind = _kind(char)
        if kind == "m":
            if found and found[-1][1] != " ":
                found[-1] = (found[-1][0] + char, found[-1][1])
        elif unicodedata.category(char) == "Nd":
            found.append((str(unicodedata.digit(char)), kind))
        else:
            plain_letter = char.casefold()
            found.append((_SPELT.get(plain_letter, plain_letter), kind))
    return tuple(found)


def _kind(char: str) -> str:
    category = unicodedata.category(char)
    if category[0] == "M":
        return "m"
    if _SINGLE.match(char):
        return "s"
    if category[0] == "L":
        return "u" if category in ("Lu", "Lt") else "l"
    return "d" if category[0] == "N" else " "


def _is_accent(char: str) -> bool:
    """Marks that may be left out without making another word: those of Latin, Greek, Cyrillic,
    Hebrew and Arabic, not the vowels of Indic scripts."""
    return _ACCENT.match(char) is not None


_ACCENT = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\U000e0100-\U000e01ef]"
)

_SPELT = {
    "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ħ": "h", "ŧ": "t",
    "ı": "i", "ŋ": "n",
}  # fmt: skip
"""Letters that Unicode does not take apart, as people without their keyboards spell them."""

_SINGLE = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17ff\u1950-\u19df"  # Khmer, Tai
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"  # Hangul: spaces, but endings grow onto words
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u303c"  # Han
    "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"  # Hiragana, Katakana
    "\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff"  # Bopomofo, Katakana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
    "\u2600-\u27bf\U0001f1e6-\U0001f3fa\U0001f400-\U0001faff"  # pictures that people write
    "]"
)
