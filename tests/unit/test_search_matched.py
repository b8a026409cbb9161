"""Where a search says that nothing matches, and what else it knows of its answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest

from chalicelib.algebra import GIVES_WAY
from chalicelib.errors import InvalidRequest
from chalicelib.index.base import Write
from chalicelib.index.memory import MemoryIndex
from chalicelib.queries import SearchRequest
from chalicelib.records import ImageRecord, Page
from chalicelib.relevance import Cut, threshold_of
from chalicelib.search import Search
from chalicelib.thresholds import Measured, Thresholds
from tests.fakes.encoding import DIM, FakeCalibration, FakeEncoder
from tests.unit.logs import Lines, captured
from tests.unit.test_search import ids, record, searching

RESPONSE = 0.5
NOTHING = "zzgrwq"
"""A text whose fake vector is near no image's."""


def calibrated(number: int, **fields: Any) -> ImageRecord:
    made = record(number)
    assert made.vector is not None
    said = {"response": RESPONSE, "calibration": "calibration1", "vector": made.vector / RESPONSE}
    return replace(made, **(said | fields))


class Fixed:
    """Thresholds as they were measured once."""

    def __init__(self, texts: float = 1.7, images: float = 1.9) -> None:
        self.measured = Measured(texts, images, "calibration1", 25, datetime.now(timezone.utc))

    def current(self) -> Measured:
        return self.measured


class Watched(MemoryIndex):
    """Remembers what it was asked last."""

    def search(self, *args: Any, **asked: Any) -> Any:
        self.asked = asked
        return super().search(*args, **asked)


@pytest.fixture
def index() -> Watched:
    made = Watched(dim=DIM)
    made.write([Write(calibrated(n), None) for n in range(25)])
    return made


def service(index: MemoryIndex, thresholds: Any = None, **parts: Any) -> Search:
    encoder = FakeEncoder()
    encoder.calibration = FakeCalibration(response=RESPONSE)
    return searching(index, encoder=encoder, thresholds=thresholds or Fixed(), **parts)


def asked(text: str = "7", **rest: Any) -> SearchRequest:
    return SearchRequest.model_validate({"text": text, **rest})


def test_what_matches_is_within_and_the_rest_is_counted(index: Watched) -> None:
    page = service(index).search(asked(limit=200))
    assert page.matched is True
    assert page.items[0].record.key == "7"
    assert page.items[0].meaning == pytest.approx(1 / RESPONSE, abs=1e-5)
    assert all(hit.within for hit in page.items)
    assert (page.total, page.rest) == (len(page.items), 25 - len(page.items))
    assert 0 < page.rest < 25


def test_nothing_is_answered_where_nothing_matches_unless_the_closest_is_asked_for(
    index: Watched,
) -> None:
    found = service(index).search(asked(NOTHING, limit=200))
    assert (found.items, found.matched, found.total, found.rest) == ((), False, 0, 25)
    assert found.next_cursor is None
    closest = service(index).search(asked(NOTHING, limit=200, closest=True))
    assert (len(closest.items), closest.matched, closest.total) == (25, False, 25)
    assert not any(hit.within for hit in closest.items)


def test_with_the_closest_what_matches_comes_first(index: Watched) -> None:
    kept = ids(service(index).search(asked(limit=200)))
    page = service(index).search(asked(limit=200, closest=True))
    assert ids(page)[: len(kept)] == kept
    assert [hit.within for hit in page.items] == [True] * len(kept) + [False] * (25 - len(kept))
    assert page.matched is True


def test_an_image_whose_words_all_match_is_within_whatever_it_means(index: Watched) -> None:
    index.write([Write(calibrated(40, text=f"a {NOTHING}"), None)])
    page = service(index).search(asked(NOTHING))
    assert (page.matched, [hit.record.key for hit in page.items]) == (True, ["40"])


@pytest.mark.parametrize(
    ("request_", "pictures"),
    [
        ({"text": "7"}, 0.0),
        ({"image": "Nw=="}, 1.0),
        ({"id": record(3).id}, 1.0),
        ({"parts": [{"text": "7", "weight": 0.75}, {"image": "Nw==", "weight": 0.25}]}, 0.25),
    ],
)
def test_each_kind_of_query_has_its_threshold(
    index: Watched, request_: dict[str, Any], pictures: float
) -> None:
    page = service(index).search(SearchRequest.model_validate(request_))
    assert index.asked["cut"].threshold == pytest.approx(threshold_of(1.7, 1.9, pictures))
    assert page.threshold == index.asked["cut"].threshold


def test_the_threshold_gives_way_to_what_is_subtracted(index: Watched) -> None:
    one, other = FakeEncoder().embed_texts(["7", "boat"])
    service(index).search(asked("7 -boat"))
    away = one - 0.4 * other
    cosine = float(away @ one / np.linalg.norm(away))
    expected = pytest.approx(1.7 * cosine**GIVES_WAY, abs=1e-5)
    assert index.asked["cut"] == Cut(expected, closest=False)


def test_without_a_calibration_there_is_no_cut() -> None:
    page = searching().search(asked(NOTHING, limit=200))
    assert (page.matched, page.threshold, page.rest, page.total) == (None, None, 0, 25)


