"""Whatever is killed between which two calls of a queue: no message is ever nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chalicelib.deadletters import DeadLetters
from chalicelib.errors import NotFound, StorageUnavailable
from chalicelib.queue import Depth, Message
from chalicelib.verdicts import Outcome
from container_embedder.handler import process
from local.worker import lambda_event
from tests.fakes.queue import MemoryQueue
from tests.unit.logs import captured

RECEIVES = 2
VISIBILITY_S = 30


class Killed(BaseException):
    """kill -9: no handler of errors sees it, and nothing is called any more."""


class Mortal:
    """Queues whose user is killed at one of their calls, before or after it had its effect."""

    def __init__(self) -> None:
        self.calls = 0
        self.kill_at: int | None = None
        self.after = False

    def live(self, kill_at: int | None = None, *, after: bool = False) -> None:
        self.calls, self.kill_at, self.after = 0, kill_at, after

    def call(self, real: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.calls += 1
        if self.kill_at is not None and self.calls >= self.kill_at:
            if self.after and self.calls == self.kill_at:
                real(*arguments, **named)
            raise Killed
        return real(*arguments, **named)


class Queue:
    """One of them."""

    def __init__(self, real: MemoryQueue, life: Mortal) -> None:
        self.real = real
        self._life = life

    def depth(self) -> Depth:
        depth: Depth = self._life.call(self.real.depth)
        return depth

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> str:
        return str(self._life.call(self.real.send, body, attributes))

    def receive(self, *, hide_s: int | None = None, wait_s: int = 0) -> list[Message]:
        given: list[Message] = self._life.call(self.real.receive, hide_s=hide_s, wait_s=wait_s)
        return given

    def delete(self, receipts: Sequence[str]) -> None:
        self._life.call(self.real.delete, receipts)

    def show(self, receipts: Sequence[str]) -> None:
        self._life.call(self.real.show, receipts)


class World:
    """The ingest queue, its worker, the dead letters, and where every message is by now."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 14, 12, tzinfo=timezone.utc)
        self.life = Mortal()
        self.dead = Queue(MemoryQueue(clock=self._seconds), self.life)
        ingest = MemoryQueue(
            dead_letters=self.dead.real,
            max_receives=RECEIVES,
            visibility_s=VISIBILITY_S,
            clock=self._seconds,
        )
        self.ingest = Queue(ingest, self.life)
        self.letters = DeadLetters(self.dead, self.ingest, clock=lambda: self.now)
        self.sent: set[str] = set()
        self.done: set[str] = set()
        """Bodies whose keys are all in the index."""
        self.discarded: set[str] = set()
        self.failing: set[str] = set()

    def _seconds(self) -> float:
        return self.now.timestamp()

    def put(self, body: str) -> None:
        self.ingest.real.send(body)
        self.sent.add(body)

    def poll(self) -> None:
        """The worker, once."""
        messages = self.ingest.receive()
        if not messages:
            return
        event = lambda_event(
            [
                {
                    "MessageId": m.id,
                    "ReceiptHandle": m.receipt,
                    "Body": m.body,
                    "MD5OfBody": "",
                    "Attributes": {"ApproximateReceiveCount": str(m.receives)},
                }
                for m in messages
            ],
            "us-east-1",
        )
        answer = process(event, self, "photos", None, letters=self.letters, max_receives=RECEIVES)
        again = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
        self.ingest.delete([m.receipt for m in messages if m.id not in again])

    def process_keys(self, keys: Iterable[str]) -> dict[str, Outcome]:
        error = StorageUnavailable("S3 did not answer.")
        outcomes = {
            key: Outcome(key, "failed", error) if key in self.failing else Outcome(key, "indexed")
            for key in keys
        }
        self.done |= {event(key) for key in outcomes if outcomes[key].result == "indexed"}
        return outcomes

    def list(self) -> None:
        self.letters.list()

    def redrive(self, id: str | None = None) -> None:
        self.letters.redrive(id)

    def discard(self, id: str | None = None) -> None:
        with captured() as log:
            try:
                self.letters.discard("a test", id)
            finally:
                self.discarded |= {
                    line["body"] for line in log() if line["message"] == "dead letter discarded"
                }

    def wait(self, seconds: int = VISIBILITY_S + 1) -> None:
        self.now += timedelta(seconds=seconds)

    def lost(self) -> set[str]:
        """Messages that are nowhere."""
        somewhere = {*self.ingest.real.bodies, *self.dead.real.bodies, *self.done, *self.discarded}
        return self.sent - somewhere

    def killed(self, act: Callable[[], None], kill_at: int | None, after: bool) -> bool:
        """Whether `act` was ended at its call number `kill_at`."""
        self.life.live(kill_at, after=after)
        try:
            act()
        except Killed:
            return True
        finally:
            self.life.live()
        return False

    def come_to_rest(self) -> None:
        """Mended, sent back and worked off, everything readable is in the index."""
        self.failing.clear()
        for _ in range(RECEIVES + 2):
            self.wait(120)
            self.redrive()
            while self.ingest.real.depth().waiting:
                self.poll()
        self.wait(120)
        assert self.ingest.real.bodies == []
        assert {body for body in self.sent if body.startswith("{")} <= self.done | self.discarded
        assert self.lost() == set()
        assert self.letters.list().total == len(self.dead.real.bodies)

    def process(self, keys: Iterable[str], *, deadline: float | None) -> dict[str, Outcome]:
        return self.process_keys(keys)


