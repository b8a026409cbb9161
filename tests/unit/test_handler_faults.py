"""Batches of ten through the real ingest: whichever of them fail, the right ones come again."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import pytest

from chalicelib.clip.pixels import PixelSpec
from chalicelib.decoding import DecoderPool, Limits, Prepared
from chalicelib.errors import IndexUnavailable, StorageUnavailable
from chalicelib.index.base import Write, WriteResult
from chalicelib.index.memory import MemoryIndex
from chalicelib.ingest import Ingest
from chalicelib.storage import Look
from container_embedder.handler import process
from tests.fakes.bucket import MemoryBucket
from tests.fakes.encoding import DIM, FakeDecoders
from tests.fakes.library import FakeLibrary
from tests.unit.test_decoding import GOOD, bad
from tests.unit.test_decoding import bad_decoders as bad_decoders
from tests.unit.test_handler import message, s3_record

TEN = range(10)
SUBSETS = [frozenset(subset) for size in range(11) for subset in itertools.combinations(TEN, size)]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """pytest keeps every line that is logged."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def key(number: int) -> str:
    return f"{number}.jpg"


def again(ingest: Ingest, numbers: Collection[int], begin_until: float | None = None) -> set[int]:
    """Which of the messages, one for each number, are to come again."""
    batch = [message(str(n), s3_record(key(n))) for n in numbers]
    answer = process({"Records": batch}, ingest, "photos", begin_until)
    ids = [item["itemIdentifier"] for item in answer["batchItemFailures"]]
    assert len(ids) == len(set(ids))
    return {int(given) for given in ids}


class FailingBucket(MemoryBucket):
    """Does not answer for the keys that hold one of `failing`."""

    failing: Sequence[str] = ()

    def look(self, key: str, **more: Any) -> Look:
        self._answer(key)
        return super().look(key, **more)

    def put(self, key: str, data: bytes, *more: Any, **named: Any) -> None:
        self._answer(data.decode())
        super().put(key, data, *more, **named)

    def _answer(self, text: str) -> None:
        if any(part in text for part in self.failing):
            raise StorageUnavailable("S3 answered SlowDown.")


class FailingIndex(MemoryIndex):
    """Writes none of `failing`, and then does not answer, so that nobody knows; or says of them
    that another was faster."""

    failing: Collection[str] = ()
    conflict = False

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        kept = [w for w in writes if w.record.key not in self.failing]
        results = iter(super().write(kept))
        if len(kept) == len(writes):
            return list(results)
        if not self.conflict:
            raise IndexUnavailable("The index did not answer.")
        told: list[WriteResult] = [
            "conflict" if w.record.key in self.failing else next(results) for w in writes
        ]
        self.failing = ()
        return told


@pytest.fixture
def index() -> FailingIndex:
    return FailingIndex(dim=DIM)


@pytest.fixture
def library(index: FailingIndex) -> FakeLibrary:
    return FakeLibrary(index=index, bucket=FailingBucket(), thumbnails=FailingBucket("thumbnails"))


Heal = Callable[[], None]
Break = Callable[[FakeLibrary, Collection[int]], Heal]


def break_fetch(library: FakeLibrary, numbers: Collection[int]) -> Heal:
    bucket = library.bucket
    assert isinstance(bucket, FailingBucket)
    bucket.failing = [key(n) for n in numbers]
    return lambda: setattr(bucket, "failing", ())


def break_thumbnail(library: FakeLibrary, numbers: Collection[int]) -> Heal:
    bucket = library.thumbnails
    assert isinstance(bucket, FailingBucket)
    bucket.failing = [f"picture {n}." for n in numbers]
    return lambda: setattr(bucket, "failing", ())


def put_ten(library: FakeLibrary, generation: int) -> None:
    """Each generation overwrites the one before; every third of them is no image."""
    for n in TEN:
        kind = "BROKEN" if n % 5 == 4 else "picture"
        library.put(key(n), f"{kind} {n}. {generation}".encode())


def ready(subset: Collection[int]) -> set[int]:
    """Those of `subset` that have a thumbnail."""
    return {n for n in subset if n % 5 != 4}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("breaking", "failing"),
    [(break_fetch, set), (break_thumbnail, ready)],
    ids=["fetch", "thumbnail"],
)
def test_of_all_1024_subsets_exactly_those_that_fail_come_again(
    library: FakeLibrary, breaking: Break, failing: Callable[[Collection[int]], set[int]]
) -> None:
    ingest = library.ingest()
    for generation, subset in enumerate(SUBSETS):
        put_ten(library, generation)
        heal = breaking(library, subset)
        left = again(ingest, TEN)
        assert left == failing(subset)
        stale = {w for w in library.differences() if w.startswith(tuple(map(key, TEN)))}
        assert len(stale) == len(left)
        heal()
        assert again(ingest, left) == set()
        assert library.differences() == []


