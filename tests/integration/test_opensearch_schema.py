"""What an OpenSearch index is made like, what is let alone, and what every shape of it finds."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
import requests
from numpy.typing import NDArray

from chalicelib.errors import ConfigurationError, NotFound
from chalicelib.index.base import Index, RankedSet
from chalicelib.index.opensearch import Client, OpenSearchIndex, OpenSearchShelf, Shape
from chalicelib.index.opensearch.schema import SCHEMA, Compression
from chalicelib.records import STATES, Filters, ImageRecord
from local.opensearch import docker
from tests.integration.local_stack import ROOT, environment
from tests.integration.opensearch_index import (
    DIM,
    FIRST,
    NOW,
    ONE_NODE,
    Place,
    name_of,
    picture,
    place_on,
    put,
    random_units,
    tombstone,
)
from tests.integration.processes import eventually
from tests.integration.proxy import Proxy, Say
from tests.opensearch_server import Server

ANY = Filters()
WIDE = 64
TOLERANCE = 2e-6


# --- made once ------------------------------------------------------------------------------------

ENSURE = """
import json, sys
from chalicelib.index.opensearch import Client, OpenSearchIndex, Shape
url, name = sys.argv[1:]
index = OpenSearchIndex(
    Client(url), name=name, dim=8, model="fake", bucket="photos", shape=Shape(replicas="0")
)
print("ready", flush=True)
sys.stdin.readline()
index.ensure()
index.ensure()
print(json.dumps(index.counts()))
index.close()
"""


def test_ten_processes_at_once_make_one_index(place: Place) -> None:
    command = [sys.executable, "-c", ENSURE, place.url, place.name]
    processes = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=environment(), cwd=ROOT,
        )
        for _ in range(10)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        said, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
        assert json.loads(said) == dict.fromkeys(STATES, 0)
    mapping = place.ask("GET", "/_mapping")[place.name]["mappings"]
    assert mapping["dynamic"] == "strict"
    about = mapping["_meta"]
    assert datetime.fromisoformat(about.pop("used_at")) <= datetime.now(timezone.utc)
    assert about == {"schema": SCHEMA, "model": "fake", "dim": DIM, "bucket": "photos"}
    assert place.ask("GET", "/_alias")[place.name]["aliases"].keys() == {f"{place.name}.writes"}


def test_ensuring_again_changes_nothing(place: Place) -> None:
    index = place.made()
    put(index, picture(1))
    before = place.ask("GET", "")
    place.made(shape=Shape(shards=2, replicas="1", refresh="5s", compression="4x"))
    assert place.ask("GET", "") == before
    assert index.counts()["ready"] == 1


def test_a_field_that_is_not_of_the_mapping_is_refused(place: Place) -> None:
    place.made()
    address = f"{place.url}/{place.name}/_doc/x"
    answer = requests.put(address, json={"id": "x", "surprise": 1}, timeout=60)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "strict_dynamic_mapping_exception"


def test_the_settings_of_a_new_index_are_those_of_its_shape(place: Place) -> None:
    place.made(shape=Shape(shards=2, replicas="0-1", refresh="500ms"))
    settings = place.ask("GET", "/_settings")[place.name]["settings"]["index"]
    assert settings["number_of_shards"] == "2"
    assert settings["auto_expand_replicas"] == "0-1"
    assert settings["refresh_interval"] == "500ms"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"dim": 9}, "The OpenSearch index {} holds vectors of 8 numbers; this model makes 9."),
        ({"model": "other"}, "The OpenSearch index {} belongs to the model fake, not other."),
        (
            {"bucket": "holidays"},
            "The OpenSearch index {} holds the bucket photos, not holidays: reconcile would throw "
            "out the one for the other. Give each an OpenSearch of its own.",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_index_of_something_else_is_left_alone(
    place: Place, changes: dict[str, Any], sentence: str
) -> None:
    place.made()
    before = place.ask("GET", "")
    with pytest.raises(ConfigurationError) as raised:
        place.open(**changes).ensure()
    assert raised.value.message == sentence.format(place.name)
    assert place.ask("GET", "") == before


def test_an_index_of_another_schema_is_left_alone(place: Place) -> None:
    place.made()
    about = place.ask("GET", "/_mapping")[place.name]["mappings"]["_meta"]
    place.ask("PUT", "/_mapping", {"_meta": about | {"schema": SCHEMA + 1}})
    before = place.ask("GET", "")
    with pytest.raises(ConfigurationError) as raised:
        place.open().ensure()
    assert raised.value.message == (
        f"The OpenSearch index {place.name} was made by another version of this program. Drop it "
        "and run reconcile: it is made again from the bucket."
    )
    assert place.ask("GET", "") == before


@pytest.mark.parametrize(
    "mappings",
    [
        {},
        {"properties": {"vector": {"type": "float"}}},
        {"_meta": {"schema": SCHEMA}, "properties": {"vector": {"type": "float"}}},
        {
            "_meta": {"ours": False},
            "properties": {"vector": {"type": "knn_vector", "dimension": 8}},
        },
    ],
    ids=["empty", "numbers", "marked, without vectors", "vectors, not marked"],
)
def test_a_foreign_index_is_left_alone(place: Place, mappings: dict[str, Any]) -> None:
    place.ask("PUT", "", {"mappings": mappings})
    before = place.ask("GET", "")
    with pytest.raises(ConfigurationError) as raised:
        place.open().ensure()
    expected = f"The OpenSearch index {place.name} was not made by this program."
    assert raised.value.message == expected
    assert place.ask("GET", "") == before


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ({"shards": 0}, "IMAGES_OPENSEARCH_SHARDS must be 1 or more."),
        ({"replicas": "many"}, "IMAGES_OPENSEARCH_REPLICAS must be like 1 or 0-2, not 'many'."),
        ({"replicas": ""}, "IMAGES_OPENSEARCH_REPLICAS must be like 1 or 0-2, not ''."),
        ({"replicas": "0-1-2"}, "IMAGES_OPENSEARCH_REPLICAS must be like 1 or 0-2, not '0-1-2'."),
        ({"replicas": "-1"}, "IMAGES_OPENSEARCH_REPLICAS must be like 1 or 0-2, not '-1'."),
        ({"refresh": "-1"}, "IMAGES_OPENSEARCH_REFRESH must be like 1s or 500ms, not '-1'."),
        ({"refresh": "1"}, "IMAGES_OPENSEARCH_REFRESH must be like 1s or 500ms, not '1'."),
        ({"refresh": "1s\n"}, "IMAGES_OPENSEARCH_REFRESH must be like 1s or 500ms, not '1s\\n'."),
    ],
    ids=str,
)
def test_a_shape_that_no_index_can_have_is_refused_with_its_setting(
    shape: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Shape(**shape)
    assert raised.value.message == sentence


def test_a_shape_that_the_server_refuses_is_a_matter_of_configuration(place: Place) -> None:
    with pytest.raises(ConfigurationError) as raised:
        place.made(shape=Shape(shards=100_000, replicas="0"))
    assert "100000" in raised.value.message
    assert not place.is_there()


# --- what is found --------------------------------------------------------------------------------

ROWS = random_units(500, seed=3, dim=WIDE)
ASKED = random_units(1, seed=4, dim=WIDE)[0]


def true_scores(query: NDArray[np.float32]) -> dict[str, float]:
    scores = ROWS.astype(np.float64) @ query.astype(np.float64)
    return {name_of(n): score for n, score in enumerate(scores.tolist())}


def best(scores: dict[str, float], count: int) -> list[str]:
    return sorted(scores, key=lambda name: (-scores[name], name))[:count]


def filled(place: Place, shape: Shape) -> OpenSearchIndex:
    index = place.made(dim=WIDE, shape=shape)
    put(index, *(picture(n, row) for n, row in enumerate(ROWS)))
    return index


def walk(index: Index, query: NDArray[np.float32], *, limit: int, ranked: int) -> list[RankedSet]:
    pages: list[RankedSet] = []
    after = None
    while True:
        page = index.search(query, ANY, limit=limit, ranked=ranked, after=after)
        if not page.hits:
            return pages
        pages.append(page)
        after = (page.hits[-1].score, page.hits[-1].record.id)


def compression_of(place: Place) -> str | None:
    vector = place.ask("GET", "/_mapping")[place.name]["mappings"]["properties"]["vector"]
    level: str | None = vector.get("compression_level")
    return level


@pytest.mark.parametrize(
    "shape",
    [ONE_NODE, Shape(replicas="0", compression="4x"), Shape(shards=3, replicas="0")],
    ids=["plain", "compressed 4x", "3 shards"],
)
def test_the_ten_best_are_those_of_a_full_comparison_with_their_true_scores(
    place: Place, shape: Shape
) -> None:
    index = filled(place, shape)
    assert (compression_of(place) or "1x") == shape.compression
    for query in (ASKED, ROWS[7], -ROWS[8]):
        scores = true_scores(query)
        hits = index.search(query, ANY, limit=10, ranked=1000).hits
        assert [hit.record.id for hit in hits] == best(scores, 10)
        for hit in hits:
            assert abs(hit.score - scores[hit.record.id]) <= TOLERANCE
    np.testing.assert_array_equal(index.vector(name_of(7)), ROWS[7])


@pytest.mark.parametrize("compression", ["1x", "4x"])
def test_vectors_of_different_lengths_are_found_by_their_inner_products(
    place: Place, compression: Compression
) -> None:
    """As calibrated vectors have them: the longest is six times the shortest."""
    count = 3000
    responses = 1 / np.random.default_rng(5).uniform(1, 6, count)
    rows = (random_units(count, seed=6, dim=WIDE) / responses[:, None]).astype(np.float32)
    index = place.made(dim=WIDE, shape=Shape(replicas="0", compression=compression))
    put(index, *(picture(n, rows[n], response=float(responses[n])) for n in range(count)))
    queries, shares, most = random_units(20, seed=8, dim=WIDE), [], []
    for query in queries:
        scores = rows.astype(np.float64) @ query.astype(np.float64)
        true = {name_of(n): float(score) for n, score in enumerate(scores)}
        hits = index.search(query, ANY, limit=10, ranked=1000).hits
        assert max(abs(hit.score - true[hit.record.id]) for hit in hits) <= 3 * TOLERANCE
        shares.append(len({hit.record.id for hit in hits} & {*best(true, 10)}) / 10)
        most.append(max(true.values()))
    assert np.mean(shares) >= 0.98
    # HNSW finds nearly all: which it misses depends on how the server has cut the index in pieces.
    told = index.best_scores(queries)
    assert np.all(told <= np.array(most) + 3 * TOLERANCE)
    assert np.mean(np.abs(told - most) <= 3 * TOLERANCE) >= 0.9


def test_an_index_compressed_32x_is_made_so_and_keeps_the_vectors_as_they_were(
    place: Place, opensearch_node: Server
) -> None:
    """It is searched only where the plugin has its native library: without it the node ends."""
    index = filled(place, Shape(replicas="0", compression="32x"))
    assert compression_of(place) == "32x"
    np.testing.assert_array_equal(index.vector(name_of(7)), ROWS[7])
    assert index.list(ANY, ["ready"], limit=1).total == len(ROWS)
    if isinstance(opensearch_node, docker.DockerNode):
        scores = true_scores(ASKED)
        hits = index.search(ASKED, ANY, limit=10, ranked=1000).hits
        assert [hit.record.id for hit in hits] == best(scores, 10)


@pytest.mark.parametrize(("ranked", "limit"), [(300, 7), (300, 200), (10, 3), (1000, 64)])
def test_pages_over_three_shards_join_to_one_ranked_set(
    place: Place, ranked: int, limit: int
) -> None:
    index = filled(place, Shape(shards=3, replicas="0"))
    pages = walk(index, ASKED, limit=limit, ranked=ranked)
    total = min(ranked, len(ROWS))
    assert {page.total for page in pages} == {total}
    assert {len(page.hits) for page in pages[:-1]} <= {limit}
    names = [hit.record.id for page in pages for hit in page.hits]
    assert names == best(true_scores(ASKED), total)


# --- vectors stay where they are ------------------------------------------------------------------


def test_vectors_never_come_back_but_where_a_vector_is_asked_for(
    place: Place, proxy: Proxy
) -> None:
    index = place.made(proxy.url)
    put(index, picture(1), picture(2), tombstone(3))
    proxy.exchanges.clear()
    hits = index.search(FIRST, ANY, limit=10, ranked=100, facets=True).hits
    records = [hit.record for hit in hits]
    records += index.list(ANY, STATES, limit=10).records
    records += [held.record for held in index.read([name_of(n) for n in range(4)]).values()]
    index.facets()
    index.counts()
    assert len(list(index.scan())) == 3
    index.purge(NOW + timedelta(days=1))
    assert len(records) == 2 + 3 + 3
    assert {record.vector for record in records} == {None}
    assert len(proxy.exchanges) > 8
    assert [e.asked.path for e in proxy.exchanges if b"vector" in e.answer] == []
    proxy.exchanges.clear()
    np.testing.assert_array_equal(index.vector(name_of(1)), FIRST)
    assert [b"vector" in exchange.answer for exchange in proxy.exchanges] == [True]


# --- pages while others write ---------------------------------------------------------------------


class Others(threading.Thread):
    """Adds, overwrites, buries and digs up records of its own numbers, over and over."""

    def __init__(self, index: Index, numbers: range) -> None:
        super().__init__()
        self.index = index
        self.numbers = numbers
        self.rounds = 0
        self.failure: BaseException | None = None
        self._enough = threading.Event()
        self._random = np.random.default_rng(numbers.start)

    def run(self) -> None:
        try:
            while not self._enough.is_set():
                chosen = self._random.choice(self.numbers, size=20, replace=False)
                put(self.index, *(self._record(int(number)) for number in chosen))
                self.rounds += 1
        except BaseException as error:
            self.failure = error

    def _record(self, number: int) -> ImageRecord:
        if self._random.random() < 0.4:
            return tombstone(number)
        vector = random_units(1, seed=int(self._random.integers(1 << 30)))[0]
        return picture(number, vector, uploaded_at=NOW + timedelta(seconds=number % 97))

    def finish(self) -> None:
        self._enough.set()
        self.join()
        assert self.failure is None


UNTOUCHED = 300


@pytest.fixture
def busy(place: Place, request: pytest.FixtureRequest) -> Iterator[OpenSearchIndex]:
    """An index with 300 records that nobody touches and two that write others all the time."""
    index = place.made(at_once=request.param)
    rows = random_units(UNTOUCHED)
    put(index, *(picture(n, row) for n, row in enumerate(rows)))
    index.refresh()
    others = [Others(index, range(1000, 1100)), Others(index, range(2000, 2100))]
    for other in others:
        other.start()
    try:
        for other in others:
            eventually(lambda: other.rounds > 5 or other.failure)  # noqa: B023
        yield index
    finally:
        for other in others:
            other.finish()


both_ways = pytest.mark.parametrize("busy", [True, False], ids=["at once", "later"], indirect=True)


@both_ways
def test_pages_of_a_search_repeat_nothing_and_leave_out_nothing_that_nobody_touched(
    busy: OpenSearchIndex,
) -> None:
    pages = walk(busy, FIRST, limit=7, ranked=1000)
    held_together(pages_of_search(pages))
    hits = [hit for page in pages for hit in page.hits]
    places = [(-hit.score, hit.record.id) for hit in hits]
    assert places == sorted(places)
    assert {hit.record.state for hit in hits} == {"ready"}


@both_ways
def test_pages_of_a_listing_repeat_nothing_and_leave_out_nothing_that_nobody_touched(
    busy: OpenSearchIndex,
) -> None:
    records: list[ImageRecord] = []
    after = None
    while page := busy.list(ANY, ["ready"], limit=7, after=after).records:
        records += page
        after = (page[-1].uploaded_at, page[-1].id)
    held_together([record.id for record in records])


@both_ways
def test_a_scan_gives_every_record_that_nobody_touched_once(busy: OpenSearchIndex) -> None:
    held_together([summary.id for summary in busy.scan()])


def pages_of_search(pages: list[RankedSet]) -> list[str]:
    return [hit.record.id for page in pages for hit in page.hits]


def held_together(names: list[str]) -> None:
    untouched = [name_of(n) for n in range(UNTOUCHED)]
    assert sorted(set(untouched) - set(names)) == []
    assert [name for name in untouched if names.count(name) > 1] == []
    # Another's that is overwritten meanwhile may move behind the page it was on, and come again.


# --- the shelf ------------------------------------------------------------------------------------


@pytest.fixture
def shelf(opensearch_node: Server) -> Iterator[OpenSearchShelf]:
    client = Client(opensearch_node.url)
    yield OpenSearchShelf(client)
    client.close()


def test_the_shelf_names_the_indexes_of_models_and_no_others(
    place: Place, shelf: OpenSearchShelf
) -> None:
    before = shelf.names()
    assert place.name not in before
    place.made()
    with place_on(place.url) as other:
        other.name = other.name.removeprefix("images-")
        other.ask("PUT", "", {})
        assert shelf.names() == sorted([*before, place.name])


def test_the_shelf_knows_when_an_index_was_last_used(place: Place, shelf: OpenSearchShelf) -> None:
    started = datetime.now(timezone.utc).replace(microsecond=0)
    index = place.made()
    first = shelf.last_used(place.name)
    assert first is not None
    assert started <= first <= datetime.now(timezone.utc)
    put(index, picture(1))
    assert shelf.last_used(place.name) == first, "it was written down a moment ago"
    set_mark(place, (started - timedelta(hours=2)).isoformat())
    place.open().search(FIRST, ANY, limit=1, ranked=1)
    again = shelf.last_used(place.name)
    assert again is not None
    assert again >= started
    set_mark(place, "nonsense")
    assert shelf.last_used(place.name) is None
    place.open().write([])
    assert shelf.last_used(place.name) is not None


def set_mark(place: Place, used_at: str) -> None:
    about = place.ask("GET", "/_mapping")[place.name]["mappings"]["_meta"]
    place.ask("PUT", "/_mapping", {"_meta": about | {"used_at": used_at}})


def test_the_shelf_drops_an_index_with_all_that_is_in_it(
    place: Place, shelf: OpenSearchShelf
) -> None:
    put(place.made(), picture(1))
    shelf.drop(place.name)
    assert not place.is_there()
    assert place.name not in shelf.names()
    assert place.made().counts()["ready"] == 0


@pytest.mark.parametrize(
    "wrong", ["{}x", "images-t-*", "images-*", "*", "_all", "", "{}.writes", "{},{}", "{}/_doc/1"]
)
def test_the_shelf_drops_nothing_that_is_not_named_in_full(
    place: Place, proxy: Proxy, wrong: str
) -> None:
    put(place.made(), picture(1))
    # Were it asked for, it must not come to pass: the server may be somebody's own.
    proxy.fault = lambda asked: Say(200) if asked.method == "DELETE" else None
    client = Client(proxy.url)
    shelf = OpenSearchShelf(client)
    name = wrong.replace("{}", place.name)
    calls: list[Callable[[str], object]] = [shelf.drop, shelf.last_used]
    for call in calls:
        with pytest.raises(NotFound) as raised:
            call(name)
        assert raised.value.message == f"There is no index {name}."
    assert [e for e in proxy.exchanges if e.asked.method == "DELETE"] == []
    client.close()
