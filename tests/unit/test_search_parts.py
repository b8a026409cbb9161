"""Searches of several parts, of what is not wanted, and of parts of pictures."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from chalicelib.decoding import DecoderPool
from chalicelib.errors import InvalidRequest, NotFound, TooLarge, UnreadableImage
from chalicelib.index.base import Write
from chalicelib.index.memory import MemoryIndex
from chalicelib.index.narrowed import narrowed
from chalicelib.meanings import LEAST_SIDE
from chalicelib.queries import SearchRequest
from chalicelib.records import Filters
from chalicelib.uploads import MAX_BASE64
from tests.fakes.bucket import MemoryBucket
from tests.fakes.encoding import DIM, FakeCalibration, FakeEncoder, picture
from tests.unit.pictures import encoded, scene
from tests.unit.sentences import faults
from tests.unit.test_search import filled, ids, record, searching

ROUNDED = 0.01
"""How far the rounding of a picture's vector, of eight numbers, moves each of them at most."""


def asking(*parts: dict[str, Any], **rest: Any) -> SearchRequest:
    return SearchRequest.model_validate({"parts": parts, **rest})


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def vector_of(text: str) -> NDArray[np.float32]:
    return FakeEncoder().embed_texts([text])[0]


class Watched(MemoryIndex):
    """Remembers the last query."""

    def search(self, query: NDArray[np.float32], *args: Any, **asked: Any) -> Any:
        self.query, self.asked = query, asked
        return super().search(query, *args, **asked)


@pytest.fixture
def index() -> Watched:
    made = Watched(dim=DIM)
    made.write([Write(record(n), None) for n in range(25)])
    return made


# --- sums -------------------------------------------------------------------------------------


def test_one_part_is_the_same_as_the_request_without_parts(index: Watched) -> None:
    service = searching(index)
    for alone in ({"text": "a cat"}, {"image": base64_of(b"7")}, {"id": record(3).id}):
        plain = service.search(SearchRequest.model_validate(alone))
        assert ids(service.search(asking(alone))) == ids(plain)
        assert ids(service.search(asking({**alone, "weight": 0.4}))) == ids(plain)


def test_parts_are_added_by_their_weights(index: Watched) -> None:
    request = asking(
        {"text": "a cat"},
        {"image": base64_of(b"7"), "weight": 0.5},
        {"id": record(3).id, "weight": -0.25},
    )
    searching(index).search(request)
    third = record(3).vector
    assert third is not None
    wanted = vector_of("a cat") + 0.5 * vector_of("7") - 0.25 * third
    assert np.allclose(index.query, wanted / np.linalg.norm(wanted), atol=ROUNDED)


def test_every_part_is_seen_in_the_calibrated_space(index: Watched) -> None:
    class Shifted(FakeCalibration):
        """Texts and pictures are seen from means of their own."""

        def of_texts(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
            return self._from(rows, 0.2)

        def of_images(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
            return self._from(rows, -0.3)

        def _from(self, rows: NDArray[np.float32], mean: float) -> NDArray[np.float32]:
            moved = rows - np.float32(mean)
            return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), np.float32)

    calibration = Shifted()
    encoder = FakeEncoder()
    encoder.calibration = calibration
    long = record(30, response=0.5, vector=vector_of("30") / 0.5)
    index.write([Write(long, None)])
    searching(index, encoder=encoder).search(
        asking({"text": "a cat"}, {"image": base64_of(b"7")}, {"id": long.id}, closest=True)
    )
    wanted = (
        calibration.of_texts(vector_of("a cat")[None])[0]
        + calibration.of_images(vector_of("7")[None])[0]
        + vector_of("30")
    )
    assert np.allclose(index.query, wanted / np.linalg.norm(wanted), atol=ROUNDED)