@pytest.mark.timeout(300)
def test_of_all_1024_subsets_an_index_that_breaks_off_loses_and_doubles_none(
    library: FakeLibrary, index: FailingIndex
) -> None:
    """Some were written and some not, and nobody knows which: all ten come again."""
    ingest = library.ingest()
    for generation, subset in enumerate(SUBSETS):
        put_ten(library, generation)
        index.failing = {key(n) for n in subset}
        left = again(ingest, TEN)
        assert left == (set(TEN) if subset else set())
        index.failing = ()
        assert again(ingest, left) == set()
        wrong = [w for w in library.differences() if "belongs to no record" not in w]
        assert wrong == []
        assert len(index._held) == len(TEN)
        # What reconcile would sweep after a day.
        named = {held.record.thumbnail_key for held in index._held.values()}
        for stray in set(library.thumbnails.objects) - named:
            library.thumbnails.delete(stray)


@pytest.mark.timeout(300)
def test_of_all_1024_subsets_those_that_another_overtook_are_done_within_the_call(
    library: FakeLibrary, index: FailingIndex
) -> None:
    ingest = library.ingest()
    index.conflict = True
    for generation, subset in enumerate(SUBSETS):
        put_ten(library, generation)
        index.failing = {key(n) for n in subset}
        assert again(ingest, TEN) == set()
        assert library.differences() == []


class SlowBucket(MemoryBucket):
    """Answers when the time is over."""

    until = 0.0

    def look(self, key: str, **more: Any) -> Look:
        while time.monotonic() <= self.until:
            time.sleep(0.01)
        return super().look(key, **more)


class OneDecoder(FakeDecoders):
    size = 1


def test_what_was_begun_before_the_deadline_is_kept_and_the_rest_comes_again() -> None:
    bucket = SlowBucket()
    library = FakeLibrary(bucket=bucket)
    for n in range(40):
        library.put(key(n))
    bucket.until = time.monotonic() + 1
    left = again(library.ingest(decoders=OneDecoder()), range(40), bucket.until)
    indexed = {n for n in range(40) if library.record(key(n))}
    assert indexed | left == set(range(40))
    assert not indexed & left
    assert left
    assert again(library.ingest(), left) == set()
    assert library.differences() == []


# --- poison ---------------------------------------------------------------------------------------


class Mixed:
    """Real children for what is told to misbehave and for its neighbours, fakes for the rest."""

    size = 2

    def __init__(self, pool: DecoderPool) -> None:
        self._pool = pool

    def prepare(self, data: bytes, spec: PixelSpec, **options: Any) -> Prepared:
        if data.startswith(b"BAD ") or data == GOOD:
            return self._pool.prepare(data, spec, **options)
        return FakeDecoders().prepare(data, spec, **options)


POISON = {
    "abort": ({}, "the decoder crashed"),
    "exit": ({}, "the decoder crashed"),
    "loop": ({"cpu_seconds": 1}, "processor time"),
    "memory": ({"memory": 1536 * 1024**2}, "memory"),
}


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("bad_decoders")
@pytest.mark.parametrize("word", POISON)
def test_one_poison_file_in_1000_leaves_999_indexed(word: str) -> None:
    limits, reason = POISON[word]
    pool = DecoderPool(2, Limits(**limits))  # type: ignore[arg-type]
    library = FakeLibrary(max_bytes=100_000)
    ingest = library.ingest(decoders=Mixed(pool), byte_budget=10**6, pixel_budget=10**6)
    poison = 500
    for n in range(1000):
        near = abs(n - poison) < 10
        library.put(key(n), bad(word) if n == poison else GOOD if near else b"picture %d" % n)
    try:
        waiting = list(range(1000))
        for _ in range(5):
            batches = [waiting[start : start + 10] for start in range(0, len(waiting), 10)]
            waiting = [n for batch in batches for n in sorted(again(ingest, batch))]
    finally:
        pool.close()
    assert waiting == []
    counts = library.index.counts()
    assert (counts["ready"], counts["rejected"]) == (999, 1)
    record = library.record(key(poison))
    assert record is not None
    assert reason in record.reason
