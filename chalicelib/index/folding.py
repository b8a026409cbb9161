"""Copies among many images at once, in numpy; `chalicelib.copies` says the rule one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chalicelib import copies
from chalicelib.copies import Collapse, CopyKind, Folded

_CELLS = 1 << 21

Signatures = NDArray[np.uint64]
"""[n, 4], a row an image: two numbers of its sha256, then rows and columns of its perceptual hash;
nought where there is none."""


def signature(sha256: str, perceptual_hash: str) -> bytes:
    """A row of `Signatures`, big-endian."""
    same = hashlib.blake2b(sha256.encode(), digest_size=16).digest() if sha256 else bytes(16)
    halves = copies.halves(perceptual_hash) or (0, 0)
    return same + b"".join(half.to_bytes(8, "big") for half in halves)


def signatures(rows: Sequence[bytes]) -> Signatures:
    return np.frombuffer(b"".join(rows), dtype=">u8").astype(np.uint64).reshape(-1, 4)


class Stack(NamedTuple):
    """Places in a ranked set: the item's own, and those of the copies behind it."""

    place: int
    exact: tuple[int, ...]
    near: tuple[int, ...]


def fold(rows: Signatures, collapse: Collapse) -> list[Stack]:
    """The items of a ranked set (best first) once each is folded behind the best of which it is
    a copy. Only an item has copies: what is like one of them but not like it stays its own."""
    if collapse == "none":
        return [Stack(place, (), ()) for place in range(len(rows))]
    crowd = _not_alone(rows)
    places = np.flatnonzero(crowd)
    stacks = [Stack(place, (), ()) for place in np.flatnonzero(~crowd).tolist()]
    free = np.ones(len(places), dtype=np.bool_)
    step = max(1, _CELLS // max(1, len(places)))
    for first in range(0, len(places), step):
        exact, near, _ = _compared(rows[places[first : first + step]], rows[places])
        alike = exact | near if collapse == "near" else exact
        for number in range(first, first + len(alike)):
            if not free[number]:
                continue
            free[number] = False
            behind = np.flatnonzero(alike[number - first] & free)
            free[behind] = False
            same = exact[number - first, behind]
            stacks.append(
                Stack(
                    int(places[number]),
                    tuple(places[behind[same]].tolist()),
                    tuple(places[behind[~same]].tolist()),
                )
            )
    return sorted(stacks)


def _not_alone(rows: Signatures) -> NDArray[np.bool_]:
    """Which of `rows` may have a copy among the others: those that share the first number of
    their sha256 with one, or as many bands of their hash as near copies do. Most do not, and need
    not be compared with each."""
    bands = rows[:, 2:].astype(">u8").view(">u2").reshape(len(rows), copies.BANDS)
    shared = np.zeros(len(rows), dtype=np.uint8)
    for band in bands.T:
        shared += _found_twice(band)
    found: NDArray[np.bool_] = _found_twice(rows[:, 0]) | (shared >= copies.EQUAL_BANDS)
    return found


def _found_twice(values: NDArray[Any]) -> NDArray[np.bool_]:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    twice: NDArray[np.bool_] = (counts > 1)[place]
    return twice


def folded(stack: Stack, ids: Sequence[str]) -> Folded:
    """`ids` are those of the ranked set."""
    behind = sorted((*stack.exact, *stack.near))[: copies.MAX_FOLDED_IDS]
    return Folded(len(stack.exact), len(stack.near), tuple(ids[place] for place in behind))


def alike(one: bytes, rows: Signatures) -> list[tuple[int, CopyKind, int]]:
    """(place, kind, bits apart) of each of `rows` that is a copy of the image with the signature
    `one`."""
    exact, near, apart = _compared(signatures([one]), rows)
    found: list[tuple[int, CopyKind, int]]
    found = [(place, "exact", 0) for place in np.flatnonzero(exact[0]).tolist()]
    return found + [
        (place, "near", int(apart[0, place])) for place in np.flatnonzero(near[0]).tolist()
    ]


def _compared(
    some: Signatures, others: Signatures
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.uint8]]:
    """(exact copies, near copies, how many bits apart), each [len(some), len(others)]."""
    exact = (some[:, None, 0] == others[:, 0]) & (some[:, None, 1] == others[:, 1])
    exact &= (some[:, 0] | some[:, 1])[:, None] != 0
    apart = np.bitwise_count(some[:, None, 2] ^ others[:, 2])
    apart += np.bitwise_count(some[:, None, 3] ^ others[:, 3])
    allowed = np.minimum(_bits_allowed(some)[:, None], _bits_allowed(others))
    return exact, (apart <= allowed) & (allowed > 0) & ~exact, apart


def _bits_allowed(rows: Signatures) -> NDArray[np.uint8]:
    edges = _edges(rows[:, 2]) + _edges(rows[:, 3])
    allowed = np.minimum(edges // copies.EDGES_PER_BIT, copies.MAX_BITS)
    return np.where(edges < copies.LEAST_EDGES, 0, allowed).astype(np.uint8)


def _edges(half: NDArray[np.uint64]) -> NDArray[np.uint8]:
    along, down = copies.edge_bits(half)
    edges: NDArray[np.uint8] = np.bitwise_count(along) + np.bitwise_count(down)
    return edges