def test_images_that_are_wanted_are_left_out_and_others_not() -> None:
    service = searching()
    both = asking({"id": record(3).id}, {"text": "4"}, {"id": record(5).id}, limit=200)
    assert {record(n).id for n in range(25)} - {*ids(service.search(both))} == {
        record(3).id,
        record(5).id,
    }
    unlike = service.search(asking({"text": "4"}, {"id": record(3).id, "weight": -0.2}, limit=200))
    assert record(3).id in ids(unlike)


@pytest.mark.parametrize(
    "parts",
    [
        [{"text": "a cat"}, {"text": "a cat", "weight": -1.0}],
        [{"id": record(3).id}, {"id": record(3).id, "weight": -0.98}],
        [{"text": "a cat", "weight": 0.5}, {"text": "a cat", "weight": -1.0}],
    ],
)
def test_parts_that_cancel_each_other_out_are_refused(parts: list[dict[str, Any]]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        searching().search(asking(*parts))
    assert caught.value.field == "parts"
    assert faults(caught.value.message) == []


# --- words ------------------------------------------------------------------------------------


def test_what_a_text_leaves_out_is_subtracted_and_its_words_are_excluded(index: Watched) -> None:
    index.write([Write(record(40, name="people on a beach.png"), None)])
    service = searching(index)
    page = service.search(SearchRequest(text='a beach -"People on"', limit=200))
    away = vector_of("a beach") - 0.4 * vector_of("People on")
    assert np.allclose(index.query, away / np.linalg.norm(away), atol=1e-6)
    assert record(40).id not in ids(page)
    assert record(40).id in ids(service.search(SearchRequest(text="a beach", limit=200)))


def test_quoted_words_must_be_there_and_are_asked_of_the_model_too(index: Watched) -> None:
    index.write([Write(record(40, text="Invoice 2024, paid"), None)])
    page = searching(index).search(SearchRequest(text='"invoice 2024"'))
    assert np.allclose(index.query, vector_of("invoice 2024"), atol=1e-6)
    assert ids(page) == [record(40).id]


def test_words_are_looked_for_in_texts_that_are_wanted_only(index: Watched) -> None:
    service = searching(index)
    service.search(asking({"text": "red boat"}, {"text": "-blue sea"}, {"id": record(3).id}))
    wording = index.asked["wording"]
    assert (wording.words, wording.without) == (("red", "boat", "sea"), (("blue",),))
    assert wording.whole == (), "only a text alone may be the name of an image"
    service.search(asking({"id": record(3).id}, {"text": '"a boat"', "weight": -0.5}))
    assert index.asked["wording"] is None
    service.search(asking({"text": "IMG_1234.jpg"}))
    assert index.asked["wording"].whole == ("img", "1234", "jpg")


def test_an_image_of_that_very_name_comes_first(index: Watched) -> None:
    index.write([Write(record(40, name="IMG_1234.jpg"), None)])
    for name in ("IMG_1234.jpg", "img 1234", "IMG_1234"):
        page = searching(index).search(SearchRequest(text=name, limit=3))
        assert page.items[0].record.id == record(40).id


# --- wrong parts ------------------------------------------------------------------------------


def test_an_error_names_the_part_it_is_about() -> None:
    service = searching()
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"image": "no base64!"}, InvalidRequest, "parts.1.image"),
        ({"id": "0" * 32}, NotFound, "parts.1.id"),
        ({"id": "0" * 32, "region": (0.0, 0.0, 0.5, 1.0)}, NotFound, "parts.1.id"),
    ]
    for part, kind, field in wrong:
        with pytest.raises(kind) as caught:
            service.search(asking({"text": "a cat"}, part))
        assert getattr(caught.value, "field") == field  # noqa: B009
    with pytest.raises(UnreadableImage):
        service.search(asking({"text": "a cat"}, {"image": base64_of(b"BROKEN")}))


