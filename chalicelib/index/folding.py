"""Copies among many images at once, in numpy; `chalicelib.copies` says the rule one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

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
    stacks = []
    free = np.ones(len(rows), dtype=np.bool_)
    step = max(1, _CELLS // max(1, len(rows)))
    for first in range(0, len(rows), step):
        exact, near, _ = _compared(rows[first : first + step], rows[first:])
        alike = exact | near if collapse == "near" else exact
        # Of itself each is an exact or near copy, where it has marks at all.
        crowded = alike.sum(axis=1) > 1
        for row in range(len(alike)):
            place = first + row
            if not free[place]:
                continue
            free[place] = False
            if not crowded[row]:
                stacks.append(Stack(place, (), ()))
                continue
            behind = np.flatnonzero(alike[row] & free[first:])
            free[first + behind] = False
            same = exact[row, behind]
            stacks.append(
                Stack(
                    place,
                    tuple((first + behind[same]).tolist()),
                    tuple((first + behind[~same]).tolist()),
                )
            )
    return stacks


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
