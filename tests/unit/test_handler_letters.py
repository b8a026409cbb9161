"""Messages that are given up, and what they take with them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest

from chalicelib import deadline, wiring
from chalicelib.config import Settings
from chalicelib.deadletters import DeadLetters, Letter
from chalicelib.errors import IndexUnavailable
from chalicelib.records import image_id
from chalicelib.verdicts import Outcome
from container_embedder import handler as embedder
from container_embedder.handler import process
from tests.fakes.library import FakeLibrary
from tests.fakes.queue import MemoryQueue
from tests.unit.logs import captured
from tests.unit.test_handler import FakeIngest, message, s3_record


def received(id: str, receives: int, *keys: str, body: str | None = None) -> dict[str, Any]:
    """A message in its so many-th receive."""
    given = message(id, *(s3_record(key) for key in keys), body=body)
    given["attributes"]["ApproximateReceiveCount"] = str(receives)
    return given


class World:
    def __init__(self) -> None:
        self.dead = MemoryQueue()
        self.letters: DeadLetters | None = DeadLetters(self.dead, MemoryQueue())

    def again(self, ingest: Any, *messages: dict[str, Any], max_receives: int = 5) -> list[str]:
        """The ids of messages that are to come again."""
        answer = process(
            {"Records": list(messages)},
            ingest,
            "photos",
            None,
            letters=self.letters,
            max_receives=max_receives,
        )
        return [item["itemIdentifier"] for item in answer["batchItemFailures"]]

    def listed(self) -> dict[str, Letter]:
        """The letters by the id of the message they were."""
        assert self.letters
        return {letter.message_id: letter for letter in self.letters.list().letters}


@pytest.fixture
def world() -> World:
    return World()


def test_a_message_that_fails_its_last_receive_is_kept_with_its_error(world: World) -> None:
    batch = [received("fifth", 5, "a", "b"), received("fourth", 4, "a"), received("ok", 5, "c")]
    with captured() as log:
        assert world.again(FakeIngest(["a"]), *batch) == ["fourth"]
    (letter,) = world.listed().values()
    assert (letter.message_id, letter.receives, letter.keys) == ("fifth", 5, ("a", "b"))
    assert (letter.code, letter.error) == ("storage_unavailable", "S3 did not answer.")
    assert world.dead.bodies == [batch[0]["body"]]
    said = [line for line in log() if line["message"] == "dead letter"]
    assert [(x["level"], x["message_id"], x["code"]) for x in said] == [
        ("ERROR", "fifth", "storage_unavailable")
    ]


def test_a_message_received_more_often_than_it_should_be_is_kept_too(world: World) -> None:
    assert world.again(FakeIngest(["a"]), received("ninth", 9, "a")) == []
    assert list(world.listed()) == ["ninth"]


def test_the_last_receive_is_what_the_settings_say(world: World) -> None:
    assert world.again(FakeIngest(["a"]), received("m", 2, "a"), max_receives=3) == ["m"]
    assert world.again(FakeIngest(["a"]), received("m", 3, "a"), max_receives=3) == []


def test_what_nobody_can_read_is_kept_at_its_first_receive(world: World) -> None:
    assert world.again(FakeIngest(), received("odd", 1, body="no event")) == []
    (letter,) = world.listed().values()
    assert (letter.code, letter.error) == ("unreadable_message", "The message is not JSON.")
    assert (letter.keys, letter.receives) == ((), 1)
    assert world.dead.bodies == ["no event"]


def test_without_a_dead_letter_queue_a_message_just_fails(world: World) -> None:
    world.letters = None
    batch = [received("fifth", 5, "a"), received("odd", 1, body="no event")]
    assert world.again(FakeIngest(["a"]), *batch) == ["fifth", "odd"]


def test_a_message_that_cannot_be_sent_there_stays_failed(world: World) -> None:
    world.dead.down = True
    batch = [received("fifth", 5, "a"), received("odd", 1, body="no event")]
    with captured() as log:
        assert world.again(FakeIngest(["a"]), *batch) == ["fifth", "odd"]
    world.dead.down = False
    assert world.dead.bodies == []
    said = [line for line in log() if line["message"] == "dead letter not sent"]
    assert [(x["message_id"], x["reason"]) for x in said] == [
        ("fifth", "SQS did not answer (ConnectTimeoutError)."),
        ("odd", "SQS did not answer (ConnectTimeoutError)."),
    ]


def test_a_body_that_no_queue_takes_stays_failed(world: World) -> None:
    assert world.again(FakeIngest(), received("odd", 1, body="x" * 1024 * 1024)) == ["odd"]


def test_when_time_is_up_nothing_more_is_sent(world: World) -> None:
    with deadline.until(0.0):
        assert world.again(FakeIngest(["a"]), received("fifth", 5, "a")) == ["fifth"]
    assert world.dead.bodies == []


def test_a_queue_that_never_answers_does_not_outlast_the_functions_time(world: World) -> None:
    answers = threading.Event()

    class Hanging(MemoryQueue):
        def send(self, body: str, attributes: Any = None) -> str:
            assert answers.wait(60)
            return super().send(body, attributes)

    hanging = Hanging()
    world.letters = DeadLetters(hanging, None)
    batch = [received("fifth", 5, "a"), received("odd", 1, body="no event")]
    with captured() as log, deadline.until(time.monotonic() + 0.1):
        assert world.again(FakeIngest(["a"]), *batch) == ["fifth", "odd"]
    answers.set()
    said = [x["reason"] for x in log() if x["message"] == "dead letter not sent"]
    assert said == ["The function's time was over."] * 2


def test_a_fault_of_ours_fails_every_message_and_is_told_in_the_end(world: World) -> None:
    class Faulty:
        def process(self, keys: Iterable[str], *, deadline: float | None) -> dict[str, Outcome]:
            raise KeyError("oops")

    batch = [received("first", 1, "a"), received("fifth", 5, "b")]
    with captured() as log:
        assert world.again(Faulty(), *batch) == ["first"]
    (letter,) = world.listed().values()
    assert (letter.code, letter.error) == ("internal", "A fault of ours: KeyError: 'oops'")
    lines = log()
    assert [x["exception_name"] for x in lines if x["message"] == "ingest failed"] == ["KeyError"]
    ids = [x["image_id"] for x in lines if x["message"] == "image"]
    assert ids == [image_id("photos", key) for key in ("a", "b")]


def test_each_image_is_one_line_with_its_messages_and_without_its_key(world: World) -> None:
    library = FakeLibrary()
    library.put("secret/anna.jpg", b"good")
    library.put("broken.jpg", b"BROKEN")
    batch = [
        received("one", 1, "secret/anna.jpg", "broken.jpg"),
        received("two", 1, "secret/anna.jpg"),
    ]
    with captured() as log:
        assert world.again(library.ingest(), *batch) == []
    lines = {line["image_id"]: line for line in log() if line["message"] == "image"}
    good = lines.pop(image_id("photos", "secret/anna.jpg"))
    broken = lines.pop(image_id("photos", "broken.jpg"))
    assert lines == {}
    assert (good["result"], good["code"], good["message_id"]) == ("indexed", "", "one two")
    assert set(good["timings_ms"]) == {"fetch", "decode", "embed", "thumbnail", "write"}
    assert (broken["result"], broken["message_id"]) == ("rejected", "one")
    assert broken["code"] == "unreadable_image"
    assert broken["reason"]
    assert not any("anna" in str(line) for line in (good, broken))


class Context:
    aws_request_id = "r-1"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def test_an_embedder_that_cannot_start_says_so_in_the_letters(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise IndexUnavailable("OpenSearch did not answer.")

    settings = Settings(bucket="photos", thumbnails_bucket="small", max_receives=3)
    monkeypatch.setattr(wiring, "services", refuse)
    monkeypatch.setattr(wiring, "dead_letters_of", lambda known: world.letters)
    monkeypatch.setattr(Settings, "load", lambda: settings)
    batch = [received("first", 1, "a"), received("third", 3, "a")]
    answer = embedder.handler({"Records": batch}, Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "first"}]}
    (letter,) = world.listed().values()
    assert (letter.message_id, letter.code, letter.error) == (
        "third",
        "index_unavailable",
        "OpenSearch did not answer.",
    )
