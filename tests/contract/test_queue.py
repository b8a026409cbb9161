"""What every queue does: SQS as moto serves it over HTTP, and the in-memory fake."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import boto3
import pytest

from chalicelib import wiring
from chalicelib.config import Settings
from chalicelib.errors import QueueUnavailable
from chalicelib.queue import Depth, Message, Queue, SqsQueue
from tests.fakes.queue import MemoryQueue

RECEIVES = 2
"""After so many a message goes to the dead-letter queue."""


@pytest.fixture
def sqs(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    settings = Settings(
        bucket="photos", thumbnails_bucket="thumbnails", endpoint=endpoint, region="us-east-1"
    )
    client = wiring.client("sqs", settings)
    yield client
    client.close()


def sqs_queues(client: Any) -> tuple[Queue, Queue]:
    name = f"queue-{uuid4()}"
    dead = client.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    policy = {
        "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
        "maxReceiveCount": RECEIVES,
    }
    attributes = {"RedrivePolicy": json.dumps(policy)}
    url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return SqsQueue(client, url), SqsQueue(client, dead)


@pytest.fixture(params=["sqs", "memory"])
def queues(request: pytest.FixtureRequest) -> tuple[Queue, Queue]:
    if request.param == "memory":
        dead = MemoryQueue()
        return MemoryQueue(dead_letters=dead, max_receives=RECEIVES), dead
    return sqs_queues(request.getfixturevalue("sqs"))


@pytest.fixture
def queue(queues: tuple[Queue, Queue]) -> Queue:
    return queues[0]


def received(queue: Queue, count: int, hide_s: int = 60) -> list[Message]:
    """So many messages, in as many calls as it takes."""
    found: list[Message] = []
    while len(found) < count:
        batch = queue.receive(hide_s=hide_s)
        assert batch, f"{len(found)} of {count}"
        found += batch
    return found


def shown_once(queue: Queue, message: Message) -> Message:
    """Shown and received again: SQS shows a message some milliseconds later."""
    queue.show([message.receipt])
    for _ in range(100):
        if again := queue.receive(hide_s=60, wait_s=1):
            return again[0]
    raise AssertionError("it was not shown")


def test_what_is_sent_is_received_with_its_attributes(queue: Queue) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=5)
    sent = queue.send("böd🦊y", {"code": "x", "error": "S3 did not answer: ‘späť’ 🦊."})
    (message,) = queue.receive(hide_s=60)
    assert (message.id, message.body, message.receives) == (sent, "böd🦊y", 1)
    assert dict(message.attributes) == {"code": "x", "error": "S3 did not answer: ‘späť’ 🦊."}
    assert before < message.sent_at < before + timedelta(seconds=60)


def test_a_message_needs_no_attributes(queue: Queue) -> None:
    queue.send("body")
    (message,) = queue.receive(hide_s=60)
    assert dict(message.attributes) == {}


def test_what_is_received_is_hidden_and_counted_so(queue: Queue) -> None:
    for n in range(3):
        queue.send(str(n))
    assert queue.depth() == Depth(3, 0)
    received(queue, 3)
    assert queue.depth() == Depth(0, 3)
    assert queue.depth().total == 3
    assert queue.receive(hide_s=60) == []


def test_what_is_shown_is_received_again_and_counted(queue: Queue) -> None:
    queue.send("body")
    (message,) = queue.receive(hide_s=60)
    again = shown_once(queue, message)
    assert (again.id, again.body, again.receives) == (message.id, "body", 2)


def test_what_is_deleted_is_gone_and_may_be_deleted_again(queue: Queue) -> None:
    queue.send("one")
    queue.send("two")
    messages = received(queue, 2)
    gone = [m.receipt for m in messages if m.body == "one"]
    queue.delete(gone)
    queue.delete(gone)
    queue.show(gone)
    assert queue.depth() == Depth(0, 1)


def test_a_receive_gives_ten_at_most_and_in_all_every_message_once(queue: Queue) -> None:
    for n in range(25):
        queue.send(str(n))
    assert len(queue.receive(hide_s=0)) <= 10
    messages = received(queue, 25)
    assert sorted(int(m.body) for m in messages) == list(range(25))
    queue.show([m.receipt for m in messages])
    queue.delete([m.receipt for m in messages])
    assert queue.depth() == Depth(0, 0)


def test_nothing_is_done_with_no_receipts(queue: Queue) -> None:
    queue.delete([])
    queue.show([])


def test_after_so_many_receives_a_message_goes_to_the_dead_letter_queue(
    queues: tuple[Queue, Queue],
) -> None:
    queue, dead = queues
    queue.send("poison", {"said": "before"})
    (message,) = queue.receive(hide_s=60)
    again = shown_once(queue, message)
    queue.show([again.receipt])
    moved: list[Message] = []
    for _ in range(100):
        assert queue.receive(hide_s=60) == []
        if moved := dead.receive(hide_s=60, wait_s=1):
            break
    assert [(m.id, m.body, dict(m.attributes)) for m in moved] == [
        (message.id, "poison", {"said": "before"})
    ]
    assert queue.depth() == Depth(0, 0)


def test_what_is_too_long_is_refused(queue: Queue) -> None:
    with pytest.raises(QueueUnavailable):
        queue.send("x" * (1024 * 1024 + 1))
    assert queue.depth() == Depth(0, 0)


EMPTY: dict[str, tuple[str, dict[str, str]]] = {
    "body": ("", {}),
    "attribute": ("body", {"error": ""}),
    "eleven attributes": ("body", {str(n): "x" for n in range(11)}),
}


@pytest.mark.parametrize("name", EMPTY)
def test_the_fake_refuses_what_sqs_refuses_and_moto_does_not(name: str) -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""
    queue = MemoryQueue()
    with pytest.raises(QueueUnavailable):
        queue.send(*EMPTY[name])
    assert queue.depth() == Depth(0, 0)


def test_a_queue_that_does_not_answer_is_unavailable(endpoint: str) -> None:
    session = boto3.Session("local", "local", region_name="us-east-1")
    for address in (endpoint, "http://127.0.0.1:9"):
        client = session.client(
            "sqs",
            endpoint_url=address,
            config=boto3.session.Config(retries={"max_attempts": 0}),
        )
        broken = SqsQueue(client, f"{address}/123456789012/no-such-queue")
        for call in (
            broken.depth,
            lambda queue=broken: queue.send("body"),
            lambda queue=broken: queue.receive(hide_s=1),
            lambda queue=broken: queue.delete(["receipt"]),
            lambda queue=broken: queue.show(["receipt"]),
        ):
            with pytest.raises(QueueUnavailable):
                call()
        client.close()
