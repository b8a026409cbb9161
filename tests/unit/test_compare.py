"""Two indexes of one bucket, compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.compare import TOP, WORDS, Comparison, Side, compare
from chalicelib.errors import UnusableVector
from chalicelib.index.base import Index, Write
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.index.memory import MemoryIndex
from chalicelib.records import ImageRecord
from tests.fakes.encoding import DIM, FakeEncoder
from tests.unit.test_search import record

COUNT = 40


class Turned(FakeEncoder):
    """Another model: every vector points the other way in half of its parts."""

    def embed_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return super().embed_pixels(pixels) * TURN


TURN = np.asarray([1, -1] * (DIM // 2), np.float32)


def turned(number: int) -> ImageRecord:
    made = record(number)
    assert made.vector is not None
    return replace(made, vector=made.vector * TURN)


def side(*records: ImageRecord, encoder: FakeEncoder | None = None, name: str = "x") -> Side:
    index = MemoryIndex(dim=DIM)
    index.write([Write(r, None) for r in records])
    return Side(name, index, encoder or FakeEncoder())


def without_vector(number: int, state: str) -> ImageRecord:
    return replace(record(number), state=state, vector=None)  # type: ignore[arg-type]


def same(count: int = COUNT) -> Side:
    return side(*(record(n) for n in range(count)))


def test_an_index_is_like_itself() -> None:
    found = compare(same(), same(), sample=25)
    assert (found.overlap_by_words.mean, found.overlap_by_words.queries) == (1.0, len(WORDS))
    assert (found.overlap_by_images.mean, found.overlap_by_images.queries) == (1.0, 25)
    assert found.coverage.in_both == COUNT
    assert found.coverage.only_in_old == found.coverage.only_in_new == 0


def test_models_that_turn_words_and_images_alike_answer_alike() -> None:
    """Each index is asked by its own model's vectors, never by the other's."""
    other = side(*(turned(n) for n in range(COUNT)), encoder=Turned())
    found = compare(same(), other, sample=COUNT)
    assert found.overlap_by_words.mean == 1.0
    assert found.overlap_by_images.mean == 1.0


def test_models_that_see_otherwise_answer_otherwise() -> None:
    records = [record(n) for n in range(COUNT)]
    vectors = [r.vector for r in records[1:] + records[:1]]
    other = side(*(replace(r, vector=v) for r, v in zip(records, vectors, strict=True)))
    found = compare(same(), other, sample=COUNT)
    for overlap in (found.overlap_by_words, found.overlap_by_images):
        assert overlap.mean is not None
        assert 0 < overlap.mean < 0.7


def test_coverage_says_what_is_where_and_what_the_new_model_rejected() -> None:
    old = side(
        *(record(n) for n in range(30)),
        *(without_vector(n, "rejected") for n in range(30, 33)),
        without_vector(33, "deleted"),
    )
    new = side(
        *(record(n) for n in range(10)),
        *(without_vector(n, "rejected") for n in range(10, 25)),
        without_vector(25, "deleted"),
        *(record(n) for n in range(31, 36)),
        without_vector(36, "rejected"),
    )
    seen = compare(old, new, sample=0).coverage
    assert (seen.ready_in_old, seen.ready_in_new, seen.in_both) == (30, 15, 10)
    assert (seen.only_in_old, seen.only_in_new) == (20, 5)
    assert seen.rejected_in_new == 15
    assert seen.rejected_in_new_keys == [str(n) for n in range(10, 20)]


def test_what_only_one_has_does_not_count_against_the_answers() -> None:
    new = side(*(record(n) for n in range(12)), *(record(n) for n in range(1000, 1300)))
    found = compare(same(400), new)
    assert found.coverage.in_both == 12
    assert found.overlap_by_words.mean == 1.0
    assert (found.overlap_by_images.mean, found.overlap_by_images.queries) == (1.0, 12)


def test_two_indexes_with_nothing_in_common_have_no_overlap_to_tell() -> None:
    found = compare(side(record(1)), side(record(2)))
    assert found.overlap_by_words.mean is None
    assert found.overlap_by_words.queries == 0
    assert found.overlap_by_images.mean is None
    empty = compare(side(), side())
    assert (empty.coverage.ready_in_old, empty.overlap_by_words.mean) == (0, None)


def test_the_overlap_is_the_mean_share_of_the_best_ten() -> None:
    """By hand: the new index ranks by another part of the vector, so nothing but chance agrees."""

    def flat(number: int, part: int) -> ImageRecord:
        vector = np.zeros(DIM, np.float32)
        height = (number + 1) / 100
        vector[part], vector[7] = height, np.sqrt(1 - height**2)
        return replace(record(number), vector=vector)

    class Pointing(FakeEncoder):
        def embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
            return np.eye(DIM, dtype=np.float32)[[0] * len(texts)]

    old = side(*(flat(n, 0) for n in range(30)), encoder=Pointing())
    # The best ten of the old are 20–29; here 5–14 are.
    new = side(
        *(flat(n, 0) for n in range(15)), *(flat(n, 1) for n in range(15, 30)), encoder=Pointing()
    )
    assert compare(old, new, words=["w"], sample=0).overlap_by_words.mean == 0.0
    # 25–29 are the best of both, then 20–24 here and 10–14 there.
    new = side(
        *(flat(n, 0) for n in (*range(15), *range(25, 30))),
        *(flat(n, 1) for n in range(15, 25)),
        encoder=Pointing(),
    )
    assert compare(old, new, words=["w", "w"], sample=0).overlap_by_words.mean == 0.5


def test_the_sample_is_the_same_each_time_and_grows_by_what_is_added() -> None:
    class Noting(MemoryIndex):
        asked: list[str]

        def vector(self, id: str) -> NDArray[np.float32] | None:
            self.asked.append(id)
            return super().vector(id)

    def sampled(count: int, backwards: bool = False) -> list[str]:
        noting = Noting(dim=DIM)
        noting.asked = []
        numbers = reversed(range(COUNT)) if backwards else range(COUNT)
        noting.write([Write(record(n), None) for n in numbers])
        compare(Side("a", noting, FakeEncoder()), same(), words=[], sample=count)
        return noting.asked

    assert sampled(9) == sampled(9, backwards=True)
    assert sampled(9) == sampled(20)[:9]
    assert sampled(9) != sorted(sampled(9))
    assert len(set(sampled(1000))) == COUNT


def test_images_deleted_on_the_way_and_words_without_a_vector_are_left_out() -> None:
    class Choking(FakeEncoder):
        def embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
            if "poison" in texts:
                raise UnusableVector("The model gave a vector that is not a number.")
            return super().embed_texts(texts)

    class Losing(MemoryIndex):
        def vector(self, id: str) -> NDArray[np.float32] | None:
            return None if id == record(3).id else super().vector(id)

    losing = Losing(dim=DIM)
    losing.write([Write(record(n), None) for n in range(COUNT)])
    found = compare(
        Side("a", losing, FakeEncoder()),
        Side("b", same().index, Choking()),
        words=["cat", "poison", "dog"],
        sample=COUNT,
    )
    assert found.overlap_by_words.queries == 2
    assert found.overlap_by_images.queries == COUNT - 1


def test_an_image_is_not_found_by_itself() -> None:
    """Of eleven images each has the ten others as its best ten, in any model."""
    old, new = same(TOP + 1), side(*(turned(n) for n in range(TOP + 1)))
    assert compare(old, new, words=[], sample=TOP + 1).overlap_by_images.mean == 1.0


def test_progress_is_told_from_nought_to_all() -> None:
    told: list[tuple[int, int]] = []
    compare(same(), same(), words=["a", "b"], sample=3, progress=lambda *at: told.append(at))
    assert told == [(n, 5) for n in range(6)]


def test_the_embedded_index_compares_like_the_one_in_memory(tmp_path: Path) -> None:
    def of(index: Index) -> Comparison:
        index.write([Write(record(n), None) for n in range(20, 90)])
        return compare(same(80), Side("y", index, Turned()), sample=10)

    embedded = EmbeddedIndex(tmp_path, dim=DIM, model="fake")
    embedded.ensure()
    assert of(embedded) == of(MemoryIndex(dim=DIM))
    embedded.close()


@pytest.mark.parametrize("word", WORDS)
def test_the_everyday_words_are_words(word: str) -> None:
    assert word.isalpha()
    assert word.islower()


def test_there_are_fifty_of_them() -> None:
    assert len(set(WORDS)) == len(WORDS) == 50
