"""Searches that go on with the vector of a picture in the picture's place."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from chalicelib.errors import InvalidRequest
from chalicelib.index.base import ALL, Write
from chalicelib.index.memory import MemoryIndex
from chalicelib.index.narrowed import narrowed
from chalicelib.queries import SearchRequest
from chalicelib.records import Filters, Hit, Page
from chalicelib.search import Search
from tests.fakes.encoding import DIM, FakeCalibration, FakeEncoder
from tests.unit.logs import captured
from tests.unit.test_search import record, searching

PICTURE = base64.b64encode(b"a picture").decode()
OTHER = base64.b64encode(b"another picture").decode()


@pytest.fixture
def index() -> MemoryIndex:
    made = MemoryIndex(dim=DIM)
    made.write([Write(record(n, owner="anna" if n % 3 else "ben"), None) for n in range(25)])
    return made


@pytest.fixture
def service(index: MemoryIndex) -> Search:
    encoder = FakeEncoder()
    encoder.calibration = FakeCalibration()
    return searching(index, encoder=encoder)


def asked(**fields: Any) -> SearchRequest:
    return SearchRequest.model_validate({"closest": True, **fields})


def ranked(page: Page) -> list[tuple[str, float]]:
    return [(hit.record.id, hit.score) for hit in page.items]


def vector_of(page: Page, part: int = 0) -> str:
    assert page.vectors is not None
    vector = page.vectors[part]
    assert vector is not None
    return vector


def test_a_picture_and_its_vector_give_the_same_scores_to_the_last_bit(service: Search) -> None:
    sent = service.search(asked(image=PICTURE, limit=25))
    again = service.search(asked(vector=vector_of(sent), limit=25))
    assert ranked(again) == ranked(sent)
    assert len(ranked(sent)) == 25
    assert again.vectors is None, "only what was sent is told"
    assert service.search(asked(text="a")).vectors is None


def test_the_next_page_may_be_asked_for_with_the_vector_or_the_picture(service: Search) -> None:
    whole = ranked(service.search(asked(image=PICTURE, limit=25)))
    first = service.search(asked(image=PICTURE, limit=10))
    for way in ({"vector": vector_of(first)}, {"image": PICTURE}):
        second = service.search(asked(**way, limit=15, cursor=first.next_cursor))
        assert ranked(first) + ranked(second) == whole
    for wrong in ({"image": OTHER}, {"vector": vector_of(service.search(asked(image=OTHER)))}):
        with pytest.raises(InvalidRequest) as caught:
            service.search(asked(**wrong, cursor=first.next_cursor))
        assert caught.value.code == "invalid_cursor"


def test_vectors_of_parts_stand_where_their_pictures_did(service: Search) -> None:
    parts = [
        {"text": "a cat"},
        {"image": PICTURE, "weight": 0.7},
        {"id": record(3).id},
        {"image": OTHER, "weight": -0.3},
    ]
    page = service.search(asked(parts=parts, limit=12))
    vectors = page.vectors
    assert vectors is not None
    assert [vector is None for vector in vectors] == [True, False, True, False]
    again = [
        part if vector is None else {"vector": vector, "weight": part["weight"]}
        for part, vector in zip(parts, vectors, strict=True)
    ]
    assert ranked(service.search(asked(parts=again, limit=12))) == ranked(page)
    more = service.search(asked(parts=again, limit=12, cursor=page.next_cursor))
    assert not dict(ranked(more)).keys() & dict(ranked(page)).keys()


def test_a_vector_finds_only_what_its_sender_may_see(service: Search, index: MemoryIndex) -> None:
    part = narrowed(index, Filters(owner="anna"))
    vector = vector_of(service.over(part).search(asked(image=PICTURE)))
    page = service.over(part).search(asked(vector=vector, limit=25))
    assert {hit.record.owner for hit in page.items} == {"anna"}
    every = service.over(narrowed(index, ALL)).search(asked(vector=vector, limit=25))
    hits: list[Hit] = [hit for hit in every.items if hit.record.owner == "anna"]
    assert [(hit.record.id, hit.score) for hit in hits] == ranked(page)


def test_a_vector_of_another_model_is_refused_where_it_stands(service: Search) -> None:
    vector = vector_of(service.search(asked(image=PICTURE)))
    other = searching(encoder=FakeEncoder(fingerprint="fake0002"))
    for body, field in (
        ({"vector": vector}, "vector"),
        ({"parts": [{"text": "a"}, {"vector": vector}]}, "parts.1.vector"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            other.search(asked(**body))
        assert caught.value.field == field
        assert "another model (fake0001)" in caught.value.message


def test_the_log_has_neither_pictures_nor_their_vectors(index: MemoryIndex) -> None:
    service = searching(index, log_queries=True)
    vector = vector_of(service.search(asked(image=PICTURE)))
    with captured() as lines:
        service.search(asked(image=PICTURE))
        service.search(asked(vector=vector))
        service.search(asked(parts=[{"vector": vector}, {"image": PICTURE}]))
        told = lines()
    assert [line["by"] for line in told] == ["image", "vector", "parts"]
    said = json.dumps(told)
    assert vector not in said
    assert PICTURE not in said
