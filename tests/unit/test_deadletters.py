"""Messages that were given up: listed with their reason, sent back, discarded."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from chalicelib import deadletters
from chalicelib.deadletters import DeadLetters
from chalicelib.errors import (
    IntellisenseError,
    InvalidRequest,
    NotFound,
    QueueUnavailable,
    StorageUnavailable,
)
from chalicelib.queue import Message
from tests.fakes.queue import MemoryQueue
from tests.unit.logs import captured

START = datetime(2026, 3, 14, 12, tzinfo=timezone.utc)


def event(*keys: str) -> str:
    records = [{"s3": {"bucket": {"name": "photos"}, "object": {"key": key}}} for key in keys]
    return json.dumps({"Records": records})


class World:
    """Two queues and a clock."""

    def __init__(self) -> None:
        self.now = START
        self.dead = MemoryQueue(clock=lambda: self.now.timestamp())
        self.ingest = MemoryQueue(
            dead_letters=self.dead, max_receives=2, clock=lambda: self.now.timestamp()
        )
        self.letters = DeadLetters(self.dead, self.ingest, clock=lambda: self.now)

    def bury(self, body: str = event("a.jpg"), **changes: Any) -> None:
        facts = {
            "error": StorageUnavailable("S3 did not answer."),
            "message_id": "m-1",
            "receives": 5,
        }
        self.letters.bury(body, **(facts | changes))
        self.now += timedelta(seconds=1)

    def ids(self) -> list[str]:
        return [letter.id for letter in self.letters.list().letters]


@pytest.fixture
def world() -> World:
    return World()


def test_a_letter_says_what_it_is_about_and_why_it_is_here(world: World) -> None:
    world.bury(event("holiday/beach+at+noon.jpg", "b.jpg", "b.jpg"))
    listing = world.letters.list()
    (letter,) = listing.letters
    assert listing.total == 1
    assert letter.keys == ("holiday/beach at noon.jpg", "b.jpg")
    assert (letter.code, letter.error) == ("storage_unavailable", "S3 did not answer.")
    assert (letter.receives, letter.message_id, letter.came_at) == (5, "m-1", START)
    assert letter.body == ""
    assert world.letters.get(letter.id).body == event("holiday/beach+at+noon.jpg", "b.jpg", "b.jpg")


def test_a_letter_that_the_queue_moved_here_says_that_nobody_could_say_why(world: World) -> None:
    world.ingest.send(event("a.jpg"))
    (message,) = world.ingest.receive(hide_s=0)
    world.ingest.receive(hide_s=0)
    assert world.ingest.receive(hide_s=0) == []
    (letter,) = world.letters.list().letters
    assert (letter.code, letter.receives, letter.message_id) == ("unsaid", None, message.id)
    assert letter.error == (
        "The function ended before it could say why: out of time, out of memory or killed;"
        f" see the log for message id {message.id}."
    )


def test_a_letter_that_is_no_event_is_about_nothing(world: World) -> None:
    world.bury("no event at all")
    (letter,) = world.letters.list().letters
    assert (letter.keys, letter.more_keys) == ((), 0)


def test_of_many_keys_the_first_ten_are_named_and_the_rest_counted(world: World) -> None:
    world.bury(event(*(f"{n}.jpg" for n in range(25))))
    (letter,) = world.letters.list().letters
    assert letter.keys == tuple(f"{n}.jpg" for n in range(10))
    assert letter.more_keys == 15


@pytest.mark.parametrize("said", ["", "\n", "a\0b\nc\ud800", "x" * 5000, "ä🦊\ufffe"])
def test_any_error_fits_into_an_attribute(world: World, said: str) -> None:
    world.bury(error=IntellisenseError(said))
    (letter,) = world.letters.list().letters
    assert letter.code == "internal"
    assert 0 < len(letter.error) <= 300
    assert letter.error.isprintable()


def test_what_is_said_wrongly_is_passed_over(world: World) -> None:
    world.dead.send("x", {"receives": "many", "failed_at": "yesterday", "error_code": "odd"})
    (letter,) = world.letters.list().letters
    assert (letter.receives, letter.came_at, letter.code) == (None, START, "odd")


def test_a_listing_hides_nothing_and_comes_oldest_first(world: World) -> None:
    for n in range(25):
        world.bury(event(f"{n}.jpg"))
    first = world.letters.list()
    assert [letter.keys for letter in first.letters] == [(f"{n}.jpg",) for n in range(25)]
    assert world.letters.list() == first
    assert world.dead.depth() == (25, 0)


def test_an_empty_queue_lists_nothing(world: World) -> None:
    assert world.letters.list() == ([], 0)
    assert world.letters.redrive() == (0, False)
    assert world.letters.discard("tidying up") == (0, False)


def test_no_more_than_a_thousand_are_listed_and_how_many_there_are_is_told(world: World) -> None:
    for n in range(1100):
        world.dead.send(str(n))
    listing = world.letters.list()
    assert (len(listing.letters), listing.total) == (1000, 1100)
    assert world.dead.depth() == (1100, 0)


def test_letters_that_another_is_looking_at_are_waited_for(world: World) -> None:
    world.bury()
    (message,) = world.dead.receive(hide_s=60)
    waits: list[int] = []

    class Other(MemoryQueue):
        """In whose second long poll the other one ends."""

        def receive(self, *, hide_s: int | None = None, wait_s: int = 0) -> list[Message]:
            waits.append(wait_s)
            if len(waits) == 3:
                world.dead.show([message.receipt])
            return world.dead.receive(hide_s=hide_s)

        depth, show = world.dead.depth, world.dead.show

    letters = DeadLetters(Other(), None)
    assert [letter.id for letter in letters.list().letters] == [message.id]
    assert waits == [0, 1, 1, 0]


def test_letters_that_stay_hidden_are_counted_and_not_waited_for_long(world: World) -> None:
    world.bury()
    world.dead.receive(hide_s=60)
    assert world.letters.list() == ([], 1)
    assert world.letters.count() == 1


def test_one_letter_goes_back_without_what_is_said_about_it(world: World) -> None:
    for n in range(15):
        world.bury(event(f"{n}.jpg"))
    chosen = world.ids()[12]
    assert world.letters.redrive(chosen) == (1, False)
    (message,) = world.ingest.receive()
    assert message.body == event("12.jpg")
    assert dict(message.attributes) == {}
    assert chosen not in world.ids()
    assert world.dead.depth() == (14, 0)


def test_all_letters_go_back(world: World) -> None:
    for n in range(25):
        world.bury(event(f"{n}.jpg"))
    with captured() as log:
        assert world.letters.redrive() == (25, False)
    assert sorted(world.ingest.bodies) == sorted(event(f"{n}.jpg") for n in range(25))
    assert world.dead.bodies == []
    assert [line["message"] for line in log()] == ["dead letter redriven"] * 25


def test_what_comes_back_while_all_are_sent_is_left_for_the_next_time(world: World) -> None:
    """A message that nobody can read is here again at once; it must not go round for ever."""
    world.bury("unreadable")

    class Returning(MemoryQueue):
        def send(self, body: str, attributes: Any = None) -> str:
            world.now += timedelta(milliseconds=20)
            world.bury(body)
            return super().send(body, attributes)

    letters = DeadLetters(world.dead, Returning(), clock=lambda: world.now)
    assert letters.redrive() == (1, False)
    assert world.dead.bodies == ["unreadable"]
    assert world.dead.depth() == (1, 0)


def test_more_than_a_thousand_take_more_than_one_call(world: World) -> None:
    for n in range(1005):
        world.dead.send(str(n))
    assert world.letters.redrive() == (1000, True)
    assert world.letters.redrive() == (5, False)
    assert sorted(map(int, world.ingest.bodies)) == list(range(1005))


def test_a_call_ends_before_its_time_is_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadletters, "SECONDS", 0.0)
    world.bury()
    assert world.letters.redrive() == (0, True)
    assert world.letters.list() == ([], 1)
    assert world.dead.depth() == (1, 0)


def test_a_discarded_letter_is_in_the_log_whole_with_the_reason(world: World) -> None:
    world.bury(event("a.jpg"))
    world.bury(event("b.jpg"))
    chosen, other = world.ids()
    with captured() as log:
        done = world.letters.discard("  the photo was\ndeleted by hand ", chosen, by="anna")
    assert done == (1, False)
    (line,) = log()
    assert (line["level"], line["message"]) == ("WARNING", "dead letter discarded")
    assert {name: line[name] for name in ("letter_id", "message_id", "reason", "by", "body")} == {
        "letter_id": chosen,
        "message_id": "m-1",
        "reason": "the photo was deleted by hand",
        "by": "anna",
        "body": event("a.jpg"),
    }
    assert (line["code"], line["error"]) == ("storage_unavailable", "S3 did not answer.")
    assert world.ids() == [other]


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 501])
def test_nothing_is_discarded_without_a_reason(world: World, reason: str) -> None:
    world.bury()
    with pytest.raises(InvalidRequest) as refused:
        world.letters.discard(reason)
    assert refused.value.field == "reason"
    assert world.letters.count() == 1


def test_an_unknown_letter_is_not_found(world: World) -> None:
    world.bury()
    for call in (
        lambda: world.letters.get("other"),
        lambda: world.letters.redrive("other"),
        lambda: world.letters.discard("why not", "other"),
    ):
        with pytest.raises(NotFound):
            call()
    assert world.dead.depth() == (1, 0)


def test_without_an_ingest_queue_nothing_is_redriven(world: World) -> None:
    world.bury()
    with pytest.raises(NotFound, match="IMAGES_QUEUE_URL"):
        DeadLetters(world.dead, None).redrive()
    assert world.dead.depth() == (1, 0)


def test_what_was_sent_before_the_queue_failed_is_not_kept_twice(world: World) -> None:
    for n in range(5):
        world.bury(event(f"{n}.jpg"))

    class Failing(MemoryQueue):
        def send(self, body: str, attributes: Any = None) -> str:
            self.down = len(self.bodies) == 3
            return super().send(body, attributes)

    ingest = Failing()
    with pytest.raises(QueueUnavailable):
        DeadLetters(world.dead, ingest, clock=lambda: world.now).redrive()
    assert sorted(ingest.bodies + world.dead.bodies) == [event(f"{n}.jpg") for n in range(5)]
    assert world.dead.depth() == (2, 0)


def test_letters_that_cannot_be_shown_again_show_by_themselves(world: World) -> None:
    world.bury()

    class NotShowing(MemoryQueue):
        receive, depth = world.dead.receive, world.dead.depth  # type: ignore[assignment]

        def show(self, receipts: Any) -> None:
            raise QueueUnavailable("SQS did not answer.")

    with captured() as log:
        assert len(DeadLetters(NotShowing(), None).list().letters) == 1
    assert [line["message"] for line in log()] == ["dead letters stay hidden"]
    assert world.dead.depth() == (0, 1)
    world.now += timedelta(seconds=deadletters.HIDDEN_S)
    assert world.dead.depth() == (1, 0)
