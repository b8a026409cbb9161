"""The library, listed and asked for by id, over an index in memory."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib import cursors
from chalicelib.errors import InvalidRequest, NotFound
from chalicelib.index.base import Write
from chalicelib.index.memory import MemoryIndex
from chalicelib.library import Library, ListRequest
from chalicelib.queries import SearchRequest
from tests.fakes.encoding import DIM
from tests.fakes.library import FakeLibrary
from tests.unit.sentences import faults
from tests.unit.test_search import filled, record, searching


def listing(index: MemoryIndex) -> Library:
    return Library(bucket=FakeLibrary().bucket, index=index, ingest=FakeLibrary().ingest())


def request(**values: Any) -> ListRequest:
    return ListRequest.model_validate(values)


@pytest.mark.parametrize("limit", [1, 4, 25, 26])
def test_the_library_is_listed_newest_first_page_by_page(limit: int) -> None:
    library = listing(filled())
    keys: list[str] = []
    cursor = None
    for _ in range(30):
        records, cursor, total = library.list(request(limit=limit, cursor=cursor))
        assert total == 25
        keys += [r.key for r in records]
        if cursor is None:
            break
    assert keys == [str(n) for n in reversed(range(25))]


def test_records_without_a_time_are_listed_last_and_paged_too() -> None:
    index = MemoryIndex(dim=DIM)
    index.write([Write(record(n, uploaded_at=None), None) for n in range(3)])
    index.write([Write(record(9), None)])
    library = listing(index)
    seen: list[str] = []
    cursor = None
    for _ in range(6):
        records, cursor, _ = library.list(request(limit=1, cursor=cursor))
        seen += [r.id for r in records]
        if cursor is None:
            break
    assert seen == [record(9).id, *sorted(record(n).id for n in range(3))]


@pytest.mark.parametrize(
    "cursor",
    [
        "garbage",
        cursors.pack(None),
        cursors.pack(None, "x"),
        cursors.pack(None, "\ud800" * 32),
        cursors.pack(5, record(1).id),
        cursors.pack("yesterday", record(1).id),
        cursors.pack("2024-01-01T00:00:00", record(1).id),
        cursors.pack(["2024-01-01T00:00:00+00:00"], record(1).id),
        cursors.pack(0.5, record(1).id, "mark of a search"),
    ],
)
def test_a_cursor_that_is_none_of_a_listing_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        listing(filled()).list(request(cursor=cursor))
    assert caught.value.code == "invalid_cursor"


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_cursor_at_the_end_of_time_is_no_error(moment: str) -> None:
    records, _, _ = listing(filled()).list(request(cursor=cursors.pack(moment, record(1).id)))
    assert len(records) in (0, 25)


def test_known_images_come_in_the_order_asked_for_in_any_state_but_deleted() -> None:
    index = MemoryIndex(dim=DIM)
    index.write(
        [
            Write(record(1), None),
            Write(record(2, state="rejected", vector=None), None),
            Write(record(3, state="deleted", vector=None), None),
        ]
    )
    asked = [record(n).id for n in (3, 2, 9, 1)]
    assert [r.key for r in listing(index).get_known(asked)] == ["2", "1"]


@pytest.mark.parametrize("number", [3, 9], ids=["deleted", "unknown"])
def test_an_image_that_is_not_there_is_not_found(number: int) -> None:
    index = MemoryIndex(dim=DIM)
    index.write([Write(record(3, state="deleted", vector=None), None)])
    with pytest.raises(NotFound) as caught:
        listing(index).get(record(number).id)
    assert faults(caught.value.message) == []


def test_a_deleted_image_leaves_bucket_listing_and_search_at_once() -> None:
    known = FakeLibrary()
    known.put("trips/a.png", b"a")
    known.put("trips/b.png", b"b")
    known.ingest().process(["trips/a.png", "trips/b.png"])
    library = Library(bucket=known.bucket, index=known.index, ingest=known.ingest())
    found = known.record("trips/a.png")
    assert found is not None
    library.delete(library.get(found.id))
    assert list(known.bucket.objects) == ["trips/b.png"]
    assert [r.key for r in library.list(ListRequest())[0]] == ["trips/b.png"]
    page = searching(known.index, encoder=known.encoder).search(SearchRequest(text="a cat"))
    assert [hit.record.key for hit in page.items] == ["trips/b.png"]
    with pytest.raises(NotFound):
        library.get(found.id)
    assert known.differences() == []
