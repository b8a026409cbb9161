"""What an OpenSearch does to those who write to it, and what must hold all the same."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import requests

from chalicelib import deadline
from chalicelib.clip.pixels import PixelSpec
from chalicelib.decoding import Prepared
from chalicelib.errors import IndexUnavailable
from chalicelib.index.base import Refused, Write, WriteResult
from chalicelib.index.opensearch import OpenSearchIndex, Shape, bulk, client, patience, searching
from chalicelib.index.opensearch.client import IndexMissing
from chalicelib.records import STATES, Filters, ImageRecord, image_id
from chalicelib.verdicts import Attempt, Outcome
from local.opensearch.node import OpenSearchNode
from tests.fakes.encoding import FakeDecoders
from tests.fakes.library import FakeLibrary
from tests.integration.opensearch_index import (
    FIRST,
    Place,
    name_of,
    picture,
    place_on,
    put,
    random_units,
    tombstone,
    write_of,
)
from tests.integration.processes import eventually
from tests.integration.proxy import (
    Asked,
    Cut,
    Fault,
    Hold,
    Lose,
    Proxy,
    Say,
    lines_of,
)
from tests.opensearch_server import Given, Server
from tests.ports import free_port
from tests.unit import sentences

ANY = Filters()

THE_DISK = (
    "Most often the disk of OpenSearch is full: give it more, or delete an index that is not in "
    "use."
)


def records_of(index: OpenSearchIndex) -> dict[str, ImageRecord]:
    """All there is, as searches see it."""
    index.refresh()
    listing = index.list(ANY, STATES, limit=10_000)
    found = {record.id: record for record in listing.records}
    assert len(found) == len(listing.records) == listing.total
    return found


def found_by(index: OpenSearchIndex) -> list[str]:
    return [hit.record.id for hit in index.search(FIRST, ANY, limit=200, ranked=1000).hits]


# --- a server that dies ---------------------------------------------------------------------------


@pytest.fixture
def mortal(opensearch_node: Server) -> Iterator[Server]:
    """A server that is ours to kill."""
    if not isinstance(opensearch_node, Given):
        yield opensearch_node
        return
    with OpenSearchNode(port=free_port()) as node:
        yield node


class Writer(threading.Thread):
    """Writes and overwrites and buries, one batch after the other, and keeps what was answered."""

    BATCH = 40

    def __init__(self, index: OpenSearchIndex) -> None:
        super().__init__()
        self.index = index
        self.said: dict[str, ImageRecord] = {}
        """What was last answered "written", of each id."""
        self.stale: dict[str, Write] = {}
        """A write of each id that came too late long ago."""
        self.others: list[WriteResult] = []
        """Answers that the only writer should never get."""
        self.batches = 0
        self.failure: BaseException | None = None
        self._enough = threading.Event()

    def run(self) -> None:
        try:
            while not self._enough.is_set():
                self._batch()
        except BaseException as error:
            self.failure = error

    def _batch(self) -> None:
        start = self.batches * self.BATCH
        vectors = random_units(self.BATCH, seed=start)
        fresh = [picture(start + n, vectors[n]) for n in range(self.BATCH)]
        before = [picture(n, FIRST) for n in range(max(0, start - self.BATCH), start)]
        moved = [replace(r, name=f"again {start}") for r in before[::2]]
        buried = [replace(tombstone(0), id=r.id, key=r.key) for r in before[1::2]]
        writes = write_of(self.index, *fresh, *moved, *buried)
        for write, result in zip(writes, self.index.write(writes), strict=True):
            if result != "written":
                self.others.append(result)
            self.said[write.record.id] = write.record
            self.stale[write.record.id] = write
        self.batches += 1

    def further(self, count: int) -> None:
        """Waits until so many more batches are written."""
        wanted = self.batches + count
        eventually(lambda: self.batches >= wanted or self.failure)
        assert self.failure is None

    def finish(self) -> None:
        self._enough.set()
        self.join()
        assert self.failure is None


@pytest.mark.timeout(900)
def test_whatever_was_answered_written_outlives_a_server_that_is_killed_in_mid_bulk(
    mortal: Server,
) -> None:
    assert not isinstance(mortal, Given)
    with place_on(mortal.url) as place:
        index = place.made(patience_s=240, at_once=False)
        writer = Writer(index)
        writer.start()
        try:
            writer.further(8)
            mortal.kill()
            mortal.start()
            writer.further(8)
        finally:
            writer.finish()
        assert writer.others == []
        assert records_of(index) == writer.said
        held = index.read([*writer.said])
        assert {name: versioned.record for name, versioned in held.items()} == writer.said
        summaries = [summary.id for summary in index.scan()]
        assert sorted(summaries) == sorted(writer.said)
        # The versions still guard: what was overtaken then is overtaken now, what is read wins.
        stale = [*writer.stale.values()]
        assert index.write(stale) == ["conflict"] * len(stale)
        buried = [v for v in held.values() if v.record.state == "deleted"]
        assert index.write([Write(*v) for v in buried]) == ["written"] * len(buried)
        ready = {name for name, record in writer.said.items() if record.state == "ready"}
        assert index.counts()["ready"] == len(ready)
        assert set(found_by(index)) <= ready


# --- answers that are lost ------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2])
def test_a_write_whose_answer_was_lost_is_ours_and_that_of_another_is_not(
    place: Place, proxy: Proxy, times: int
) -> None:
    straight, index = place.made(), place.open(proxy.url)
    put(straight, picture(1), picture(2), picture(3))
    mine = [picture(4), replace(picture(1), name="mine"), tombstone(2)]
    writes = write_of(index, *mine, replace(picture(3), name="late"), picture(5))
    theirs = replace(picture(3), name="theirs")
    put(straight, theirs, replace(picture(5), name="theirs too"))
    proxy.first(times, Lose())
    assert index.write(writes) == ["written"] * 3 + ["conflict"] * 2
    assert len(proxy.bulks) == times + 1
    held = index.read([name_of(n) for n in range(1, 6)])
    assert [held[r.id].record for r in mine] == mine
    assert held[theirs.id].record == theirs
    np.testing.assert_array_equal(index.vector(name_of(4)), picture(4).vector)


def test_a_write_that_another_has_built_on_since_its_answer_was_lost_is_a_conflict(
    place: Place, proxy: Proxy
) -> None:
    straight, index = place.made(), place.open(proxy.url)
    writes = write_of(index, picture(1))
    later = replace(picture(1), name="later")

    def lose_and_build_on_it(asked: Asked) -> Fault:
        if not asked.is_bulk:
            return None
        if proxy.bulks:
            put(straight, later)
            proxy.fault = lambda _: None
            return None
        return Lose()

    proxy.fault = lose_and_build_on_it
    assert index.write(writes) == ["conflict"]
    assert index.read([name_of(1)])[name_of(1)].record == later


def test_a_write_that_was_never_carried_out_is_carried_out_by_the_next_try(
    place: Place, proxy: Proxy
) -> None:
    place.made()
    index = place.open(proxy.url)
    proxy.first(2, Cut())
    assert index.write(write_of(index, picture(1), tombstone(2))) == ["written", "written"]
    assert index.read([name_of(1)])[name_of(1)].record == picture(1)


def test_a_bulk_that_arrives_after_its_own_repetition_changes_nothing(
    place: Place, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.made()
    index = place.open(proxy.url)
    put(index, picture(1), picture(2))
    writes = write_of(index, replace(picture(1), name="new"), tombstone(2), picture(3))
    repeated = threading.Event()
    proxy.exchanges.clear()
    proxy.first(1, Hold(repeated))
    hurried_once(proxy, monkeypatch)
    assert index.write(writes) == ["written"] * 3
    held = index.read([name_of(n) for n in (1, 2, 3)])
    repeated.set()
    eventually(lambda: len(proxy.bulks) == 2)
    assert b'"status":409' in proxy.bulks[1].answer
    assert index.read([*held]) == held


def hurried_once(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """One second for the first bulk request, as long as ever for those after it."""
    fault, usual = proxy.fault, client.REQUEST_S

    def first(asked: Asked) -> Fault:
        if asked.is_bulk:
            monkeypatch.setattr(client, "REQUEST_S", usual)
        return fault(asked)

    proxy.fault = first
    monkeypatch.setattr(client, "REQUEST_S", 1.0)


def test_a_purge_whose_answer_was_lost_counts_what_went(place: Place, proxy: Proxy) -> None:
    straight, index = place.made(), place.open(proxy.url)
    put(straight, picture(0), *(tombstone(n) for n in range(1, 6)))
    proxy.first(1, Lose())
    assert index.purge(tombstone(1).indexed_at.replace(year=2025)) == 5
    assert [*records_of(straight)] == [name_of(0)]


# --- a server that is busy ------------------------------------------------------------------------

OUTAGE_S = 30.0


@pytest.mark.timeout(900)
def test_writes_outlast_half_a_minute_of_a_busy_server_and_searches_fail_readably_until_then(
    place: Place, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "SEARCH_PATIENCE_S", 8.0)
    place.made()
    index = place.open(proxy.url, patience_s=90)
    put(index, picture(0))
    end = time.monotonic() + OUTAGE_S
    statuses = iter([429, 503] * 10_000)

    def busy(asked: Asked) -> Fault:
        return Say(next(statuses)) if time.monotonic() < end else None

    proxy.fault = busy
    records = [picture(n) for n in range(1, 21)]
    results: list[WriteResult] = []
    writing = threading.Thread(
        target=lambda: results.extend(index.write(write_of(index, *records)))
    )
    writing.start()
    complaints = []
    while time.monotonic() < end:
        try:
            found_by(index)
        except IndexUnavailable as error:
            complaints.append(error.message)
    writing.join()
    assert results == ["written"] * 20
    assert len(found_by(index)) == 21
    assert complaints
    assert [fault for said in complaints for fault in sentences.faults(said)] == []
    # Growing pauses: not more than a few requests a second, from two threads.
    refused = [e for e in proxy.exchanges if e.status in (429, 503)]
    assert 4 < len(refused) < 4 * OUTAGE_S


@pytest.mark.parametrize("fault", [Say(429), Say(502), Say(503), Say(504), Cut(), Lose()])
def test_a_search_outlasts_two_bad_answers(place: Place, proxy: Proxy, fault: Fault) -> None:
    place.made()
    index = place.open(proxy.url)
    put(index, picture(1), picture(2))
    left = [fault] * 2
    proxy.fault = lambda _: left.pop() if left else None
    assert sorted(found_by(index)) == sorted([name_of(1), name_of(2)])
    assert left == []


NOT_UP_YET = {
    "type": "no_shard_available_action_exception",
    "reason": "No shard available for [the document]",
}
"""What a server that has just come up says of single documents, in an answer of status 200."""


def of_shard_not_up(*numbers: int) -> Say:
    docs = [{"_id": name_of(n), "error": NOT_UP_YET} for n in numbers]
    absent = {"_id": name_of(3), "found": False}
    return Say(200, json.dumps({"docs": [*docs, absent]}).encode())


def test_documents_whose_shard_is_not_up_yet_are_asked_for_again_and_the_others_are_not(
    place: Place, proxy: Proxy
) -> None:
    straight, index = place.made(), place.open(proxy.url)
    put(straight, picture(1), picture(2))
    left = [of_shard_not_up(1, 2)] * 2
    proxy.fault = lambda _: left.pop() if left else None
    assert index.read([name_of(n) for n in (1, 2, 3)]) == straight.read([name_of(1), name_of(2)])
    asked = [[doc["_id"] for doc in json.loads(e.asked.body)["docs"]] for e in proxy.exchanges]
    again = [name_of(1), name_of(2)]
    assert asked == [[*again, name_of(3)], again, again]


def test_a_shard_that_does_not_come_up_is_named_with_the_document(
    place: Place, proxy: Proxy
) -> None:
    place.made()
    index = place.open(proxy.url, patience_s=0.5)
    proxy.fault = lambda _: of_shard_not_up(1)
    with pytest.raises(IndexUnavailable, match=f"not read {name_of(1)}: No shard available"):
        index.read([name_of(1)])


def test_items_that_were_too_many_are_sent_again_by_themselves(place: Place, proxy: Proxy) -> None:
    """A server answers a bulk with 200 and lets some of its items wait."""
    straight, index = place.made(), place.open(proxy.url)
    writes = write_of(index, *(picture(n) for n in range(5)))
    said = [
        {"create": {"status": status, "error": {"type": "rejected", "reason": "queue is full"}}}
        for status in (429, 503, 429, 500, 502)
    ]
    proxy.first(2, Say(200, json.dumps({"errors": True, "items": said}).encode()))
    assert index.write(writes) == ["written"] * 5
    assert len(proxy.bulks) == 3
    assert len(records_of(straight)) == 5


def test_a_bulk_too_large_for_the_server_is_cut_in_two_until_it_is_not(
    place: Place, proxy: Proxy
) -> None:
    straight, index = place.made(), place.open(proxy.url)
    most = 4096

    def small(asked: Asked) -> Fault:
        return Say(413) if asked.is_bulk and len(asked.body) > most else None

    proxy.fault = small
    records = [picture(n, key=f"trips/{n}") for n in range(64)]
    records[40] = replace(records[40], text="long " * 1000)
    results = index.write(write_of(index, *records))
    assert results.pop(40) == Refused("it is larger than OpenSearch takes")
    assert results == ["written"] * 63
    assert records_of(straight).keys() == {r.id for r in records} - {records[40].id}
    carried_out = [e for e in proxy.bulks if e.status == 200]
    assert len(carried_out) > 2
    ids = [line["create"]["_id"] for e in carried_out for line in lines_of(e)[::2]]
    assert len(ids) == len(set(ids)) == 63


def test_no_request_is_larger_than_the_smallest_domains_take(place: Place, proxy: Proxy) -> None:
    place.made()
    index = place.open(proxy.url)
    records = [picture(n, text=f"{n} " * 300_000) for n in range(12)]
    assert index.write(write_of(index, *records)) == ["written"] * 12
    assert len(proxy.bulks) > 1
    assert max(len(e.asked.body) for e in proxy.bulks) <= bulk.MOST_BYTES


# --- time -----------------------------------------------------------------------------------------


def only_pauses_take_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """However busy the machine is; returns the clock of writes and deadlines."""
    now = [1000.0]

    class Clock:
        monotonic = staticmethod(lambda: now[0])

        @staticmethod
        def sleep(seconds: float) -> None:
            now[0] += seconds

    for room in (patience, client, bulk, deadline):
        monkeypatch.setattr(room, "time", Clock, raising=False)
    return Clock.monotonic


def test_a_write_gives_up_at_the_deadline_and_without_one_when_patience_ends(
    place: Place, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.made()
    index = place.open(proxy.url, patience_s=6)
    writes = write_of(index, picture(1))
    proxy.fault = lambda asked: Say(503) if asked.is_bulk else None
    monkeypatch.setattr(random, "uniform", lambda least, most: most)
    now = only_pauses_take_time(monkeypatch)
    with deadline.until(now() + 1), pytest.raises(IndexUnavailable) as first:
        index.write(writes)
    hurried = len(proxy.bulks)
    assert sentences.faults(first.value.message) == []
    with pytest.raises(IndexUnavailable):
        index.write(writes)
    patient = len(proxy.bulks) - hurried
    # After pauses of 0.1, 0.2 and 0.4 s a second has no room for one of 0.8; nor six for 3.2.
    assert (hurried, patient) == (4, 6)
    proxy.fault = lambda _: None
    assert index.write(writes) == ["written"]


def test_a_deadline_that_is_over_lets_each_request_be_tried_once(
    place: Place, proxy: Proxy
) -> None:
    place.made()
    index = place.open(proxy.url)
    writes = write_of(index, picture(1))
    proxy.fault = lambda asked: Say(503) if asked.is_bulk else None
    with deadline.until(time.monotonic() - 1), pytest.raises(IndexUnavailable):
        index.write(writes)
    assert len(proxy.bulks) == 1


# --- what the server will not take ----------------------------------------------------------------


def test_one_bad_record_among_five_hundred_is_refused_with_a_reason_and_the_others_are_written(
    place: Place,
) -> None:
    index = place.made()
    records = [picture(n) for n in range(500)]
    records[123] = replace(records[123], bytes=2**63)
    results = index.write(write_of(index, *records))
    refused = results.pop(123)
    assert results == ["written"] * 499
    assert isinstance(refused, Refused)
    assert "failed to parse field [bytes] of type [long]" in refused.reason
    assert "out of range of long" in refused.reason
    assert len(records_of(index)) == 499
    assert index.write(write_of(index, picture(123))) == ["written"]


class Widening(FakeDecoders):
    """Takes one picture for wider than a number can be."""

    def prepare(self, data: bytes, spec: PixelSpec, **options: Any) -> Prepared:
        prepared = super().prepare(data, spec, **options)
        return replace(prepared, width=2**63) if data == b"wide.png" else prepared


def test_a_picture_that_the_server_refuses_is_rejected_with_its_reason_and_its_mates_are_not(
    place: Place,
) -> None:
    library = FakeLibrary(index=place.made(), max_bytes=1 << 20)
    for name in ("a.png", "wide.png", "b.png"):
        library.put(name, name.encode())
    ingest = library.ingest(decoders=Widening())
    outcomes = ingest.process(["a.png", "wide.png", "b.png"])
    assert results_of(outcomes) == ["indexed", "rejected", "indexed"]
    record = library.record("wide.png")
    assert record is not None
    assert (record.state, record.width) == ("rejected", 0)
    assert record.reason.startswith("The index refused this image: failed to parse field [width]")
    assert library.differences() == []


def results_of(outcomes: dict[str, Outcome]) -> list[str]:
    return [outcome.result for outcome in outcomes.values()]


# --- a full disk ----------------------------------------------------------------------------------


def set_full(place: Place, full: bool | None) -> None:
    """What OpenSearch does to every index of a node whose disk is 95 % full."""
    setting = {"index.blocks.read_only_allow_delete": full}
    place.ask("PUT", "/_settings", setting)


def test_a_full_disk_is_said_at_once_and_what_waits_is_written_when_there_is_room(
    place: Place, proxy: Proxy
) -> None:
    place.made()
    index = place.open(proxy.url)
    library = FakeLibrary(index=index)
    keys = ["a.png", "b.png", "c.png"]
    for key in keys:
        library.put(key, key.encode())
    set_full(place, True)
    with pytest.raises(IndexUnavailable) as raised:
        index.write(write_of(index, picture(1)))
    assert raised.value.message.endswith(THE_DISK)
    assert len(proxy.bulks) == 1
    outcomes = library.ingest().process(keys)
    assert results_of(outcomes) == ["failed"] * 3
    assert {type(outcome.error) for outcome in outcomes.values()} == {IndexUnavailable}
    assert library.record("a.png") is None
    set_full(place, None)
    assert results_of(library.ingest().process(keys)) == ["indexed"] * 3
    assert library.thumbnails.objects.keys() >= {
        r.thumbnail_key for r in records_of(index).values()
    }


def test_a_library_on_a_full_disk_can_still_be_searched_after_a_new_start(place: Place) -> None:
    """Also when the mark that the index is in use is due, which cannot be written then."""
    put(place.made(), picture(1))
    about = place.ask("GET", "/_mapping")[place.name]["mappings"]["_meta"]
    old = about | {"used_at": "2020-01-01T00:00:00+00:00"}
    place.ask("PUT", "/_mapping", {"_meta": old})
    set_full(place, True)
    index = place.made()
    assert found_by(index) == [name_of(1)]
    assert index.read([name_of(1)])[name_of(1)].record == picture(1)
    set_full(place, None)


# --- an index that goes ---------------------------------------------------------------------------


@pytest.fixture
def eager(opensearch_node: Server) -> Iterator[None]:
    """Makes the server what it is by default: one that makes an index for whatever is written."""
    address = f"{opensearch_node.url}/_cluster/settings"

    def set_eager(value: str | None) -> None:
        setting = {"persistent": {"action.auto_create_index": value}}
        assert requests.put(address, json=setting, timeout=60).ok

    set_eager("true")
    yield
    set_eager(None)


def test_an_index_that_is_dropped_under_its_writer_is_not_made_again_by_a_write(
    place: Place, eager: None
) -> None:
    index = place.made()
    put(index, picture(1))
    failures: list[BaseException] = []
    written = threading.Event()

    def write() -> None:
        number = 2
        try:
            while True:
                put(index, picture(number))
                written.set()
                number += 1
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    assert written.wait(60)
    place.ask("DELETE", "")
    writer.join(60)
    (failure,) = failures
    assert isinstance(failure, IndexUnavailable)
    assert sentences.faults(failure.message) == []
    for call in (
        lambda: index.write([Write(picture(1), None)]),
        lambda: index.write([Write(tombstone(1), (1, 1))]),
        lambda: index.read([name_of(1)]),
        lambda: index.vector(name_of(1)),
        lambda: index.counts(),
        lambda: found_by(index),
        lambda: index.purge(picture(1).indexed_at),
        lambda: list(index.scan()),
        lambda: place.open().write([Write(picture(1), None)]),
    ):
        with pytest.raises(IndexMissing) as raised:
            call()
        assert sentences.faults(raised.value.message) == []
    assert not place.is_there()
    assert not requests.head(f"{place.url}/{place.name}.writes", timeout=60).ok
    index.ensure()
    put(index, picture(1))
    assert found_by(index) == [name_of(1)]


# --- the rule of order ----------------------------------------------------------------------------


@pytest.mark.parametrize("known", [False, True], ids=["a new object", "an overwritten one"])
def test_a_slow_worker_that_saw_the_object_cannot_bring_it_back(place: Place, known: bool) -> None:
    library = FakeLibrary(index=place.made())
    if known:
        library.put("x.png", b"before")
        assert results_of(library.ingest().process(["x.png"])) == ["indexed"]
    library.put("x.png")
    slow = library.ingest()
    attempts = [Attempt("x.png", image_id(library.bucket.name, "x.png"))]
    slow.read_records(attempts)
    slow.read_objects(attempts)
    library.bucket.delete("x.png")
    assert results_of(library.ingest().process(["x.png"])) == ["deleted"]
    slow.write(attempts)
    assert attempts[0].again
    record = library.record("x.png")
    assert record is not None
    assert record.state == "deleted"
    assert library.differences() == []
    assert results_of(slow.process(["x.png"])) == ["unchanged"]


def test_nothing_is_listed_or_found_that_was_deleted_before_the_searches_see_it(
    place: Place,
) -> None:
    index = place.made(at_once=False, shape=Shape(replicas="0", refresh="60s"))
    put(index, *(picture(n) for n in range(6)))
    index.refresh()
    put(index, tombstone(1), tombstone(2), replace(picture(3), collection="moved"))
    left = {name_of(n) for n in (0, 3, 4, 5)}
    assert set(found_by(index)) == left
    trips = index.search(FIRST, Filters(collection="trips"), limit=10, ranked=10).hits
    assert {hit.record.id for hit in trips} == left - {name_of(3)}
    assert {r.id for r in index.list(ANY, ["ready"], limit=10).records} == left
    walked = []
    after = None
    while page := index.list(ANY, ["ready"], limit=1, after=after).records:
        walked += [record.id for record in page]
        after = (page[-1].uploaded_at, page[-1].id)
    assert walked == sorted(left)
