"""Which keys have a record that does not say what the bucket says, and why: one pass over each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np

from chalicelib.index.base import Index, Summary
from chalicelib.packed import Packed, hashes, pack
from chalicelib.records import image_id
from chalicelib.sharding import WHOLE, Shard
from chalicelib.verdicts import MadeWith, Stale, stale

Cause = Literal["new", "changed", "unsure", "gone", "newer"] | Stale
CAUSES: dict[Cause, str] = {
    "new": "new",
    "changed": "changed",
    "other model": "of another model",
    "retry": "rejected by an older decoder",
    "calibration": "measured by another calibration",
    "text": "not read by the present reader of text",
    "unsure": "without an etag in the inventory",
    "gone": "gone",
    "newer": "newer than the inventory",
}
"""Why a key is to be looked at, and the same in words."""

_STANDINGS: tuple[Stale | None, ...] = (None, "other model", "retry", "calibration", "text")
"""What may be wrong with a record by itself; packed as its number here."""

_CURRENT, _OTHER_MODEL = 0, 1

_AT_ONCE = 1000


class Listed(NamedTuple):
    """An object that the bucket has; `etag` is "" where the list does not tell."""

    key: str
    etag: str


@dataclass(frozen=True, slots=True)
class Scope:
    """Which keys take part: those of a shard, under a prefix."""

    bucket: str
    shard: Shard = WHOLE
    prefix: str = ""

    def holds(self, summary: Summary) -> bool:
        return summary.key.startswith(self.prefix)


@dataclass(slots=True)
class Tally:
    """What one comparison has come across so far."""

    listed: int = 0
    same: int = 0
    causes: Counter[Cause] = field(default_factory=Counter)


def remembered(index: Index, scope: Scope, now: MadeWith) -> Packed:
    """What the index says of the images in `scope`, where records are made with `now`; tombstones
    left out: an object that has one is new."""

    def standing(summary: Summary) -> int:
        return _STANDINGS.index(stale(summary, now))

    living = (s for s in index.scan(scope.shard) if s.state != "deleted" and scope.holds(s))
    return pack(living, standing)


def differences(
    listing: Iterable[Listed],
    said: Packed,
    index: Index,
    scope: Scope,
    tally: Tally,
    *,
    as_of: datetime | None = None,
) -> Iterator[tuple[str, Cause]]:
    """Each key in `scope` that is to be looked at, once, and why; those that are gone come last.

    `listing` is what the bucket has, or had at `as_of`. It takes three passes in all: over the
    index (`said`), the bucket, and what is left. `tally` is kept up to date.
    """
    rest = iter(listing)
    while some := list(islice(rest, _AT_ONCE)):
        for key, cause in _compared(some, said, scope, tally):
            tally.causes[cause] += 1
            yield key, cause
    for key, cause in _left(said, index, as_of):
        tally.causes[cause] += 1
        yield key, cause


def _compared(
    listed: Sequence[Listed], said: Packed, scope: Scope, tally: Tally
) -> Iterator[tuple[str, Cause]]:
    named = [(image_id(scope.bucket, one.key), one) for one in listed]
    if scope.shard != WHOLE:
        named = [pair for pair in named if scope.shard.holds(pair[0])]
    if scope.prefix:
        named = [pair for pair in named if pair[1].key.startswith(scope.prefix)]
    tally.listed += len(named)
    if not named:
        return
    places = said.find([name for name, _ in named])
    known = places >= 0
    said.seen[places[known]] = True
    etags = hashes([one.etag for _, one in named])
    same = known.copy()
    same[known] &= (said.etags[places[known]] == etags[known]) & (
        said.standing[places[known]] == _CURRENT
    )
    # Without an etag nothing is known to be the same.
    same &= np.fromiter((one.etag != "" for _, one in named), np.bool_, len(named))
    tally.same += int(same.sum())
    for number in np.flatnonzero(~same).tolist():
        one, place = named[number][1], int(places[number])
        yield one.key, _cause(one, place, said, int(etags[number]))


def _cause(one: Listed, place: int, said: Packed, etag: int) -> Cause:
    if place < 0:
        return "new"
    if said.standing[place] == _OTHER_MODEL:
        return "other model"
    if not one.etag:
        return "unsure"
    if said.etags[place] != etag:
        return "changed"
    why: Stale | None = _STANDINGS[said.standing[place]]
    assert why
    return why


def _left(said: Packed, index: Index, as_of: datetime | None) -> Iterator[tuple[str, Cause]]:
    """Records that nothing was listed for. What came after the list was made is not in it."""
    places = np.flatnonzero(~said.seen)
    for first in range(0, len(places), _AT_ONCE):
        for held in index.read(said.ids(places[first : first + _AT_ONCE])).values():
            record = held.record
            if record.state == "deleted":
                continue
            came = record.uploaded_at or record.indexed_at
            yield record.key, "newer" if as_of and came >= as_of else "gone"