def test_all_images_of_a_request_share_one_limit() -> None:
    half = "A" * (MAX_BASE64 // 2 + 4)
    with pytest.raises(TooLarge) as caught:
        searching().search(asking({"image": half}, {"image": half}))
    assert caught.value.field == "parts"
    assert faults(caught.value.message) == []


def test_a_part_of_another_person_s_image_is_not_there() -> None:
    index = filled()
    known = searching(index, bucket=MemoryBucket())
    mine = known.over(narrowed(index, Filters(owner="anna")))
    for region in ({}, {"region": (0.0, 0.0, 0.5, 0.5)}):
        with pytest.raises(NotFound):
            mine.search(asking({"text": "a"}, {"id": record(3).id, **region}))


# --- regions ----------------------------------------------------------------------------------

LARGE = scene(200, 100)
LEFT = (0.0, 0.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def decoders() -> Iterator[DecoderPool]:
    pool = DecoderPool(1)
    yield pool
    pool.close()


@pytest.fixture
def bucket() -> MemoryBucket:
    made = MemoryBucket()
    made.put("3", encoded(LARGE, "PNG"), "image/png")
    return made


def left_half(image: Image.Image) -> Image.Image:
    return image.crop((0, 0, image.width // 2, image.height))


@pytest.mark.xdist_group("decoders")
def test_a_region_of_an_image_is_looked_for_as_if_it_were_all_of_it(
    index: Watched, decoders: DecoderPool, bucket: MemoryBucket
) -> None:
    service = searching(index, decoders=decoders, bucket=bucket, max_bytes=10**6)
    half = SearchRequest(image=base64_of(encoded(left_half(LARGE), "PNG")))
    service.search(half)
    expected = index.query
    whole = base64_of(encoded(LARGE, "PNG"))
    service.search(SearchRequest(image=whole))
    assert not np.allclose(index.query, expected, atol=5 * ROUNDED)
    for request in (
        SearchRequest(image=whole, region=LEFT),
        SearchRequest(id=record(3).id, region=LEFT),
        asking({"id": record(3).id, "region": LEFT}),
    ):
        page = service.search(request)
        assert np.allclose(index.query, expected, atol=ROUNDED)
        assert (record(3).id in ids(page)) is (request.image is not None)
        if page.vectors:
            by_picture, vector = index.query, page.vectors[0]
            service.search(SearchRequest(vector=vector))
            assert (index.query == by_picture).all(), "a vector is that of the region"


@pytest.mark.xdist_group("decoders")
def test_a_region_in_which_nothing_can_be_seen_is_refused(
    index: Watched, decoders: DecoderPool, bucket: MemoryBucket
) -> None:
    service = searching(index, decoders=decoders, bucket=bucket, max_bytes=10**6)
    wide, high = (LEAST_SIDE - 1) / 200, (LEAST_SIDE - 1) / 100
    for region in ((0.0, 0.0, wide, 1.0), (0.5, 0.5, 0.5, high)):
        with pytest.raises(InvalidRequest) as caught:
            service.search(SearchRequest(id=record(3).id, region=region))
        assert caught.value.field == "region"
        assert faults(caught.value.message) == []
    service.search(SearchRequest(id=record(3).id, region=(0.0, 0.0, wide + 0.01, 1.0)))


@pytest.mark.parametrize("case", ["gone", "too large", "archived"])
def test_a_region_of_a_file_that_cannot_be_read_is_not_found(case: str) -> None:
    bucket = MemoryBucket()
    if case != "gone":
        bucket.put("3", b"x" * (2000 if case == "too large" else 10), "image/png")
    if case == "archived":
        bucket.archived.add("3")
    with pytest.raises(NotFound) as caught:
        searching(bucket=bucket).search(SearchRequest(id=record(3).id, region=LEFT))
    assert caught.value.field == "id"
    assert faults(caught.value.message) == []


def test_the_vectors_of_texts_and_pictures_of_these_tests_are_one() -> None:
    assert np.allclose(vector_of("7"), FakeEncoder().embed_pixels(picture(b"7")[None])[0])