def event(key: str) -> str:
    about = {"bucket": {"name": "photos"}, "object": {"key": key}}
    return json.dumps({"Records": [{"s3": about}]})


def story(world: World) -> list[Callable[[], None]]:
    """A photo that cannot be read until it is mended, one that can, and no event at all."""
    world.put(event("good"))
    world.put(event("bad"))
    world.put("no event")
    world.failing.add("bad")

    def mend() -> None:
        world.failing.clear()

    tries = [step for _ in range(RECEIVES) for step in (world.poll, world.wait)]
    return [*tries, world.list, mend, world.redrive, world.poll, world.wait, world.discard]


def calls_of_the_story() -> int:
    world = World()
    for step in story(world):
        step()
    assert (world.done, world.discarded) == ({event("good"), event("bad")}, {"no event"})
    return world.life.calls


CALLS = calls_of_the_story()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_call_of_a_queue_nothing_is_lost(after: bool) -> None:
    for kill_at in range(1, CALLS + 1):
        world = World()
        steps = iter(story(world))
        world.life.live(kill_at, after=after)
        kills = 0
        for step in steps:
            try:
                step()
            except Killed:
                kills += 1
                world.life.live()
            assert world.lost() == set(), kill_at
        assert kills == 1
        world.come_to_rest()


class Histories(RuleBasedStateMachine):
    """Messages come, fail, are mended, given up, listed, sent back and discarded in any order,
    and whoever does it may be killed at any call."""

    kill = st.one_of(st.none(), st.integers(1, 6))

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(kind=st.sampled_from(["good", "failing", "no event", "no event"]))
    def put(self, kind: str) -> None:
        name = f"{len(self.world.sent)}.jpg"
        self.world.put(f"{kind} {name}" if kind == "no event" else event(name))
        if kind == "failing":
            self.world.failing.add(name)

    @rule()
    def mend(self) -> None:
        self.world.failing.clear()

    @rule(seconds=st.integers(1, 90))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)

    @rule(kill_at=kill, after=st.booleans())
    def poll(self, kill_at: int | None, after: bool) -> None:
        self.world.killed(self.world.poll, kill_at, after)

    @rule(kill_at=kill, after=st.booleans())
    def list(self, kill_at: int | None, after: bool) -> None:
        self.world.killed(self.world.list, kill_at, after)

    @rule(kill_at=kill, after=st.booleans())
    def redrive(self, kill_at: int | None, after: bool) -> None:
        self.world.killed(self.world.redrive, kill_at, after)

    @rule(kill_at=kill, after=st.booleans())
    def discard(self, kill_at: int | None, after: bool) -> None:
        self.world.killed(self.world.discard, kill_at, after)

    @rule(place=st.integers(0, 5), kill_at=kill, after=st.booleans(), sent_back=st.booleans())
    def one_letter(self, place: int, kill_at: int | None, after: bool, sent_back: bool) -> None:
        letters = self.world.letters.list().letters
        if not letters:
            return
        chosen = letters[place % len(letters)].id
        act = self.world.redrive if sent_back else self.world.discard
        try:
            self.world.killed(lambda: act(chosen), kill_at, after)
        except NotFound:
            raise AssertionError(f"{chosen} was listed, and is not found") from None

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.world.lost() == set()

    def teardown(self) -> None:
        self.world.come_to_rest()


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
