"""Facets counted from the images of a ranked set, or of a library, on this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from chalicelib.index.base import FACETS, MAX_FACET_VALUES, Facet, Facets


class Alike(NamedTuple):
    """How many images have these values."""

    collection: str
    year: int | None
    camera: str
    format: str
    images: int = 1


def counted(groups: Iterable[Alike]) -> Facets:
    """What `groups` add up to, as `base.Facets` promises it."""
    counts: dict[Facet, Counter[str]] = {facet: Counter() for facet in FACETS}
    for alike in groups:
        counts["collection"][alike.collection] += alike.images
        counts["format"][alike.format] += alike.images
        if alike.camera:
            counts["camera"][alike.camera] += alike.images
        if alike.year is not None:
            counts["year"][str(alike.year)] += alike.images
    return {facet: _most(counts[facet]) for facet in FACETS}


def _most(counts: Counter[str]) -> dict[str, int]:
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return dict(order[:MAX_FACET_VALUES])
