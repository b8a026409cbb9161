"""SQS batches in, the messages to try again out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote_plus

import pytest

from chalicelib.errors import StorageUnavailable
from chalicelib.ingest import Ingest
from chalicelib.verdicts import Outcome
from container_embedder.handler import process
from tests.fakes.library import FakeLibrary
from tests.unit.logs import captured


class FakeIngest:
    """Fails the keys it is told to; remembers what it was asked for."""

    def __init__(self, failing: Iterable[str] = ()) -> None:
        self.failing = set(failing)
        self.asked: list[str] = []
        self.deadline: float | None = None

    def process(self, keys: Iterable[str], *, deadline: float | None = None) -> dict[str, Outcome]:
        self.asked, self.deadline = list(keys), deadline
        return {
            key: Outcome(key, "failed", StorageUnavailable("S3 did not answer."))
            if key in self.failing
            else Outcome(key, "indexed")
            for key in self.asked
        }


def s3_record(key: str, bucket: str = "photos") -> dict[str, Any]:
    about = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key), "size": 1}}
    return {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": about}


def message(id: str, *records: dict[str, Any], body: str | None = None) -> dict[str, Any]:
    """As Lambda hands it on (docs.aws.amazon.com/lambda/latest/dg/with-sqs.html)."""
    return {
        "messageId": id,
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": json.dumps({"Records": list(records)}) if body is None else body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:ingest",
        "awsRegion": "eu-central-1",
    }


def failures(ingest: FakeIngest | Ingest, *messages: dict[str, Any]) -> list[str]:
    """The ids that are to come again; the answer has the form that Lambda wants."""
    answer = process({"Records": list(messages)}, ingest, "photos", None)  # type: ignore[arg-type]
    assert list(answer) == ["batchItemFailures"]
    assert all(list(item) == ["itemIdentifier"] for item in answer["batchItemFailures"])
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


BATCH = [message(f"id-{n}", s3_record(f"{n}.jpg")) for n in range(10)]


@pytest.mark.parametrize("size", range(11))
def test_exactly_the_messages_that_failed_come_again(size: int) -> None:
    for subset in itertools.combinations(range(10), size):
        ingest = FakeIngest(f"{n}.jpg" for n in subset)
        assert failures(ingest, *BATCH) == [f"id-{n}" for n in subset]


def test_all_keys_of_a_batch_go_through_ingest_at_once() -> None:
    ingest = FakeIngest()
    assert failures(ingest, *BATCH) == []
    assert ingest.asked == [f"{n}.jpg" for n in range(10)]


def test_a_message_with_several_records_fails_when_one_of_them_does() -> None:
    batch = [
        message("one", s3_record("a"), s3_record("b"), s3_record("c")),
        message("two", s3_record("d")),
    ]
    assert failures(FakeIngest(["b"]), *batch) == ["one"]
    assert failures(FakeIngest(["b", "c"]), *batch) == ["one"]
    assert failures(FakeIngest(["d"]), *batch) == ["two"]


def test_messages_about_one_key_fail_together() -> None:
    batch = [message("one", s3_record("a")), message("two", s3_record("a"))]
    assert failures(FakeIngest(["a"]), *batch) == ["one", "two"]


UNREADABLE = {
    "nothing": "",
    "text": "no JSON",
    "an empty object": "{}",
    "an empty record": '{"Records": [{}]}',
    "deep brackets": "[" * 100_000,
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_message_fails_alone_and_is_logged(name: str) -> None:
    batch = [BATCH[0], message("odd", body=UNREADABLE[name]), BATCH[1]]
    ingest = FakeIngest()
    with captured() as log:
        assert failures(ingest, *batch) == ["odd"]
    assert ingest.asked == ["0.jpg", "1.jpg"]
    odd = [line for line in log() if line["message"] != "image"]
    assert [(line["level"], line["message"], line["message_id"]) for line in odd] == [
        ("ERROR", "unreadable message", "odd")
    ]


def test_an_event_of_another_bucket_is_logged_and_done_with() -> None:
    ingest = FakeIngest(["theirs.jpg"])
    batch = [message("other", s3_record("theirs.jpg", "somebody-elses"), s3_record("ours.jpg"))]
    with captured() as log:
        assert failures(ingest, *batch) == []
    assert ingest.asked == ["ours.jpg"]
    odd = [line for line in log() if line["message"] != "image"]
    assert [(line["level"], line["message"], line["bucket"]) for line in odd] == [
        ("WARNING", "event of another bucket", "somebody-elses")
    ]


def test_the_test_event_is_acknowledged() -> None:
    body = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "photos"})
    ingest = FakeIngest()
    assert failures(ingest, message("test", body=body)) == []
    assert ingest.asked == []


def test_only_ids_that_came_in_go_out() -> None:
    ids = ["", "a" * 100, "059f36b4-87a3-44ab-83d2-661975830a7d"]
    batch = [message(given, s3_record(f"{n}.jpg")) for n, given in enumerate(ids)]
    batch.append(message("odd", body="?"))
    out = failures(FakeIngest(f"{n}.jpg" for n in range(3)), *batch)
    assert sorted(out) == sorted([*ids, "odd"])


def test_an_empty_batch_is_no_failure() -> None:
    assert failures(FakeIngest()) == []


def test_the_deadline_is_handed_on() -> None:
    ingest = FakeIngest()
    process({"Records": BATCH}, ingest, "photos", 17.5)  # type: ignore[arg-type]
    assert ingest.deadline == 17.5


def test_after_the_deadline_everything_comes_again() -> None:
    library = FakeLibrary()
    for n in range(3):
        library.put(f"{n}.jpg")
    answer = process({"Records": BATCH[:3]}, library.ingest(), "photos", 0.0)
    assert [item["itemIdentifier"] for item in answer["batchItemFailures"]] == [
        "id-0",
        "id-1",
        "id-2",
    ]
    assert library.record("0.jpg") is None


def test_a_whole_batch_through_the_real_ingest() -> None:
    """Good, broken, missing, named twice: all are done with, and the index says which is what."""
    library = FakeLibrary()
    library.put("good one.jpg", b"good")
    library.put("broken.jpg", b"BROKEN")
    batch = [
        message("a", s3_record("good one.jpg"), s3_record("gone.jpg")),
        message("b", s3_record("broken.jpg")),
        message("c", s3_record("good one.jpg")),
    ]
    assert failures(library.ingest(), *batch) == []
    states = {key: library.record(key) for key in ("good one.jpg", "broken.jpg", "gone.jpg")}
    assert {key: record.state if record else None for key, record in states.items()} == {
        "good one.jpg": "ready",
        "broken.jpg": "rejected",
        "gone.jpg": "deleted",
    }


def test_while_storage_is_down_every_message_comes_again() -> None:
    library = FakeLibrary()
    library.bucket.down = True
    assert failures(library.ingest(), *BATCH[:2]) == ["id-0", "id-1"]
