"""Histories of bucket, queue, workers and repair, made by chance: at rest index equals bucket.

500 on each index of one process in every run, 10,000 with `make nightly`; few on a real OpenSearch,
each several times as long.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from chalicelib import embedding, reading
from chalicelib import ingest as ingest_room
from chalicelib import thumbnails as thumbnails_room
from chalicelib.index.base import Index, Version, Write, WriteResult
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.index.memory import MemoryIndex
from chalicelib.storage import Missing
from chalicelib.verdicts import Attempt, next_record
from tests.fakes.encoding import DIM
from tests.integration.opensearch_index import place_on
from tests.unit.order_machine import OrderMachine

EVERY_RUN = 5 * settings.default.max_examples  # type: ignore[union-attr]
STEPS = 40


@dataclass(frozen=True)
class Budget:
    histories: int
    steps: int
    phases: tuple[Phase, ...] = tuple(Phase)


BUDGETS = {
    "memory": Budget(EVERY_RUN, STEPS),
    "embedded": Budget(EVERY_RUN, STEPS),
    # What is found there is not made smaller: that would take a server very long.
    "opensearch": Budget(EVERY_RUN // 100, 3 * STEPS, (Phase.reuse, Phase.generate)),
}


def play(machine: type[OrderMachine], budget: Budget) -> int:
    """How many histories were played to their end; raises what one of them found."""
    machine.histories = 0
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=budget.histories,
            stateful_step_count=budget.steps,
            phases=budget.phases,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return machine.histories


class InTurn(Executor):
    """One call after the other, so that the same history is the same each time."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, call: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(call(*args, **more))
        except BaseException as error:
            done.set_exception(error)
        return done


@pytest.fixture(autouse=True)
def _in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (embedding, reading):
        monkeypatch.setattr(room, "ThreadPoolExecutor", InTurn)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """pytest keeps every line that is logged, of millions."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(params=[*BUDGETS])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def machine(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[type[OrderMachine]]:
    with ExitStack() as opened:
        if kind == "opensearch":
            node = request.getfixturevalue("opensearch_node")
            cluster = opened.enter_context(place_on(node.url)).made(at_once=False)
            yield made(cluster, refresh=staticmethod(cluster.refresh))
            return
        index: Index = (
            MemoryIndex(dim=DIM)
            if kind == "memory"
            else EmbeddedIndex(tmp_path, dim=DIM, model="fake")
        )
        opened.callback(index.close)
        index.ensure()
        yield made(index)


def made(index: Index, **more: Any) -> type[OrderMachine]:
    return type("History", (OrderMachine,), {"index": index, **more})


@pytest.mark.timeout(3 * 3600)
def test_at_rest_the_index_equals_the_bucket_whatever_happened(
    kind: str, machine: type[OrderMachine]
) -> None:
    assert play(machine, BUDGETS[kind]) >= BUDGETS[kind].histories


# --- the machine finds what it is there to find -------------------------------------------------


class Unconditional(MemoryIndex):
    """The last write wins."""

    def _write(self, record: Any, expected: Version | None) -> WriteResult:
        held = self._held.get(record.id)
        return super()._write(record, held.version if held else None)


class Forgetful(MemoryIndex):
    """Takes the tombstone of what it does not know for written."""

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        unknown = [w.expected is None and w.record.state == "deleted" for w in writes]
        rest = iter(super().write([w for w, n in zip(writes, unknown, strict=True) if not n]))
        return ["written" if n else next(rest) for n in unknown]


class Frugal(MemoryIndex):
    """Spares itself the writing of what is there already."""

    def _write(self, record: Any, expected: Version | None) -> WriteResult:
        held = self._held.get(record.id)
        if held and held.version == expected and held.record == replace(record, vector=None):
            return "written"
        return super()._write(record, expected)


def no_tombstones(attempt: Attempt, **more: Any) -> Any:
    """A record goes with its object, and leaves nothing where there was none."""
    if isinstance(attempt.look, Missing) and attempt.record is None:
        return None
    return next_record(attempt, **more)


MUTANTS: dict[str, tuple[type[MemoryIndex], dict[str, Any], list[tuple[Any, str, Any]]]] = {
    "an index that ignores what a write expects": (Unconditional, {}, []),
    "an index that keeps no tombstones of the unknown": (Forgetful, {}, []),
    "an index that does not write what is there already": (
        Frugal,
        {"only": "a.png", "recalibrates": False},
        [],
    ),
    "an ingest that writes no tombstones": (
        MemoryIndex,
        {},
        [(ingest_room, "next_record", no_tombstones)],
    ),
    "the object read before the record": (
        MemoryIndex,
        {"steps": ("object", "record", "write")},
        [],
    ),
    "thumbnails named alike by all attempts": (
        MemoryIndex,
        {},
        [(thumbnails_room, "secrets", SimpleNamespace(token_hex=lambda _: "same"))],
    ),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MUTANTS)
def test_the_machine_finds_a_broken_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, more, changes = MUTANTS[name]
    for owner, attribute, instead in changes:
        monkeypatch.setattr(owner, attribute, instead)

    class Fresh(OrderMachine):
        """What a broken history leaves must not be found by the next."""

        def __init__(self) -> None:
            type(self).index = kind(dim=DIM)
            super().__init__()

    for attribute, instead in more.items():
        setattr(Fresh, attribute, instead)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Fresh,
            settings=settings(
                # The same histories each time; of most rules the first hundred break.
                derandomize=True,
                max_examples=2000,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
