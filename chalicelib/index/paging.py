"""The order of a kept set and where a page of it starts, the same in every store."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TypeVar

from chalicelib.index.base import NO_DATE, Place
from chalicelib.index.times import micros
from chalicelib.records import Hit
from chalicelib.relevance import Order

T = TypeVar("T")

_BEYOND = 1000.0
"""The place of an image beyond the cut-off is so far down: words may give it a higher score than
what is within has, and it still comes later."""


def best_place(score: float, id: str, *, within: bool) -> Place:
    """Where an image stands in the order "best"."""
    return (score if within else score - _BEYOND), id


def date_place(date: int | None, id: str) -> Place:
    """Where an image of that date (microseconds since 1970) stands in an order by date."""
    return (NO_DATE if date is None else float(date)), id


def place_of(hit: Hit, order: Order) -> Place:
    record = hit.record
    if order == "best":
        return best_place(hit.score, record.id, within=hit.within)
    return date_place(None if record.date is None else micros(record.date), record.id)


def rising(place: Place, order: Order) -> tuple[float, str]:
    """Rises from the first image of a set to the last."""
    number, name = place
    if order == "oldest":
        return (math.inf if number == NO_DATE else number), name
    return -number, name


def page_of(
    items: Sequence[T],
    place: Callable[[T], Place],
    order: Order,
    *,
    limit: int,
    after: Place | None,
) -> tuple[Sequence[T], Place | None]:
    """(the page behind `after` of the whole set `items`, where the next one starts). `items` are
    in order."""
    start = 0
    if after is not None:
        start = bisect_right(
            items, rising(after, order), key=lambda item: rising(place(item), order)
        )
    end = min(len(items), start + max(0, limit))
    return items[start:end], (place(items[end - 1]) if start < end < len(items) else None)
