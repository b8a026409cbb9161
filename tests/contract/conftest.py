"""An index for every test, once for each store in `index_stores.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from index_helpers import DIM
from index_stores import STORES, Store, opensearch

from chalicelib.index import ranking, vectors
from chalicelib.index.base import Index
from chalicelib.index.embedded import EmbeddedIndex
from tests.opensearch_patience import be_patient


@pytest.fixture(autouse=True)
def _patient_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)


@pytest.fixture(params=[*STORES, "opensearch"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "opensearch":
        return opensearch(request.getfixturevalue("opensearch_node").url)
    return STORES[request.param]


@pytest.fixture
def tolerance(store: Store) -> float:
    """How far scores of the store may be off the true ones."""
    return store.tolerance


@pytest.fixture
def index(store: Store, tmp_path: Path) -> Iterator[Index]:
    index = store.open(tmp_path)
    index.ensure()
    yield index
    index.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedIndex]:
    index = EmbeddedIndex(tmp_path, dim=DIM, model="tiny")
    index.ensure()
    yield index
    index.close()


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes few vectors do what it takes hundreds of thousands to do: new blocks, compaction."""
    monkeypatch.setattr(vectors, "BLOCK", 64)
    monkeypatch.setattr(vectors, "_FEW_DEAD", 16)
    monkeypatch.setattr(vectors, "_FETCH", 50)
    monkeypatch.setattr(ranking, "_FEW", 2)
