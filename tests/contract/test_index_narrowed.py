"""What every index promises (chalicelib/index/base.py): to count, fold and compare only what a
filter admits; and so, narrowed to a part, to be as an index that holds nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest
from index_helpers import (
    ANY,
    DIM,
    QUERY,
    bare,
    ids,
    in_order,
    later,
    name_of,
    put,
    random_units,
    ready,
    scores_of,
    tombstone,
    toward,
    true_facets,
)

from chalicelib.copies import MAX_COPIES, Folded
from chalicelib.index.base import Index, Searched
from chalicelib.index.memory import MemoryIndex
from chalicelib.index.narrowed import Narrowed, narrowed
from chalicelib.records import MAX_FILTER_DEPTH, STATES, Filters, ImageRecord

ANN, BEN = Filters(owner="ann"), Filters(owner="ben")
HASH = f"{random.Random(5).getrandbits(128):032x}"


# --- one by one -----------------------------------------------------------------------------------


def test_counts_are_of_what_the_filter_admits(index: Index) -> None:
    put(
        index,
        ready(1, owner="ann"),
        ready(2, owner="ben"),
        ready(3, owner="ben", format="png"),
        bare(4, owner="ann"),
        bare(5, owner="ben", state="archived"),
        tombstone(6, owner="ann"),
    )
    assert index.counts(ANN) == {"ready": 1, "rejected": 1, "archived": 0, "deleted": 1}
    assert index.counts(Filters(owner="ben", format="png"))["ready"] == 1
    assert index.counts(Filters(owner="cal")) == dict.fromkeys(STATES, 0)
    assert index.counts(Filters(none_of=(ANN,)))["ready"] == 2
    assert index.counts(ANY) == index.counts()


def test_facets_are_of_what_the_filter_admits_as_it_is_now(index: Index) -> None:
    records = [
        ready(n, owner="ann" if n % 3 else "ben", collection=str(n % 4), camera="X" * (n % 2))
        for n in range(20)
    ]
    put(index, *records, bare(30, owner="ann", collection="no"))
    of_ann = [record for record in records if record.owner == "ann"]
    assert in_order(index.facets()) == true_facets(records)
    assert in_order(index.facets(ANN)) == true_facets(of_ann)
    put(index, tombstone(1, owner="ann"))
    assert in_order(index.facets(ANN)) == true_facets(r for r in of_ann if r.id != name_of(1))
    nothing = index.facets(Filters(owner="cal"))
    assert nothing == {"collection": {}, "year": {}, "camera": {}, "format": {}}


def test_copies_are_of_what_the_filter_admits(index: Index) -> None:
    alike: dict[str, Any] = {"sha256": "aa", "perceptual_hash": HASH}
    one = ready(1, owner="ann", **alike)
    put(index, one, ready(2, owner="ann", **alike), ready(3, owner="ben", **alike))
    assert index.copies([one], ANN) == [[(name_of(2), "exact", 0)]]
    assert index.copies([one], BEN) == [[(name_of(3), "exact", 0)]]
    assert index.copies([one, one], Filters(owner="cal")) == [[], []]
    put(index, ready(2, owner="ben", **alike))
    assert index.copies([one], ANN) == [[]]


def test_copies_that_are_not_admitted_take_no_place(index: Index) -> None:
    """There are more of them than are told, or looked at."""
    alike: dict[str, Any] = {"sha256": "aa", "perceptual_hash": HASH}
    put(index, *(ready(n, owner="ben", **alike) for n in range(1200)))
    mine = [ready(n, owner="ann", **alike) for n in range(1200, 1203)]
    put(index, *mine)
    expected = sorted(record.id for record in mine[1:])
    assert [copy.id for copy in index.copies(mine[:1], ANN)[0]] == expected
    assert len(index.copies(mine[:1])[0]) == MAX_COPIES


# --- narrowed -------------------------------------------------------------------------------------


def everybodys(seed: int, count: int = 160) -> list[ImageRecord]:
    """Images of three owners, alike across them, in every state."""
    chance = random.Random(seed)
    rows = random_units(count, seed=seed)
    records = []
    for number in range(count):
        fields: dict[str, Any] = {
            "owner": chance.choice(["ann", "ben", ""]),
            "collection": chance.choice(["trips", "work"]),
            "camera": chance.choice(["", "X100"]),
            "format": chance.choice(["jpeg", "png"]),
            "uploaded_at": later(hours=-number),
            "sha256": f"file {chance.randrange(30)}",
        }
        state = chance.choice(["ready"] * 4 + ["rejected", "archived", "deleted"])
        if state == "ready":
            records.append(ready(number, rows[number], **fields))
        else:
            records.append(bare(number, state=state, **fields))
    return records


def deep(inner: Filters) -> Filters:
    """`inner`, as deep within filters as a request may have it."""
    for _ in range(MAX_FILTER_DEPTH - 1):
        inner = Filters(all_of=(inner,))
    return inner


WIDENING = {
    "everything": ANY,
    "another's": BEN,
    "anyone's": Filters(any_of=(ANN, BEN, Filters(owner=""))),
    "anything": Filters(any_of=(ANY,)),
    "none of mine": Filters(none_of=(ANN,)),
    "all but nothing": Filters(none_of=(Filters(none_of=(ANY,)),)),
    "one collection": Filters(collection="trips"),
    "deep": deep(ANY),
    "another's, deep": deep(BEN),
    "mine, and a format": Filters(owner="ann", format="png"),
}


def behaviour(index: Searched, records: list[ImageRecord], filters: Filters) -> dict[str, Any]:
    """All that can be learnt of `index`, but for scores."""
    every = [record.id for record in records]
    said: dict[str, Any] = {
        "read": {name: one.record for name, one in index.read(every).items()},
        "vectors": {name for name in every if index.vector(name) is not None},
        "counts": index.counts(filters),
        "facets": in_order(index.facets(filters)),
        "copies": index.copies(records, filters),
        "list": index.list(filters, STATES, limit=20),
        "end": index.list(filters, ["ready"], limit=20, after=(records[40].uploaded_at, every[40])),
    }
    for name, options in {
        "search": {"limit": 100, "ranked": 1000},
        "few": {"limit": 7, "ranked": 10, "facets": True},
        "folded": {"limit": 100, "ranked": 60, "collapse": "exact", "facets": True},
        "like": {"limit": 9, "ranked": 1000, "leave_out": frozenset([every[3]])},
    }.items():
        found = index.search(QUERY, filters, **options)  # type: ignore[arg-type]
        counts = None if found.facets is None else in_order(found.facets)
        said[name] = (ids(found.hits), [h.copies for h in found.hits], found.total, counts)
    return said


@pytest.mark.parametrize("name", WIDENING)
def test_narrowed_an_index_is_as_one_that_holds_nothing_else(index: Index, name: str) -> None:
    records = everybodys(len(name))
    put(index, *records)
    alone = MemoryIndex(dim=DIM)
    put(alone, *(record for record in records if record.owner == "ann"))
    filters = WIDENING[name]
    assert behaviour(Narrowed(index, ANN), records, filters) == behaviour(alone, records, filters)


def test_better_images_of_others_do_not_shorten_a_page(index: Index) -> None:
    put(index, *(ready(n, toward(0.99 - n / 1000), owner="ben") for n in range(50)))
    put(index, *(ready(n, toward(0.5 - n / 1000), owner="ann") for n in range(50, 60)))
    found = Narrowed(index, ANN).search(QUERY, ANY, limit=5, ranked=10)
    assert (ids(found.hits), found.total) == ([name_of(n) for n in range(50, 55)], 10)
    assert max(scores_of(found.hits)) < 0.5


def test_what_changes_hands_is_seen_by_the_new_owner_only(index: Index) -> None:
    put(index, ready(1, owner="ann"), ready(2, owner="ann", sha256="aa"))
    put(index, ready(1, owner="ben"))
    for part, names in ((ANN, [name_of(2)]), (BEN, [name_of(1)])):
        seen = Narrowed(index, part)
        assert ids(seen.search(QUERY, ANY, limit=9, ranked=9).hits) == names
        assert list(seen.read([name_of(1), name_of(2)])) == names
        assert [r.id for r in seen.list(ANY, STATES, limit=9).records] == names


def test_copies_of_others_stand_behind_nothing(index: Index) -> None:
    put(index, *(ready(n, toward(1 - n / 10), owner="ben", sha256="aa") for n in range(3)))
    put(index, ready(5, toward(0.1), owner="ann", sha256="aa"))
    (hit,) = Narrowed(index, ANN).search(QUERY, ANY, limit=9, ranked=9, collapse="near").hits
    assert (hit.record.id, hit.copies) == (name_of(5), Folded())


def test_a_part_that_admits_everything_is_the_index_itself(index: Index) -> None:
    assert narrowed(index, Filters()) is index
    assert narrowed(index, ANN) is not index