def test_thresholds_are_measured_by_a_search_where_nobody_has(index: Watched) -> None:
    encoder = FakeEncoder()
    encoder.calibration = FakeCalibration(response=RESPONSE)
    page = service(index, Thresholds(index, encoder)).search(asked())
    assert page.threshold is not None
    assert 0.5 < page.threshold * RESPONSE < 1.1
    assert page.items[0].record.key == "7"


# --- order and pages --------------------------------------------------------------------------

LOW = 1.2
"""A threshold under which "sea" keeps a dozen of `many`."""


@pytest.fixture
def many() -> MemoryIndex:
    made = MemoryIndex(dim=DIM)
    made.write(
        [
            Write(calibrated(n, **({"uploaded_at": None} if n % 7 == 0 else {})), None)
            for n in range(100)
        ]
    )
    return made


def pages(known: Search, **rest: Any) -> list[Page]:
    made = [known.search(asked("sea", **rest))]
    while made[-1].next_cursor and len(made) < 150:
        made.append(known.search(asked("sea", **rest, cursor=made[-1].next_cursor)))
    return made


@pytest.mark.parametrize("order", ["best", "newest", "oldest"])
@pytest.mark.parametrize("closest", [False, True])
@pytest.mark.parametrize("limit", [1, 3])
def test_pages_together_are_the_whole_kept_set_once_in_each_order(
    many: MemoryIndex, order: str, closest: bool, limit: int
) -> None:
    known = service(many, Fixed(LOW))
    whole = known.search(asked("sea", order=order, closest=closest, limit=200))
    walked = pages(known, order=order, closest=closest, limit=limit)
    assert [name for page in walked for name in ids(page)] == ids(whole)
    assert {page.total for page in walked} == {whole.total}
    undated = [hit.record.date is None for hit in whole.items]
    assert any(undated)
    if order != "best":
        assert undated == sorted(undated), "those without a date come last"


def test_the_newest_of_what_matches_are_only_what_matches(many: MemoryIndex) -> None:
    known = service(many, Fixed(LOW))
    best = known.search(asked("sea", limit=200))
    newest = known.search(asked("sea", limit=200, order="newest"))
    assert set(ids(newest)) == set(ids(best))
    dates = [hit.record.date for hit in newest.items if hit.record.date]
    assert dates == sorted(dates, reverse=True)
    assert len(dates) > 3


def test_pages_of_one_search_agree_though_the_threshold_is_measured_again(
    many: MemoryIndex,
) -> None:
    thresholds = Fixed(LOW)
    known = service(many, thresholds)
    whole = ids(known.search(asked("sea", limit=200)))
    first = known.search(asked("sea", limit=2))
    thresholds.measured = replace(thresholds.measured, texts=1.95)
    second = known.search(asked("sea", limit=200, cursor=first.next_cursor))
    assert ids(first) + ids(second) == whole
    assert second.threshold == first.threshold
    assert len(known.search(asked("sea", limit=200)).items) < len(whole)


@pytest.mark.parametrize("other", [{"closest": True}, {"order": "newest"}])
def test_a_cursor_goes_with_its_order_and_its_end(many: MemoryIndex, other: dict[str, Any]) -> None:
    known = service(many, Fixed(LOW))
    cursor = known.search(asked("sea", limit=2)).next_cursor
    assert cursor is not None
    with pytest.raises(InvalidRequest, match="cursor does not belong"):
        known.search(asked("sea", limit=2, cursor=cursor, **other))


def test_a_cursor_of_another_calibration_is_refused(many: MemoryIndex) -> None:
    cursor = service(many, Fixed(LOW)).search(asked("sea", limit=2)).next_cursor
    assert cursor is not None
    encoder = FakeEncoder()
    encoder.calibration = FakeCalibration("calibration2", RESPONSE)
    with pytest.raises(InvalidRequest, match="cursor does not belong"):
        searching(many, encoder=encoder, thresholds=Fixed()).search(
            asked("sea", limit=2, cursor=cursor)
        )


# --- the query log ----------------------------------------------------------------------------


@pytest.fixture
def log() -> Iterator[Lines]:
    with captured() as lines:
        yield lines


def test_the_query_log_says_whether_anything_matched_and_by_how_much(
    index: Watched, log: Lines
) -> None:
    known = service(index, log_queries=True)
    found = known.search(asked(limit=200))
    known.search(asked(NOTHING, order="newest"))
    known.search(asked(NOTHING, closest=True))
    first, second, third = log()
    assert (first["matched"], first["threshold"]) == (True, 1.7)
    assert (first["total"], first["rest"]) == (found.total, found.rest)
    assert first["best_meaning"] == found.items[0].meaning
    assert (second["matched"], second["total"], second["rest"]) == (False, 0, 25)
    assert (second["order"], second["closest"]) == ("newest", False)
    assert (third["closest"], third["matched"], third["total"]) == (True, False, 25)


def test_the_query_log_has_the_parts_but_no_picture(index: Watched, log: Lines) -> None:
    known = service(index, log_queries=True)
    parts = [
        {"text": "two boats"},
        {"image": "YSBwaWN0dXJl", "weight": 0.5},
        {"text": "a storm", "weight": -0.5},
    ]
    known.search(SearchRequest.model_validate({"parts": parts}))
    (line,) = log()
    assert (line["by"], line["words"]) == ("parts", "two boats")
    assert line["parts"] == [
        {"text": "two boats", "weight": 1.0},
        {"image": True, "weight": 0.5},
        {"text": "a storm", "weight": -0.5},
    ]
    assert "YSBwaWN0dXJl" not in str(line)
