"""Random histories: a store must always agree with a dictionary that keeps the same promises."""

from __future__ import annotations

import tempfile
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
from chalicelib.records import STATES, Filters, ImageRecord

NUMBERS = st.integers(0, 11)
VECTORS = st.lists(st.integers(-2, 2), min_size=8, max_size=8).filter(any).map(unit)
COLLECTIONS = st.sampled_from(["a", "b"])
HOURS = st.integers(-3, 3)


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
    run_state_machine_as_test(lambda: Histories(store), settings=HISTORIES)


@pytest.mark.usefixtures("small_blocks")
def test_a_second_reader_agrees_however_far_it_lagged_behind() -> None:
    run_state_machine_as_test(lambda: Histories(STORES["embedded"], readers=2), settings=HISTORIES)
