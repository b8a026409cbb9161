"""The whole kept set of a search: decided, counted, folded and put in order."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

from chalicelib.copies import Collapse, Folded, Marks
from chalicelib.index.base import FACETS, Facets, Place
from chalicelib.index.facets import Alike, counted
from chalicelib.index.opensearch.alike import marks
from chalicelib.index.opensearch.candidates import Gathered, Values
from chalicelib.index.paging import best_place, date_place, rising
from chalicelib.relevance import Candidate, Cut, Order, decide


@dataclass(frozen=True, slots=True)
class Ranked:
    """`kept` runs in the order asked for, `places` beside it. `copies` stand behind images by
    id, where the set was folded."""

    order: Order
    kept: list[Candidate]
    places: list[Place]
    facets: Facets | None
    matched: bool | None
    rest: int
    copies: dict[str, Folded] = field(default_factory=dict)

    def start(self, after: Place | None) -> int:
        """The number of the first image behind `after`."""
        if after is None:
            return 0
        return bisect_right(
            self.places, rising(after, self.order), key=lambda place: rising(place, self.order)
        )


def values_for(order: Order, facets: bool, collapse: Collapse) -> list[str]:
    """The doc values that `ranked` will want."""
    return [
        *(["date"] if order != "best" else []),
        *(FACETS if facets else ()),
        *(Marks._fields if collapse != "none" else ()),
    ]


def ranked(
    gathered: Gathered,
    *,
    most: int,
    cut: Cut | None,
    order: Order,
    facets: bool,
    collapse: Collapse,
) -> Ranked:
    """What belongs in the answer, of at most the `most` best of what was gathered."""
    values = gathered.values
    decided = decide(gathered.candidates, cut, most)
    found = counted(_alike(values[one.id]) for one in decided.kept) if facets else None
    kept = decided.kept
    copies: dict[str, Folded] = {}
    if collapse != "none":
        kept, copies = _folded(kept, values, collapse)
    placed = [(_place(order, one, values[one.id]), one) for one in kept]
    if order != "best":  # in which they are
        placed.sort(key=lambda placed: rising(placed[0], order))
    return Ranked(
        order,
        [one for _, one in placed],
        [place for place, _ in placed],
        found,
        decided.matched,
        decided.rest,
        copies,
    )


def _place(order: Order, one: Candidate, values: Values) -> Place:
    if order == "best":
        return best_place(one.score, one.id, within=one.within)
    (date,) = values.get("date", [None])
    return date_place(date, one.id)


def _folded(
    kept: list[Candidate], values: dict[str, Values], collapse: Collapse
) -> tuple[list[Candidate], dict[str, Folded]]:
    from chalicelib.index import folding

    rows = [folding.signature(*marks(values[one.id])) for one in kept]
    stacks = folding.fold(folding.signatures(rows), collapse)
    ids = [one.id for one in kept]
    return (
        [kept[stack.place] for stack in stacks],
        {ids[stack.place]: folding.folded(stack, ids) for stack in stacks},
    )


def _alike(values: dict[str, list[Any]]) -> Alike:
    """Of one hit's doc values; what is missing was not known, or too long to be a keyword."""
    collection, year, camera, kind = (next(iter(values.get(name, ())), "") for name in FACETS)
    return Alike(collection, int(year) if year else None, camera, kind)
