"""Words in the embedded index: what FTS5 finds of a wording, over the slots of a snapshot.

The table `words` holds texts that are tokens already (`chalicelib.words.indexed`), so FTS5's
"ascii" tokenizer leaves them as they are (https://www.sqlite.org/fts5.html#ascii_tokenizer).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.index import sql
from chalicelib.index.remembered import Remembered
from chalicelib.index.vectors import Snapshot
from chalicelib.relevance import (
    EXACT_NAME,
    FIELDS,
    SHARE_DECIMALS,
    WEIGHTS,
    WORDS_COUNT,
    Field,
    Found,
    Wording,
    weights_of,
    words_of,
)
from chalicelib.words import title_of

_POSTINGS = 64

Mask = NDArray[np.bool_]
Slots = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Worded:
    """What of a wording was found in which slot: `share` float64 [size], `every` and `called`
    (whether that is its very name) bool [size]. `slots` are those where anything was, `asked` the
    words that count."""

    asked: tuple[str, ...]
    slots: Slots
    share: NDArray[np.float64]
    every: Mask
    called: Mask

    def scores(self, meanings: NDArray[np.floating]) -> NDArray[np.float64]:
        """`chalicelib.relevance.score_of` of all slots, not rounded."""
        scores = meanings.astype(np.float64)
        scores[self.slots] = self.scores_of(self.slots, scores[self.slots])
        return scores

    def scores_of(self, slots: Slots, meanings: NDArray[np.float64]) -> NDArray[np.float64]:
        return meanings + WORDS_COUNT * self.share[slots] + EXACT_NAME * self.called[slots]

    @property
    def answers(self) -> Mask:
        """Which images are answers by their words alone, bool [size]."""
        answers: Mask = self.every | self.called
        return answers

    def found(self, db: sqlite3.Connection, nums: dict[int, int]) -> dict[int, Found]:
        """What was found in the images `nums` (row number → slot), by slot, where anything was."""
        having = [num for num, slot in nums.items() if self.share[slot] > 0 or self.called[slot]]
        asked = f"SELECT rowid, {', '.join(FIELDS)} FROM words WHERE rowid IN ({{}})"
        found: dict[int, Found] = {}
        for num, *texts in db.execute(asked.format(sql.marks(len(having))), having):
            slot = nums[num]
            places: dict[Field, tuple[str, ...]] = {}
            for field, text in zip(FIELDS, texts, strict=True):
                padded = f" {text} "
                here = tuple(word for word in self.asked if f" {word} " in padded)
                if here:
                    places[field] = here
            found[slot] = Found(
                places, float(self.share[slot]), bool(self.every[slot]), bool(self.called[slot])
            )
        return found


class WordFinder:
    """Asks FTS5; remembers where words stand until the next write."""

    def __init__(self) -> None:
        self._postings: Remembered[Slots] = Remembered(_POSTINGS)
        self._tables: Remembered[Slots] = Remembered(1)

    def clear(self) -> None:
        self._postings.clear()
        self._tables.clear()

    def find(
        self, db: sqlite3.Connection, snapshot: Snapshot, admitted: Mask | None, wording: Wording
    ) -> tuple[Worded, Mask | None]:
        """(what is found of `wording` among the slots `admitted`, None for all; which of these
        have its phrases and nothing that it excludes)."""
        asked = words_of(wording)
        share = np.zeros(snapshot.size)
        words_found = np.zeros(snapshot.size, dtype=np.uint16)
        called = np.zeros(snapshot.size, dtype=np.bool_)
        standings = {
            word: self._by_weight(db, snapshot, admitted, word, seen=called) for word in asked
        }
        weights = weights_of(
            asked,
            {word: sum(map(len, those.values())) for word, those in standings.items()},
            snapshot.size if admitted is None else int(np.count_nonzero(admitted)),
        )
        for word, those in standings.items():
            for weight, slots in those.items():
                share[slots] += weights[word] * weight
                words_found[slots] += 1
        if wording.whole:
            called[self._standing(db, snapshot, (title_of(wording.whole),), ("title",))] = True
        having = np.flatnonzero((words_found > 0) | called)
        if (total := sum(weights.values())) > 0:
            share[having] = np.round(share[having] / total, SHARE_DECIMALS)
        every = words_found == len(asked) if asked else np.zeros_like(called)
        taking = admitted
        for inside, phrases in ((True, wording.phrases), (False, wording.without)):
            for phrase in phrases:
                mask = np.full(snapshot.size, not inside)
                mask[self._standing(db, snapshot, phrase, FIELDS)] = inside
                taking = mask if taking is None else mask & taking
        return Worded(asked, having, share, every, called), taking

    def _by_weight(
        self,
        db: sqlite3.Connection,
        snapshot: Snapshot,
        admitted: Mask | None,
        word: str,
        *,
        seen: Mask,
    ) -> dict[float, Slots]:
        """The slots that have `word`, by the weight of the best field it stands in there. `seen`
        (bool [size], all false) is used and given back as it was."""
        found: dict[float, Slots] = {}
        for weight, fields in _FIELDS_BY_WEIGHT.items():
            slots = self._standing(db, snapshot, (word,), fields)
            if admitted is not None:
                slots = slots[admitted[slots]]
            found[weight] = slots[~seen[slots]]
            seen[slots] = True
        for slots in found.values():
            seen[slots] = False
        return found

    def _standing(
        self,
        db: sqlite3.Connection,
        snapshot: Snapshot,
        phrase: Sequence[str],
        fields: Sequence[str],
    ) -> Slots:
        """The slots with `phrase` in one of `fields`."""
        asked = f'{{{" ".join(fields)}}} : "{" ".join(phrase)}"'
        return self._postings.get(
            (snapshot.seq, asked), lambda: self._slots(snapshot, _nums(db, asked))
        )

    def _slots(self, snapshot: Snapshot, nums: Slots) -> Slots:
        if not len(nums):
            return nums
        table = self._tables.get(snapshot.seq, lambda: _slot_table(snapshot))
        slots: Slots = table[nums]
        return slots


def _nums(db: sqlite3.Connection, asked: str) -> Slots:
    # One long text is read faster than many rows of one number.
    (text,) = db.execute(
        "SELECT group_concat(rowid) FROM words WHERE words MATCH ?", (asked,)
    ).fetchone()
    return np.fromstring(text or "", dtype=np.int64, sep=",")


def _slot_table(snapshot: Snapshot) -> Slots:
    """The living slot of each image, by its row number."""
    alive = np.arange(snapshot.size)
    if snapshot.alive is not None:
        alive = alive[snapshot.alive]
    table = np.full(int(snapshot.nums.max(initial=0)) + 1, -1, dtype=np.int64)
    table[snapshot.nums[alive]] = alive
    return table


_FIELDS_BY_WEIGHT: dict[float, tuple[Field, ...]] = {
    weight: tuple(field for field in FIELDS if WEIGHTS[field] == weight)
    for weight in sorted(set(WEIGHTS.values()), reverse=True)
}
