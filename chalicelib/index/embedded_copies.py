"""Copies in the embedded index: all signatures are in memory, beside the vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chalicelib.copies import Collapse, Copy, Folded, first_copies
from chalicelib.index.folding import alike, fold, folded, signature
from chalicelib.index.ranking import Scored
from chalicelib.index.vectors import Snapshot
from chalicelib.records import ImageRecord


def folded_set(
    snapshot: Snapshot, best: list[Scored], collapse: Collapse
) -> tuple[list[Scored], dict[int, Folded]]:
    """(the items of a ranked set, what stands behind each: by slot)."""
    if collapse == "none":
        return best, {}
    slots = [one.slot for one in best]
    ids = [snapshot.ids[slot] for slot in slots]
    stacks = fold(snapshot.signatures[slots], collapse)
    behind = {slots[stack.place]: folded(stack, ids) for stack in stacks}
    return [best[stack.place] for stack in stacks], behind


def copies_of(
    snapshot: Snapshot, record: ImageRecord, taking: NDArray[np.bool_] | None
) -> list[Copy]:
    """Every image of `snapshot` is looked at that takes part: bool [size], None for all."""
    own = signature(record.sha256, record.perceptual_hash)
    others = (
        Copy(snapshot.ids[slot], kind, apart)
        for slot, kind, apart in alike(own, snapshot.signatures)
        if taking is None or taking[slot]
    )
    return first_copies([copy for copy in others if copy.id != record.id])
