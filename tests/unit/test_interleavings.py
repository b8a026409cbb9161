"""Two workers on one key, their steps interleaved in every way with what happens to the object.

Each worker's run is three steps (read record, read object, write). The order in which events
arrive plays no part; what counts is when each step happens. S3 promises an event after every
change, so at least one run begins after the last change: where neither worker's does, a third
comes at the end. A run whose write meets a newer record starts over, as `Ingest.process` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from chalicelib.index.base import Index
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.index.memory import MemoryIndex
from chalicelib.ingest import Ingest
from chalicelib.records import image_id
from chalicelib.verdicts import Attempt
from tests.fakes.encoding import DIM
from tests.fakes.library import FakeLibrary
from tests.integration.opensearch_index import place_on

STEPS = ("record", "object", "write")

STORIES = {
    "put, overwrite, delete, put again the same": ("put A", "put B", "delete", "put A"),
    "put, overwrite, delete, put again another": ("put A", "put B", "delete", "put C"),
    "put, delete, put again, delete again": ("put A", "delete", "put A", "delete"),
    "put, break, mend, delete": ("put A", "put BROKEN", "put A", "delete"),
}


class Run:
    """One worker's run on one key, a step at a time."""

    def __init__(self, ingest: Ingest, bucket: str, key: str) -> None:
        self.ingest = ingest
        self.attempts = [Attempt(key, image_id(bucket, key))]

    def step(self, name: str) -> None:
        if name == "record":
            self.ingest.read_records(self.attempts)
        elif name == "object":
            self.ingest.read_objects(self.attempts)
        else:
            self.ingest.write(self.attempts)


def interleavings(*sequences: tuple[str, ...]) -> Iterator[list[tuple[int, str]]]:
    """Every merge of the sequences that keeps each one's own order: (which, element)."""
    if not any(sequences):
        yield []
        return
    for which, sequence in enumerate(sequences):
        if sequence:
            rest = [s[1:] if n == which else s for n, s in enumerate(sequences)]
            for tail in interleavings(*rest):
                yield [(which, sequence[0]), *tail]


def change(library: FakeLibrary, key: str, what: str) -> None:
    if what == "delete":
        library.bucket.delete(key)
    else:
        library.put(key, what.removeprefix("put ").encode())


def play(library: FakeLibrary, key: str, history: list[tuple[int, str]]) -> None:
    """Element 0 of each pair: 0 and 1 are workers, 2 is the object's story."""
    ingest = library.ingest()
    runs = [Run(ingest, library.bucket.name, key) for _ in range(2)]
    again: list[Run] = []
    served = False
    for which, what in history:
        if which == 2:
            change(library, key, what)
            served = False
            continue
        if what == "record":
            served = True
        runs[which].step(what)
        if what == "write" and runs[which].attempts[0].again:
            again.append(runs[which])
    if again or not served:
        library.ingest().process([key])


EVERY = {"memory": 1, "embedded": 5, "opensearch": 17}
"""Of the histories only every fifth, or seventeenth, is played where that takes long."""


@dataclass(frozen=True)
class Store:
    index: Index
    every: int
    refresh: Callable[[], object]
    """Lets listings see what was written."""

    def play(self, library: FakeLibrary, *sequences: tuple[str, ...]) -> Iterator[str]:
        """Plays the interleavings, each on a key of its own, which it gives."""
        for number, history in enumerate(interleavings(*sequences)):
            if number % self.every == 0:
                play(library, f"{number}.png", history)
                yield f"{number}.png"

    def differences(self, library: FakeLibrary) -> list[str]:
        self.refresh()
        return library.differences()


@pytest.fixture(params=[*EVERY])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with ExitStack() as opened:
        if request.param == "opensearch":
            node = request.getfixturevalue("opensearch_node")
            cluster = opened.enter_context(place_on(node.url)).made(at_once=False)
            yield Store(cluster, EVERY[request.param], cluster.refresh)
            return
        index: Index = (
            MemoryIndex(dim=DIM)
            if request.param == "memory"
            else EmbeddedIndex(tmp_path, dim=DIM, model="fake")
        )
        opened.callback(index.close)
        index.ensure()
        yield Store(index, EVERY[request.param], lambda: None)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_the_index_equals_the_bucket_after_every_interleaving(
    store: Store, story: tuple[str, ...]
) -> None:
    library = FakeLibrary(index=store.index)
    keys = list(store.play(library, STEPS, STEPS, story))
    assert len(keys) == len(range(0, 4200, store.every))
    assert store.differences(library) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("crash_after", [1, 2], ids=["after the record", "after the object"])
def test_a_worker_that_dies_between_two_steps_harms_nothing(store: Store, crash_after: int) -> None:
    library = FakeLibrary(index=store.index)
    story = ("put A", "put B", "delete", "put A")
    for key in store.play(library, STEPS[:crash_after], STEPS, story):
        # The dead worker's message comes back and is worked on in full.
        library.ingest().process([key])
    assert store.differences(library) == []


def test_a_slow_worker_that_saw_the_object_cannot_bring_it_back() -> None:
    library = FakeLibrary()
    library.put("x.png")
    slow = Run(library.ingest(), library.bucket.name, "x.png")
    slow.step("record")
    slow.step("object")
    library.bucket.delete("x.png")
    library.ingest().process(["x.png"])
    slow.step("write")
    record = library.record("x.png")
    assert record is not None
    assert record.state == "deleted"
    assert library.differences() == []


A_MOMENT = {
    "another picture": ("put A", "put B", "put A"),
    "a broken file": ("put A", "put BROKEN", "put A"),
    "nothing": ("put A", "delete", "put A"),
    "a picture": ("delete", "put A", "delete"),
    "a picture, in place of a broken file": ("put BROKEN", "put A", "put BROKEN"),
    "readable, between two archives": ("archive", "restore", "archive"),
}
"""What the object was for a moment, between two times of being the same."""


@pytest.mark.parametrize("story", A_MOMENT.values(), ids=A_MOMENT.keys())
def test_a_slow_worker_cannot_write_what_was_for_a_moment_between_two_looks_alike(
    story: tuple[str, str, str],
) -> None:
    """The look at the end finds the record right, and still must not leave it as the slow worker
    has read it."""
    library = FakeLibrary()
    library.put("x.png", b"A")

    def make(what: str) -> None:
        if what == "archive":
            library.bucket.archived.add("x.png")
        elif what == "restore":
            library.bucket.archived.discard("x.png")
        else:
            change(library, "x.png", what)

    make(story[0])
    library.ingest().process(["x.png"])
    make(story[1])
    slow = Run(library.ingest(), library.bucket.name, "x.png")
    slow.step("record")
    slow.step("object")
    make(story[2])
    assert library.ingest().process(["x.png"])["x.png"].result == "unchanged"
    slow.step("write")
    assert slow.attempts[0].again
    assert library.differences() == []


def test_without_tombstones_the_slow_worker_would_bring_it_back() -> None:
    """The test above can fail: this is what it guards against."""
    library = FakeLibrary()
    library.put("x.png")
    slow = Run(library.ingest(), library.bucket.name, "x.png")
    slow.step("record")
    slow.step("object")
    library.bucket.delete("x.png")
    slow.step("write")
    record = library.record("x.png")
    assert record is not None
    assert record.state == "ready"
