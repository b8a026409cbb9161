"""Copies: files that are the same to the byte (exact) or to the eye (near).

Nothing about copies is stored as a mark: each verdict comes from what two records say of their
own files, so the order of ingest and deletions cannot make it wrong. docs/adr/0019 has what the
numbers below were measured on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

Bits = TypeVar("Bits", int, Any)

CopyKind = Literal["exact", "near"]
Collapse = Literal["none", "exact", "near"]
"""Which copies of a better-ranked image are no items of their own; "near" includes exact ones."""

MAX_BITS = 6
"""Perceptual hashes of near copies differ in at most so many of their 128 bits."""

LEAST_EDGES = 32
EDGES_PER_BIT = 10
"""A flat picture has a hash that says little: below `LEAST_EDGES` only exact copies are told, and
above it hashes may differ in one bit for every `EDGES_PER_BIT` edges."""

HASH_DIGITS = 32
BANDS = 8
EQUAL_BANDS = BANDS - MAX_BITS
"""Of the `BANDS` parts of two hashes of near copies at least so many are equal: `MAX_BITS` bits
cannot be in more parts than that."""

MAX_COPIES = 100
"""Copies told of one image."""

MAX_FOLDED_IDS = 20
"""Ids told of the images behind one item of a search."""


class Copy(NamedTuple):
    """An image that is a copy of another; `distance` counts the bits their hashes differ in."""

    id: str
    kind: CopyKind
    distance: int


@dataclass(frozen=True, slots=True)
class Folded:
    """How many exact and near copies stand behind one item of a search; `ids` are the first of
    them, best first."""

    exact: int = 0
    near: int = 0
    ids: tuple[str, ...] = ()


class Marked(Protocol):
    """What copies are told by; an `ImageRecord` is one."""

    @property
    def sha256(self) -> str: ...
    @property
    def perceptual_hash(self) -> str: ...


class Marks(NamedTuple):
    """`Marked` of an image of which no more is known."""

    sha256: str
    perceptual_hash: str


def judge(one: Marked, other: Marked) -> tuple[CopyKind, int] | None:
    """What the one is of the other, and in how many bits they differ; None: no copies."""
    if one.sha256 and one.sha256 == other.sha256:
        return "exact", 0
    here, there = halves(one.perceptual_hash), halves(other.perceptual_hash)
    if here is None or there is None:
        return None
    apart = sum((a ^ b).bit_count() for a, b in zip(here, there, strict=True))
    allowed = min(_bits_allowed(here), _bits_allowed(there))
    return ("near", apart) if 0 < allowed >= apart else None


def copies_among(of: Marked, others: Iterable[tuple[str, Marked]]) -> list[Copy]:
    """The copies of `of` among `others` (id, marks), as `first_copies` has them."""
    verdicts = ((name, judge(of, marks)) for name, marks in others)
    return first_copies(Copy(name, *verdict) for name, verdict in verdicts if verdict is not None)


def first_copies(found: Iterable[Copy]) -> list[Copy]:
    """Exact ones first, then by distance and id, at most `MAX_COPIES`."""
    return sorted(found, key=lambda copy: (copy.kind, copy.distance, copy.id))[:MAX_COPIES]


def bands(perceptual_hash: str) -> list[str]:
    """The parts of a hash, each with its place; none where it can have no near copies."""
    known = halves(perceptual_hash)
    if known is None or not _bits_allowed(known):
        return []
    width = HASH_DIGITS // BANDS
    return [
        f"{place}{perceptual_hash[place * width : (place + 1) * width]}" for place in range(BANDS)
    ]


def halves(perceptual_hash: str) -> tuple[int, int] | None:
    """Rows and columns, 64 bits each. Records of an earlier version have rows only, which are not
    enough to tell."""
    if len(perceptual_hash) != HASH_DIGITS:
        return None
    return int(perceptual_hash[:16], 16), int(perceptual_hash[16:], 16)


def _bits_allowed(parts: tuple[int, int]) -> int:
    edges = sum(_edges(half) for half in parts)
    return 0 if edges < LEAST_EDGES else min(MAX_BITS, edges // EDGES_PER_BIT)


def _edges(half: int) -> int:
    """How often neighbours differ among 8 x 8 bits, along rows and columns: 0 to 112."""
    return sum(bits.bit_count() for bits in edge_bits(half))


def edge_bits(half: Bits) -> tuple[Bits, Bits]:
    """A bit for each neighbour that differs: along rows, down columns. `half` is a number of 64
    bits, or an array of such."""
    return (half ^ (half >> 1)) & 0x7F7F7F7F7F7F7F7F, (half ^ (half >> 8)) & 0x00FFFFFFFFFFFFFF
