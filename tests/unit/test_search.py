"""Request → vector → ranked page, and the library, over an index in memory."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib import cursors, meanings
from chalicelib.errors import InvalidRequest, NotFound, UnreadableImage
from chalicelib.index.base import Write
from chalicelib.index.memory import MemoryIndex
from chalicelib.queries import SearchRequest
from chalicelib.records import Filters, ImageRecord, Page, image_id
from chalicelib.search import Search, read_cursor, write_cursor
from chalicelib.thresholds import Thresholds
from tests.fakes.bucket import MemoryBucket
from tests.fakes.encoding import DIM, FakeDecoders, FakeEncoder, picture
from tests.unit.logs import Lines, captured
from tests.unit.sentences import faults

START = datetime(2024, 1, 1, tzinfo=timezone.utc)


def record(number: int, **fields: Any) -> ImageRecord:
    """Ready, with a vector of its own, uploaded `number` days after `START`."""
    vector = FakeEncoder().embed_pixels(picture(str(number).encode())[None])[0]
    values: dict[str, Any] = {
        "id": image_id("photos", str(number)),
        "bucket": "photos",
        "key": str(number),
        "name": f"img{number:04}.png",
        "collection": "even" if number % 2 == 0 else "odd",
        "state": "ready",
        "indexed_at": START,
        "uploaded_at": START + timedelta(days=number),
        "format": "png",
        "vector": vector,
    }
    return ImageRecord(**(values | fields))


def filled(count: int = 25) -> MemoryIndex:
    index = MemoryIndex(dim=DIM)
    index.write([Write(record(n), None) for n in range(count)])
    return index


def searching(index: MemoryIndex | None = None, **parts: Any) -> Search:
    index = index or filled()
    encoder = parts.get("encoder") or FakeEncoder()
    known: dict[str, Any] = {
        "index": index,
        "encoder": encoder,
        "decoders": FakeDecoders(),
        "bucket": MemoryBucket(),
        "thresholds": Thresholds(index, encoder),
        "max_bytes": 1000,
        "log_queries": False,
    }
    return Search(**(known | parts))


def text(words: str = "a cat", **rest: Any) -> SearchRequest:
    return SearchRequest.model_validate({"text": words, **rest})


def ids(page: Page) -> list[str]:
    return [hit.record.id for hit in page.items]


# --- what is found ----------------------------------------------------------------------------


def test_the_best_match_comes_first_with_its_score() -> None:
    index = filled()
    page = searching(index).search(text("7", limit=3))
    assert page.items[0].record.key == "7"
    assert page.items[0].score == pytest.approx(1, abs=1e-5)
    scores = [hit.score for hit in page.items]
    assert scores == sorted(scores, reverse=True)


def test_an_image_finds_itself() -> None:
    request = SearchRequest(image=base64.b64encode(b"7").decode(), limit=1)
    assert searching().search(request).items[0].record.key == "7"


def test_more_like_an_image_leaves_that_image_out() -> None:
    wanted = record(7)
    page = searching().search(SearchRequest(id=wanted.id, limit=200))
    assert wanted.id not in ids(page)
    assert (len(page.items), page.total) == (24, 24)
    assert wanted.vector is not None
    nearest = max(
        (record(n) for n in range(25) if n != 7), key=lambda r: float(r.vector @ wanted.vector)
    )
    assert page.items[0].record.id == nearest.id


@pytest.mark.parametrize("state", ["rejected", "archived", "deleted", "unknown"])
def test_more_like_an_image_without_a_vector_is_not_found(state: str) -> None:
    index = MemoryIndex(dim=DIM)
    if state != "unknown":
        index.write([Write(record(1, state=state, vector=None), None)])
    with pytest.raises(NotFound) as caught:
        searching(index).search(SearchRequest(id=record(1).id))
    assert caught.value.field == "id"
    assert faults(caught.value.message) == []


def test_a_broken_query_image_is_refused() -> None:
    with pytest.raises(UnreadableImage):
        searching().search(SearchRequest(image=base64.b64encode(b"BROKEN").decode()))


def test_a_query_image_that_is_no_base64_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidRequest) as caught:
        searching().search(SearchRequest(image="no base64!"))
    assert (caught.value.code, caught.value.field) == ("invalid_base64", "image")


def test_filters_narrow_the_set_and_the_total() -> None:
    page = searching().search(text(filters={"collection": "odd"}, limit=200))
    assert (len(page.items), page.total) == (12, 12)
    assert {hit.record.collection for hit in page.items} == {"odd"}


def test_filters_within_filters_narrow_the_set() -> None:
    filters = {
        "any_of": [{"collection": "odd"}, {"date_from": "2024-01-21"}],
        "none_of": [{"date_from": "2024-01-24", "collection": "odd"}],
    }
    page = searching().search(text(filters=filters, limit=200))
    assert {int(hit.record.key) for hit in page.items} == {*range(1, 23, 2), 20, 22, 24}


def test_facets_come_where_they_are_asked_for_on_every_page_alike() -> None:
    service = searching()
    assert service.search(text(limit=10)).facets is None
    cursor = None
    for _ in range(3):
        page = service.search(text(limit=10, cursor=cursor, facets=True))
        assert page.facets == {
            "collection": {"even": 13, "odd": 12},
            "year": {"2024": 25},
            "camera": {},
            "format": {"png": 25},
        }
        cursor = page.next_cursor
    assert cursor is None


def test_facets_are_of_what_the_filters_admit() -> None:
    page = searching().search(text(limit=1, facets=True, filters={"collection": "odd"}))
    assert page.facets is not None
    assert page.facets["collection"] == {"odd": 12}


def test_the_page_says_which_model_answered_and_how_long_each_part_took() -> None:
    page = searching().search(text())
    assert page.model == {"name": "fake", "fingerprint": "fake0001", "dim": DIM}
    assert set(page.timings_ms) == {"embed", "index", "total"}
    assert all(value >= 0 for value in page.timings_ms.values())


def test_an_empty_library_gives_an_empty_page() -> None:
    page = searching(MemoryIndex(dim=DIM)).search(text())
    assert (page.items, page.next_cursor, page.total) == ((), None, 0)


# --- paging -----------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 4, 5, 24, 25, 26])
@pytest.mark.parametrize("by", ["text", "id"])
def test_pages_together_are_the_whole_set_once_and_in_order(limit: int, by: str) -> None:
    service = searching()
    asked = {"text": "a cat"} if by == "text" else {"id": record(3).id}
    whole = service.search(SearchRequest.model_validate({**asked, "limit": 200}))
    seen: list[str] = []
    cursor = None
    for _ in range(30):
        request = SearchRequest.model_validate({**asked, "limit": limit, "cursor": cursor})
        page = service.search(request)
        assert page.total == whole.total
        seen += ids(page)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ids(whole)
    assert cursor is None


def test_a_page_that_is_not_full_is_the_last() -> None:
    assert searching().search(text(limit=26)).next_cursor is None


def test_equal_scores_are_paged_by_id() -> None:
    index = MemoryIndex(dim=DIM)
    vector = record(0).vector
    same = [record(n, vector=vector) for n in range(9)]
    index.write([Write(r, None) for r in same])
    service, seen, cursor = searching(index), [], None
    for _ in range(5):
        page = service.search(text(limit=2, cursor=cursor))
        seen += ids(page)
        cursor = page.next_cursor
    assert seen == sorted(r.id for r in same)


def test_at_most_a_thousand_are_ranked() -> None:
    index = MemoryIndex(dim=DIM)
    vector = record(0).vector
    index.write([Write(record(n, vector=vector), None) for n in range(1005)])
    page = searching(index).search(text(limit=200))
    assert page.total == 1000


# --- cursors ----------------------------------------------------------------------------------

FIRST = text("a cat", limit=2, filters={"collection": "even", "date_from": "2024-01-03"})


def first_cursor() -> str:
    cursor = searching().search(FIRST).next_cursor
    assert cursor is not None
    return cursor


@pytest.mark.parametrize(
    "other",
    [
        {"text": "a dog"},
        {"text": "a cat "},
        {"filters": {}},
        {"filters": {"collection": "odd", "date_from": "2024-01-03"}},
        {"filters": {"collection": "even", "date_from": "2024-01-04"}},
        {"filters": {"collection": "even", "date_from": "2024-01-03", "format": "png"}},
        {"filters": {"collection": "even", "date_from": "2024-01-03", "owner": ""}},
        {"filters": {"any_of": [{"collection": "even", "date_from": "2024-01-03"}]}},
        {"text": None, "id": record(3).id},
        {"text": None, "image": "QUJD"},
    ],
)
def test_a_cursor_of_another_search_is_refused(other: dict[str, Any]) -> None:
    asked = FIRST.model_dump(exclude_none=True) | other | {"cursor": first_cursor()}
    with pytest.raises(InvalidRequest) as caught:
        searching().search(SearchRequest.model_validate(asked))
    assert (caught.value.code, caught.value.field) == ("invalid_cursor", "cursor")


def test_a_cursor_of_another_model_is_refused() -> None:
    request = FIRST.model_copy(update={"cursor": first_cursor()})
    with pytest.raises(InvalidRequest):
        searching(encoder=FakeEncoder("fake0002")).search(request)


def test_a_later_page_may_have_another_size() -> None:
    request = FIRST.model_copy(update={"cursor": first_cursor(), "limit": 200})
    whole = searching().search(FIRST.model_copy(update={"limit": 200}))
    assert ids(searching().search(request)) == ids(whole)[2:]


def test_a_later_page_may_ask_for_facets_and_the_next_not() -> None:
    request = FIRST.model_copy(update={"cursor": first_cursor(), "facets": True})
    second = searching().search(request)
    plain = searching().search(request.model_copy(update={"facets": False}))
    assert (ids(second), second.next_cursor) == (ids(plain), plain.next_cursor)
    assert second.facets is not None


def _forged(*parts: Any) -> str:
    """The cursor of `FIRST` with its first three parts replaced."""
    mark = cursors.unpack(first_cursor(), 4)[3]
    return cursors.pack(*parts, mark)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "garbage",
        cursors.pack(0.5, record(1).id),
        cursors.pack(0.5, record(1).id, "0" * 12),
        cursors.pack(0.5, record(1).id, None, "0" * 12),
        cursors.pack(0.5, record(1).id, None, None),
        "forged: 1",
        "forged: text",
        "forged: null",
        "forged: huge",
        "forged: infinite",
        "forged: no id",
        "forged: half a surrogate",
        "forged: list",
        "forged: threshold text",
        "forged: threshold infinite",
    ],
)
def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    known = record(1).id
    forgeries = {
        "forged: 1": (1, known, None),
        "forged: text": ("0.5", known, None),
        "forged: null": (None, known, None),
        "forged: huge": (10**320, known, None),
        "forged: infinite": (float("inf"), known, None),
        "forged: no id": (0.5, "x", None),
        "forged: half a surrogate": (0.5, "\ud800" * 32, None),
        "forged: list": ([0.5], [known], None),
        "forged: threshold text": (0.5, known, "0.9"),
        "forged: threshold infinite": (0.5, known, float("-inf")),
    }
    given_cursor = _forged(*forgeries[cursor]) if cursor in forgeries else cursor
    with pytest.raises(InvalidRequest) as caught:
        searching().search(FIRST.model_copy(update={"cursor": given_cursor}))
    assert caught.value.code == "invalid_cursor"


@given(st.text(max_size=200))
@settings(max_examples=50)
def test_any_text_for_a_cursor_is_refused_and_nothing_else(cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        read_cursor(cursor, "mark")


@given(st.floats(-(2.0**53), 2.0**53), st.none() | st.floats(-2, 2))
def test_a_cursor_names_its_place_exactly(number: float, threshold: float | None) -> None:
    cursor = write_cursor((number, record(1).id), threshold, "mark")
    assert len(cursor) <= 500
    assert read_cursor(cursor, "mark") == ((number, record(1).id), threshold)
    with pytest.raises(InvalidRequest):
        read_cursor(cursor, "another mark")


# --- remembered texts -------------------------------------------------------------------------


def test_a_text_is_embedded_once_while_it_is_remembered() -> None:
    encoder = FakeEncoder()
    service = searching(encoder=encoder)
    first = service.search(text("a cat"))
    again = service.search(text("a cat", filters={"collection": "odd"}))
    assert encoder.embedded == 1
    assert first.items[0].record.id != again.items[0].record.id or first.total != again.total
    service.search(text("A cat"))
    assert encoder.embedded == 2


def test_the_text_not_asked_for_longest_is_forgotten_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(meanings, "_REMEMBERED_TEXTS", 3)
    encoder = FakeEncoder()
    service = searching(encoder=encoder)
    for words in ("a", "b", "c", "a", "d"):
        service.search(text(words))
    assert encoder.embedded == 4
    for words in ("a", "c", "d"):
        service.search(text(words))
    assert encoder.embedded == 4
    service.search(text("b"))
    assert encoder.embedded == 5


def test_many_threads_get_the_answers_of_their_own_texts() -> None:
    service = searching()
    words = [str(n) for n in range(25)] * 20
    with ThreadPoolExecutor(16) as threads:
        pages = threads.map(lambda w: service.search(text(w, limit=1)), words)
    assert [page.items[0].record.key for page in pages] == words


# --- the query log ----------------------------------------------------------------------------


@pytest.fixture
def log() -> Iterator[Lines]:
    with captured() as lines:
        yield lines


def test_the_query_log_says_what_was_asked_and_what_came_of_it(log: Lines) -> None:
    service = searching(log_queries=True)
    request = text("two cats", filters={"collection": "odd", "date_from": "2024-01-05"}, limit=4)
    page = service.search(request, owner="arn:aws:iam::123456789012:user/anna")
    (line,) = log()
    assert line["message"] == "search"
    assert (line["by"], line["words"], line["limit"]) == ("text", "two cats", 4)
    assert line["filters"]["collection"] == "odd"
    assert line["filters"]["date_from"].startswith("2024-01-05")
    assert (line["count"], line["total"]) == (len(page.items), page.total)
    assert line["best"] == page.items[0].score
    assert line["timings_ms"] == page.timings_ms
    assert line["owner"] == "arn:aws:iam::123456789012:user/anna"
    assert line["later_page"] is False


def test_the_query_log_has_filters_within_filters(log: Lines) -> None:
    filters = {
        "min_width": 100,
        "near": {"lat": 48.1, "lon": 11.5, "km": 10.0},
        "any_of": [{"camera": "X100"}, {"none_of": [{"format": "png"}]}],
    }
    searching(log_queries=True).search(text(filters=filters))
    (line,) = log()
    assert line["filters"] == filters


def test_the_query_log_tells_later_pages_apart(log: Lines) -> None:
    service = searching(log_queries=True)
    cursor = service.search(text(limit=2)).next_cursor
    service.search(text(limit=2, cursor=cursor))
    assert [line["later_page"] for line in log()] == [False, True]


def test_the_query_log_never_holds_a_picture(log: Lines) -> None:
    content = base64.b64encode(b"a picture of mine" * 20).decode()
    searching(log_queries=True).search(SearchRequest(image=content))
    searching(log_queries=True).search(SearchRequest(id=record(3).id))
    by_image, by_id = log()
    assert (by_image["by"], by_id["by"], by_id["like"]) == ("image", "id", record(3).id)
    assert content[:24] not in str(log())
    assert "picture of mine" not in str(log())


def test_an_empty_answer_is_logged_without_a_best(log: Lines) -> None:
    searching(MemoryIndex(dim=DIM), log_queries=True).search(text())
    (line,) = log()
    assert (line["count"], line["total"]) == (0, 0)
    assert line.get("best") is None


def test_nothing_is_logged_when_the_query_log_is_off(log: Lines) -> None:
    searching(log_queries=False).search(text())
    assert log() == []


def test_the_vectors_of_the_tests_are_unit_vectors() -> None:
    vector = record(1).vector
    assert vector is not None
    assert float(np.linalg.norm(vector)) == pytest.approx(1)
    assert Filters() == SearchRequest(text="x").filters
