"""What every index promises (chalicelib/index/base.py): finding copies, and folding them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from index_helpers import (
    ANY,
    NOW,
    QUERY,
    bare,
    ids,
    in_order,
    later,
    name_of,
    put,
    random_units,
    ready,
    tombstone,
    toward,
    true_facets,
    walk,
)

from chalicelib.copies import MAX_COPIES, MAX_FOLDED_IDS, Collapse, Copy, Folded, copies_among
from chalicelib.index.base import Index
from chalicelib.index.memory import MemoryIndex
from chalicelib.records import Filters, Hit, ImageRecord

RANDOM = random.Random(5)
HASH = RANDOM.getrandbits(128)
OTHER = RANDOM.getrandbits(128)


def marked(
    number: int, sha256: str = "", hash: int | None = HASH, bits: int = 0, **fields: Any
) -> ImageRecord:
    """A record whose hash differs from `hash` in the first `bits` bits."""
    seen = "" if hash is None else f"{hash ^ ((1 << bits) - 1):032x}"
    return ready(
        number,
        **({"sha256": sha256 or f"file {number}", "perceptual_hash": seen} | fields),
    )


def copies(index: Index, record: ImageRecord) -> list[Copy]:
    (found,) = index.copies([record])
    return found


def folded(index: Index, collapse: Collapse = "near", **options: Any) -> list[Hit]:
    values: dict[str, Any] = {"limit": 100, "ranked": 1000} | options
    return index.search(QUERY, ANY, collapse=collapse, **values).hits


# --- finding --------------------------------------------------------------------------------------


def test_copies_of_an_image_are_found_the_exact_ones_first(index: Index) -> None:
    one = marked(1, "aa")
    put(
        index,
        one,
        marked(2, "aa", hash=None),
        marked(3, bits=6),
        marked(4, bits=1),
        marked(5, bits=7),
        marked(6, hash=OTHER),
    )
    assert copies(index, one) == [
        (name_of(2), "exact", 0),
        (name_of(4), "near", 1),
        (name_of(3), "near", 6),
    ]


def test_only_ready_images_are_copies_each_as_it_is_now(index: Index) -> None:
    one = marked(1)
    rejected = bare(3, sha256="file 1", perceptual_hash=one.perceptual_hash)
    put(index, one, marked(2), rejected, marked(4), marked(5))
    put(index, tombstone(4), marked(5, hash=OTHER))
    assert copies(index, one) == [(name_of(2), "near", 0)]
    put(index, marked(2, hash=OTHER), marked(5, bits=2))
    assert copies(index, one) == [(name_of(5), "near", 2)]
    index.purge(later(days=1))
    assert copies(index, one) == [(name_of(5), "near", 2)]


def test_an_image_without_marks_has_no_copies(index: Index) -> None:
    blank = [ready(n, sha256="", perceptual_hash="0" * 32) for n in range(3)]
    old = [ready(n, sha256="", perceptual_hash="ab" * 8) for n in range(3, 6)]
    put(index, *blank, *old, ready(7))
    assert index.copies([*blank, *old, ready(7)]) == [[]] * 7


def test_copies_of_many_images_come_in_their_order(index: Index) -> None:
    put(index, marked(1), marked(2), marked(3, hash=OTHER), ready(4))
    assert index.copies([marked(3, hash=OTHER), ready(4), marked(2), marked(9)]) == [
        [],
        [],
        [(name_of(1), "near", 0)],
        [(name_of(n), "near", 0) for n in sorted((1, 2), key=name_of)],
    ]
    assert index.copies([]) == []


def test_of_very_many_copies_the_first_are_told(index: Index) -> None:
    put(index, *(marked(n, "aa") for n in range(MAX_COPIES + 50)))
    names = sorted(name_of(n) for n in range(1, MAX_COPIES + 50))
    assert copies(index, marked(0, "aa")) == [(name, "exact", 0) for name in names[:MAX_COPIES]]


def alike_and_not(seed: int, count: int = 250) -> list[ImageRecord]:
    """Families of near and exact copies, some on the edge of being one, some flat."""
    chance = random.Random(seed)
    stripes = int("f0" * 16, 16)
    hashes = [chance.getrandbits(128) for _ in range(count // 8)] + [0, stripes, stripes << 64]
    rows = random_units(count, seed=seed)
    records = []
    for number in range(count):
        seen = chance.choice(hashes)
        for _ in range(chance.choice([0, 0, 1, 3, 5, 6, 7, 8])):
            seen ^= 1 << chance.randrange(128)
        sha256 = chance.choice(["", f"file {chance.randrange(count // 5)}"])
        records.append(
            ready(
                number,
                rows[number],
                sha256=sha256,
                perceptual_hash=f"{seen % 2**128:032x}" if number % 17 else "ab" * 8,
                owner=chance.choice(["", "ann"]),
            )
        )
    return records


@pytest.mark.parametrize("seed", range(3))
def test_all_copies_are_found_and_nothing_else(index: Index, seed: int) -> None:
    records = alike_and_not(seed)
    put(index, *records)
    expected = [
        copies_among(one, [(r.id, r) for r in records if r.id != one.id]) for one in records
    ]
    assert sum(map(len, expected)) > len(records)
    assert index.copies(records) == expected


# --- folding --------------------------------------------------------------------------------------


def test_copies_are_folded_behind_the_best_of_them(index: Index) -> None:
    put(
        index,
        marked(1, "aa", vector=toward(0.5)),
        marked(2, "aa", vector=toward(0.9)),
        marked(3, bits=2, vector=toward(0.8)),
        marked(4, hash=OTHER, vector=toward(0.7)),
    )
    found = index.search(QUERY, ANY, limit=10, ranked=10, collapse="near")
    assert ids(found.hits) == [name_of(2), name_of(4)]
    assert [hit.copies for hit in found.hits] == [
        Folded(1, 1, (name_of(3), name_of(1))),
        Folded(),
    ]
    assert found.total == 2
    found = index.search(QUERY, ANY, limit=10, ranked=10, collapse="exact")
    assert ids(found.hits) == [name_of(2), name_of(3), name_of(4)]
    assert (found.hits[0].copies, found.total) == (Folded(1, 0, (name_of(1),)), 3)
    found = index.search(QUERY, ANY, limit=10, ranked=10)
    assert (len(found.hits), {hit.copies for hit in found.hits}) == (4, {None})


def test_among_equal_scores_the_first_id_stands_for_the_rest(index: Index) -> None:
    put(index, *(marked(n, "aa", vector=toward(0.5)) for n in range(9)))
    first, *others = sorted(name_of(n) for n in range(9))
    (hit,) = folded(index)
    assert (hit.record.id, hit.copies) == (first, Folded(8, 0, tuple(others)))


def test_of_many_behind_an_item_the_best_are_named_and_all_are_counted(index: Index) -> None:
    put(index, *(marked(n, "aa", vector=toward(1 - n / 100)) for n in range(40)))
    (hit,) = folded(index, limit=1)
    best = tuple(name_of(n) for n in range(1, MAX_FOLDED_IDS + 1))
    assert hit.copies == Folded(39, 0, best)


def test_what_takes_no_part_hides_nothing(index: Index) -> None:
    """A copy that the filter keeps out, that is left out or beyond the ranked set."""
    put(
        index,
        marked(1, vector=toward(0.9), owner="ann"),
        marked(2, vector=toward(0.8)),
        marked(3, vector=toward(0.7)),
    )
    for options in (
        {"filters": Filters(owner="")},
        {"filters": ANY, "leave_out": frozenset([name_of(1)])},
    ):
        found = index.search(QUERY, limit=9, ranked=9, collapse="near", **options)  # type: ignore[arg-type]
        assert (ids(found.hits), found.total) == ([name_of(2)], 1)
        assert found.hits[0].copies == Folded(0, 1, (name_of(3),))
    (hit,) = folded(index, ranked=2)
    assert hit.copies == Folded(0, 1, (name_of(2),))


@pytest.mark.parametrize("collapse", ["exact", "near"])
@pytest.mark.parametrize("limit", [1, 7, 300])
def test_pages_of_a_folded_set_join_into_it(index: Index, collapse: Collapse, limit: int) -> None:
    """As the plainest of indexes folds it, whatever the size of a page."""
    records = alike_and_not(7)
    put(index, *records)
    truth = MemoryIndex(dim=len(QUERY))
    put(truth, *records)
    ranked = 40 if limit == 1 else 200
    expected = truth.search(QUERY, ANY, limit=300, ranked=ranked, collapse=collapse)
    assert expected.total < ranked
    hits = walk(index, QUERY, limit=limit, ranked=ranked, collapse=collapse)
    assert [(h.record.id, h.copies) for h in hits] == [
        (h.record.id, h.copies) for h in expected.hits
    ]
    found = index.search(QUERY, ANY, limit=1, ranked=ranked, collapse=collapse)
    assert found.total == expected.total


def test_facets_are_of_the_set_before_it_is_folded(index: Index) -> None:
    records = [marked(n, "aa", collection=str(n % 3)) for n in range(10)]
    put(index, *records)
    found = index.search(QUERY, ANY, limit=5, ranked=10, facets=True, collapse="near")
    assert (len(found.hits), found.total) == (1, 1)
    assert in_order(found.facets) == true_facets(records)


def test_an_empty_set_folds_to_nothing(index: Index) -> None:
    assert index.search(QUERY, ANY, limit=5, ranked=5, collapse="near")[:3] == ([], 0, None)
    put(index, ready(1, uploaded_at=NOW))
    assert index.search(QUERY, ANY, limit=5, ranked=0, collapse="near")[:3] == ([], 0, None)
