"""Vectors of what is asked for → one vector to search with. docs/adr/0037 has the figures.

All vectors are unit ones of the calibrated space, where unrelated things stand at right angles;
without a calibration they are the model's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEFT_OUT_WEIGHT = 0.4
"""How much the meaning of `-word` counts, of all that one text leaves out together. At 0.2 a
quarter of what is not wanted stays, at 0.4 nothing; above, what is wanted begins to go too."""

GIVES_WAY = 1.5
"""What is subtracted lowers the ρ of what is wanted by the cosine between the query and what is
wanted, and somewhat more where that has a little of both, as another dog has of a terrier. So the
threshold is lowered by the cosine to this power."""

LEAST_SUM = 0.05
"""Parts whose sum is a smaller share of what they weigh say nothing."""

LEAST_LEFT = 0.2
"""What is wanted must be at least so much (a cosine) of what is searched with."""


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a query. `vector` is float32 [D]; `left_out` are the vectors of what its text
    leaves out. `picture` where it is an image, not a text."""

    vector: NDArray[np.float32]
    weight: float = 1.0
    picture: bool = False
    left_out: tuple[NDArray[np.float32], ...] = ()


class Sum(NamedTuple):
    """`vector` is float32 [D], unit. `wanted` is the cosine between it and what is wanted by
    itself: an image that answers to the latter alone has so much of its ρ for the former.
    `pictures` is the share of pictures in what is wanted, 0 to 1; `length` that of the sum of what
    is wanted over its weights: 1 where all of it is the same, less the less it has in common."""

    vector: NDArray[np.float32]
    wanted: float
    pictures: float
    length: float


def sum_of(terms: Sequence[Term], *, field: str) -> Sum:
    """unit(Σ weight · vector). Raises `InvalidRequest`, naming `field`, where the terms cancel each
    other out."""
    import numpy as np

    wanted = [term for term in terms if term.weight > 0]
    weights = sum(term.weight for term in wanted)
    positive = np.zeros(terms[0].vector.shape, np.float64)
    negative = np.zeros_like(positive)
    for term in terms:
        side = positive if term.weight > 0 else negative
        side += abs(term.weight) * term.vector.astype(np.float64)
    for term in wanted:
        if term.left_out:
            away = _unit(np.sum(term.left_out, axis=0, dtype=np.float64), 1.0, field)
            negative += LEFT_OUT_WEIGHT * term.weight * away
    all_weights = sum(abs(term.weight) for term in terms)
    whole = _unit(positive - negative, all_weights, field)
    left = float(whole @ _unit(positive, weights, field))
    if left < LEAST_LEFT:
        raise _cancelled(field)
    pictures = sum(term.weight for term in wanted if term.picture) / weights
    length = float(np.sqrt(positive @ positive)) / weights
    return Sum(whole.astype(np.float32), left, pictures, length)


def _unit(vector: NDArray[np.float64], weights: float, field: str) -> NDArray[np.float64]:
    import numpy as np

    length = float(np.sqrt(vector @ vector))
    if length < LEAST_SUM * weights:
        raise _cancelled(field)
    return vector / length


def _cancelled(field: str) -> InvalidRequest:
    return InvalidRequest(
        "The parts of this search cancel each other out, so that nothing is left to look for;"
        " change them or their weights.",
        field=field,
    )
