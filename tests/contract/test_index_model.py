"""Random histories: a store must always agree with a dictionary that keeps the same promises."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from index_helpers import (
    NOW,
    bare,
    disagreements,
    ids,
    later,
    name_of,
    ready,
    tombstone,
    true_order,
    unit,
    walk,
)
from index_stores import STORES, Store

from chalicelib.index.base import Version, Write
from chalicelib.index.memory import MemoryIndex
from chalicelib.records import STATES, Filters, ImageRecord
from chalicelib.relevance import Cut
from chalicelib.words import parse

NUMBERS = st.integers(0, 11)
VECTORS = st.lists(st.integers(-2, 2), min_size=8, max_size=8).filter(any).map(unit)
COLLECTIONS = st.sampled_from(["a", "b"])
HOURS = st.integers(-3, 3)
NAMES = st.lists(st.sampled_from(["a", "redBoat", "red", "boat", "IMG_1"]), max_size=3).map(
    " ".join
)
QUERIES = st.sampled_from(
    ["", "red", "red boat", "boat 1", '"red boat"', "img 1", "a -red", "a", '-"boat red" redboat']
)


class Histories(RuleBasedStateMachine):
    """`held` is what the store must hold: id → (record, vector); `past` every version seen."""

    def __init__(self, store: Store, readers: int = 1) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._tolerance = store.tolerance
        self.readers = [store.open(Path(self._folder.name)) for _ in range(readers)]
        for reader in self.readers:
            reader.ensure()
        self.store = self.readers[0]
        self.held: dict[str, tuple[ImageRecord, np.ndarray | None]] = {}
        self.past: dict[str, list[Version]] = {}

    def teardown(self) -> None:
        for reader in self.readers:
            reader.close()
        self._folder.cleanup()

    def _write(self, record: ImageRecord) -> None:
        found = self.store.read([record.id])
        expected = found[record.id].version if record.id in found else None
        assert self.store.write([Write(record, expected)]) == ["written"]
        self.held[record.id] = (record, record.vector)
        version = self.store.read([record.id])[record.id].version
        assert version not in self.past.setdefault(record.id, [])
        self.past[record.id].append(version)

    @rule(number=NUMBERS, vector=VECTORS, collection=COLLECTIONS, hour=HOURS)
    def put(self, number: int, vector: np.ndarray, collection: str, hour: int) -> None:
        self._write(ready(number, vector, collection=collection, uploaded_at=later(hours=hour)))

    @rule(number=NUMBERS, hour=HOURS)
    def delete(self, number: int, hour: int) -> None:
        self._write(tombstone(number, indexed_at=later(hours=hour)))

    @rule(number=NUMBERS, collection=COLLECTIONS)
    def reject(self, number: int, collection: str) -> None:
        self._write(bare(number, collection=collection))

    @rule(number=NUMBERS, data=st.data())
    def write_over_a_stale_version(self, number: int, data: Any) -> None:
        name = name_of(number)
        versions = self.past.get(name, [])
        stale: list[Version | None] = [*versions[:-1], None] if name in self.held else [*versions]
        if stale:
            expected = data.draw(st.sampled_from(stale))
            assert self.store.write([Write(ready(number), expected)]) == ["conflict"]

    @rule(hour=HOURS)
    def purge(self, hour: int) -> None:
        old = [
            name
            for name, (record, _) in self.held.items()
            if record.state == "deleted" and record.indexed_at < later(hours=hour)
        ]
        assert self.store.purge(later(hours=hour)) == len(old)
        for name in old:
            del self.held[name]

    @rule(
        query=VECTORS,
        collection=COLLECTIONS | st.none(),
        limit=st.integers(1, 5),
        reader=st.integers(0, 1),
    )
    def search(self, query: np.ndarray, collection: str | None, limit: int, reader: int) -> None:
        store = self.readers[reader % len(self.readers)]
        admitted = {
            name: vector
            for name, (record, vector) in self.held.items()
            if vector is not None and collection in (None, record.collection)
        }
        filters = Filters(collection=collection)
        hits = walk(store, query, filters, limit=limit, ranked=8)
        truth = true_order(admitted, query)
        assert disagreements(hits, truth, self._tolerance, ranked=8) == []
        found = store.search(query, filters, limit=limit, ranked=8)
        assert found.total == min(8, len(admitted))
        assert ids(found.hits) == ids(hits[:limit])

    @rule(collection=COLLECTIONS | st.none(), hour=HOURS)
    def list_ready(self, collection: str | None, hour: int) -> None:
        filters = Filters(collection=collection, date_from=later(hours=hour))
        expected = sorted(
            (-(record.uploaded_at or NOW).timestamp(), record.id)
            for record, _ in self.held.values()
            if record.state == "ready"
            and collection in (None, record.collection)
            and (record.uploaded_at or NOW) >= later(hours=hour)
        )
        listing = self.store.list(filters, ["ready"], limit=3)
        assert [record.id for record in listing.records] == [name for _, name in expected[:3]]
        assert listing.total == len(expected)

    @rule()
    def reopen(self) -> None:
        self.store.ensure()

    @invariant()
    def what_is_read_is_what_was_written(self) -> None:
        found = self.store.read([name_of(n) for n in range(12)])
        assert {name: v.record for name, v in found.items()} == {
            name: record for name, (record, _) in self.held.items()
        }
        states = [record.state for record, _ in self.held.values()]
        assert self.store.counts() == {state: states.count(state) for state in STATES}
        assert {summary.id for summary in self.store.scan()} == set(self.held)


class Wordings(Histories):
    """Those of images that have words and long vectors, against the plainest index."""

    @rule(
        number=NUMBERS,
        vector=VECTORS,
        response=st.sampled_from([0.25, 1.0, 2.0]),
        texts=st.fixed_dictionaries({"name": NAMES, "collection": NAMES, "text": NAMES}),
        hour=HOURS,
        copy=st.sampled_from(["", "a", "b"]),
    )
    def put_worded(
        self,
        number: int,
        vector: np.ndarray,
        response: float,
        texts: dict[str, str],
        hour: int,
        copy: str,
    ) -> None:
        row = (vector / response).astype(np.float32)
        date = later(hours=hour)
        self._write(ready(number, row, response=response, uploaded_at=date, sha256=copy, **texts))

    @rule(
        query=VECTORS,
        text=QUERIES,
        threshold=st.sampled_from([None, -1.0, 0.3, 0.8, 9.0]),
        closest=st.booleans(),
        order=st.sampled_from(["best", "newest", "oldest"]),
        ranked=st.sampled_from([1, 3, 8, 20]),
        limit=st.integers(1, 5),
        collapse=st.sampled_from(["none", "exact"]),
        facets=st.booleans(),
        left_out=NUMBERS | st.none(),
        reader=st.integers(0, 1),
    )
    def search_by_words(
        self,
        query: np.ndarray,
        text: str,
        threshold: float | None,
        closest: bool,
        limit: int,
        left_out: int | None,
        reader: int,
        **options: Any,
    ) -> None:
        options["wording"] = parse(text).wording if text else None
        options["cut"] = None if threshold is None else Cut(threshold, closest)
        options["leave_out"] = frozenset() if left_out is None else frozenset([name_of(left_out)])
        truth = MemoryIndex(dim=8)
        truth.write([Write(replace(r, vector=v), None) for r, v in self.held.values()])
        store = self.readers[reader % len(self.readers)]
        filters = Filters(collection="a") if limit == 1 else Filters()
        after = None
        for _ in range(30):
            found = store.search(query, filters, limit=limit, after=after, **options)
            assert found == truth.search(query, filters, limit=limit, after=after, **options)
            after = found.next
            if after is None:
                break
        assert np.array_equal(store.best_scores(query[None]), truth.best_scores(query[None]))


HISTORIES = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.usefixtures("small_blocks")
def test_random_histories_agree_with_a_dictionary(store: Store) -> None:
    # A server takes as long for one as the others for all.
    count = HISTORIES.max_examples // (2 if store.tolerance else 1)
    played = settings(HISTORIES, max_examples=count)
    run_state_machine_as_test(lambda: Histories(store), settings=played)


@pytest.mark.usefixtures("small_blocks")
def test_a_second_reader_agrees_however_far_it_lagged_behind() -> None:
    run_state_machine_as_test(lambda: Histories(STORES["embedded"], readers=2), settings=HISTORIES)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("name", "readers"), [("embedded", 1), ("embedded", 2), ("memory", 1)])
def test_random_histories_of_words_agree_with_the_plainest_index(name: str, readers: int) -> None:
    few = settings(HISTORIES, max_examples=25, stateful_step_count=25)
    run_state_machine_as_test(lambda: Wordings(STORES[name], readers=readers), settings=few)
