"""Words in OpenSearch: how they come into an index that had none, and what searching them asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from chalicelib.errors import IndexUnavailable
from chalicelib.index.base import Write
from chalicelib.index.opensearch import OpenSearchIndex
from chalicelib.index.opensearch.schema import SCHEMA
from chalicelib.records import MAX_FILTER_PARTS, Filters, Hit, ImageRecord
from chalicelib.relevance import Cut, Wording
from chalicelib.words import MAX_PHRASE_WORDS, MAX_PHRASES, MAX_WORDS
from tests.integration.opensearch_index import (
    FIRST,
    Place,
    found,
    name_of,
    picture,
    put,
    random_units,
    write_of,
)
from tests.integration.proxy import Asked, Fault, Proxy, Say, lines_of

ANY = Filters()
LONG_AGO = "2020-01-01T00:00:00+00:00"


# --- what a search asks ---------------------------------------------------------------------------


def asked_by(proxy: Proxy) -> list[str]:
    return [e.asked.path.partition("?")[0].rpartition("/")[2] for e in proxy.exchanges]


def beaches(place: Place, proxy: Proxy, count: int = 30) -> OpenSearchIndex:
    index = place.made(proxy.url)
    rows = random_units(count)
    kinds = ("even", "odd")
    names = [f"beach {n} {kinds[n % 2]}.jpg" for n in range(count)]
    put(index, *(picture(n, row, name=names[n]) for n, row in enumerate(rows)))
    index.search(FIRST, ANY, limit=1, ranked=1)
    proxy.exchanges.clear()
    return index


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("", ["_search", "_mget"]),
        ("-dune", ["_search", "_mget"]),
        ("dune", ["_msearch", "_mget"]),
        ("beach", ["_msearch", "_mget"]),
        ("beach 7", ["_msearch", "_search", "_mget"]),
        ("beach 7 odd.jpg", ["_msearch", "_search", "_search", "_msearch", "_mget"]),
    ],
    ids=["no words", "left out", "nobody has it", "all have it", "few have it", "many have it"],
)
def test_words_cost_a_search_as_many_requests_as_images_have_them(
    place: Place, proxy: Proxy, text: str, asked: list[str]
) -> None:
    index = beaches(place, proxy, 130)
    assert len(found(index, text, ranked=20)) == 20
    assert asked_by(proxy) == asked


def test_neither_words_nor_vectors_come_back_with_records(place: Place, proxy: Proxy) -> None:
    index = beaches(place, proxy)
    assert len(found(index, "beach")) == 30
    assert len(index.list(ANY, ["ready"], limit=50).records) == 30
    answers = b"".join(exchange.answer for exchange in proxy.exchanges)
    for name in (b"_words", b"titles", b"worded", b"vector"):
        assert name not in answers


def test_a_name_is_found_among_more_images_that_share_its_words_than_are_ranked(
    place: Place,
) -> None:
    index = place.made()
    rows = -abs(random_units(1200))
    put(index, *(picture(n, row, name=f"IMG_{n}.jpg") for n, row in enumerate(rows)))
    for text in ("IMG_777.jpg", "img 777", "img777"):
        first, *others = found(index, text, ranked=20)
        assert first.record.id == name_of(777)
        assert first.found
        assert first.found.exact_name
        assert len(others) == 19


def test_a_query_of_as_many_words_and_filters_as_may_be_is_answered(place: Place) -> None:
    """Servers take 1,024 clauses in a query."""
    index = place.made()
    words = tuple(f"w{letter}" for letter in _letters(MAX_WORDS))
    said = tuple(f"p{letter}" for letter in _letters(MAX_PHRASE_WORDS))
    size = MAX_PHRASE_WORDS // MAX_PHRASES
    phrases = tuple(said[n : n + size] for n in range(0, len(said), size))
    without = tuple((f"x{letter}", "y") for letter in _letters(MAX_PHRASES))
    text = " ".join((*words, *said))
    put(index, *(picture(n, text=text, name=f"{words[n]}.jpg") for n in range(4)))
    wide = Filters(
        collection="trips", owner="", format="jpeg", orientation="landscape", camera="",
        min_width=1, min_height=1,
    )  # fmt: skip
    filters = Filters(any_of=(wide,) * (MAX_FILTER_PARTS - 1))
    wording = Wording(words, phrases, without, words)
    for ranked in (9, 2):
        hits = index.search(FIRST, filters, limit=9, ranked=ranked, wording=wording).hits
        assert len(hits) == min(ranked, 4)
        assert all(hit.found and hit.found.every for hit in hits)


def _letters(count: int) -> list[str]:
    return ["".join(pair) for pair in product("abcdefgh", "abcdefgh")][:count]


def of_part(answer: dict[str, Any], number: int, change: dict[str, Any]) -> bytes:
    answer["responses"][number] = change
    return json.dumps(answer).encode()


BUSY = {"error": {"type": "rejected", "reason": "queue is full"}, "status": 429}
TIMED_OUT = {"timed_out": True, "_shards": {"failed": 0}, "hits": {"hits": []}}
HALF = {"timed_out": False, "_shards": {"failed": 1}, "hits": {"hits": []}}


@pytest.mark.parametrize("said", [BUSY, TIMED_OUT, HALF], ids=["busy", "timed out", "half"])
def test_of_several_searches_those_without_an_answer_are_asked_again(
    place: Place, proxy: Proxy, said: dict[str, Any]
) -> None:
    index = beaches(place, proxy)
    expected = found(index, "beach 3")
    answer = json.loads(proxy.exchanges[0].answer)
    left = [Say(200, of_part(answer, 1, said))]
    proxy.fault = lambda _: left.pop() if left else None
    proxy.exchanges.clear()
    assert found(index, "beach 3") == expected
    assert [len(lines_of(e)) // 2 for e in proxy.exchanges[:2]] == [5, 1]
    assert asked_by(proxy)[:2] == ["_msearch", "_msearch"]


def test_a_part_that_stays_without_an_answer_is_an_index_that_does_not_answer(
    place: Place, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.index.opensearch.searching.SEARCH_PATIENCE_S", 0.3)
    index = beaches(place, proxy)
    found(index, "beach")
    answer = json.loads(proxy.exchanges[0].answer)
    says = [Say(200, json.dumps({"responses": [HALF] * n}).encode()) for n in range(5)]
    assert len(answer["responses"]) == 4
    proxy.fault = lambda asked: says[asked.body.count(b"\n") // 2]
    with pytest.raises(IndexUnavailable, match="A part of the index did not answer"):
        found(index, "beach")


# --- a cut ----------------------------------------------------------------------------------------


def test_a_page_of_a_cut_set_goes_on_where_records_have_changed_since_the_search_saw_them(
    place: Place,
) -> None:
    index = place.made()
    put(index, *(picture(n) for n in range(12)))
    later = place.open(at_once=False)
    place.ask("PUT", "/_settings", {"index": {"refresh_interval": "60s"}})
    whole = index.search(FIRST, ANY, limit=12, ranked=12, cut=Cut(0.1))
    gone = whole.hits[:3]
    later.write([Write(r, w.expected) for r, w in _buried(later, gone)])
    page = index.search(FIRST, ANY, limit=4, ranked=12, cut=Cut(0.1))
    assert page.hits == whole.hits[3:7]
    assert page.next == (page.hits[-1].score, page.hits[-1].record.id)
    assert (page.matched, page.total) == (True, whole.total)


def _buried(index: OpenSearchIndex, hits: list[Hit]) -> Iterator[tuple[ImageRecord, Write]]:
    records = [replace(hit.record, state="deleted") for hit in hits]
    yield from zip(records, write_of(index, *records), strict=True)


# --- notes ----------------------------------------------------------------------------------------


def test_notes_and_marks_leave_each_other_alone(place: Place) -> None:
    index = place.made()
    assert index.note("thresholds") is None
    index.keep_note("thresholds", "0.8")
    index.keep_note("other", "é" * 4000)
    about = place.ask("GET", "/_mapping")[place.name]["mappings"]["_meta"]
    place.ask("PUT", "/_mapping", {"_meta": about | {"used_at": LONG_AGO}})
    other = place.made()
    index.keep_note("thresholds", "0.9")
    assert (other.note("thresholds"), other.note("other")) == ("0.9", "é" * 4000)
    kept = place.ask("GET", "/_mapping")[place.name]["mappings"]["_meta"]
    assert kept["used_at"] > "2024"
    assert kept["schema"] == SCHEMA


def others_write(place: Place, proxy: Proxy, times: int) -> Callable[[Asked], Fault]:
    """Another's note takes the place of each of the first `times` that are written."""
    left = [None] * times

    def after_each(asked: Asked) -> Fault:
        if asked.method == "GET" and left and len(proxy.exchanges) % 2 == 0 and proxy.exchanges:
            left.pop()
            about = place.ask("GET", "/_mapping")[place.name]["mappings"]["_meta"]
            lost = {"notes": {"other": "theirs"}}
            place.ask("PUT", "/_mapping", {"_meta": about | lost})
        return None

    return after_each


def test_a_note_that_another_wrote_over_is_written_again(place: Place, proxy: Proxy) -> None:
    place.made()
    index = place.open(proxy.url)
    proxy.fault = others_write(place, proxy, 2)
    index.keep_note("thresholds", "0.8")
    assert [e.asked.method for e in proxy.exchanges] == ["GET", "PUT"] * 3 + ["GET"]
    assert index.note("thresholds") == "0.8"
    assert index.note("other") == "theirs"


def test_a_note_that_others_never_let_stand_is_said_not_to_be_kept(
    place: Place, proxy: Proxy
) -> None:
    place.made()
    index = place.open(proxy.url)
    proxy.fault = others_write(place, proxy, 100)
    with pytest.raises(IndexUnavailable, match="The note thresholds was not kept"):
        index.keep_note("thresholds", "0.8")
