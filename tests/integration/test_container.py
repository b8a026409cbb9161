"""The embedder as Lambda runs it: awslambdaric in a process of its own, fed by a Runtime API."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chalicelib.clip import load_clip
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.records import ImageRecord, image_id
from tests.integration import runtime_api
from tests.integration.aws_server import Aws, aws_server, s3_event, sqs_record
from tests.integration.local_stack import BUCKET, THUMBNAILS, environment
from tests.integration.pictures import jpeg
from tests.integration.runtime_api import Answer, RuntimeApi

COMMAND = (sys.executable, "-m", "awslambdaric", "container_embedder.handler.handler")


@pytest.fixture
def aws() -> Iterator[Aws]:
    with aws_server() as server:
        yield server


@contextmanager
def function(settings: dict[str, str]) -> Iterator[RuntimeApi]:
    """The container's command, with Lambda's environment."""
    with runtime_api.function(COMMAND, environment(**settings)) as api:
        yield api


@pytest.fixture
def settings(aws: Aws, tiny: Path, tmp_path: Path) -> dict[str, str]:
    return {
        "IMAGES_BUCKET": BUCKET,
        "IMAGES_THUMBNAILS_BUCKET": THUMBNAILS,
        "IMAGES_QUEUE_URL": aws.queue,
        "IMAGES_ENDPOINT": aws.url,
        "IMAGES_INDEX_FOLDER": str(tmp_path / "index"),
        "IMAGES_MODEL_FOLDER": str(tiny),
    }


def records(folder: Path, model: Path, *keys: str) -> dict[str, ImageRecord]:
    clip = load_clip(model)
    index = EmbeddedIndex(folder, dim=clip.dim, model=f"{clip.name}-{clip.fingerprint}")
    try:
        ids = {image_id(BUCKET, key): key for key in keys}
        return {ids[i]: found.record for i, found in index.read(list(ids)).items()}
    finally:
        index.close()


def failures(answer: Answer) -> list[str]:
    assert answer.kind == "response", answer
    assert answer.body.keys() == {"batchItemFailures"}
    return [item["itemIdentifier"] for item in answer.body["batchItemFailures"]]


def test_the_function_brings_what_the_queue_tells_of_into_the_index(
    aws: Aws, tiny: Path, tmp_path: Path, settings: dict[str, str]
) -> None:
    keys = ["a/one.jpg", "a/two + 100% 😀.jpg", "top.jpg", "a/words.jpg"]
    for number, key in enumerate(keys):
        body = b"words" if key == "a/words.jpg" else jpeg(number)
        aws.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    with function(settings) as lambda_:
        batch = aws.messages()
        assert len(batch) >= len(keys)
        # What is no image is no failure: it would only come back.
        assert failures(lambda_.invoke({"Records": batch})) == []
        found = records(tmp_path / "index", tiny, *keys)
        assert {key: record.state for key, record in found.items()} == {
            key: "rejected" if key == "a/words.jpg" else "ready" for key in keys
        }
        assert found["a/two + 100% 😀.jpg"].thumbnail_key
        # The same again changes nothing.
        assert failures(lambda_.invoke({"Records": batch})) == []
        assert records(tmp_path / "index", tiny, *keys) == found
        # A process that is warm sees what was deleted since.
        aws.s3.delete_object(Bucket=BUCKET, Key="top.jpg")
        assert failures(lambda_.invoke({"Records": aws.messages()})) == []
        assert records(tmp_path / "index", tiny, "top.jpg")["top.jpg"].state == "deleted"


def test_of_a_batch_with_a_poison_message_only_that_one_comes_back(
    aws: Aws, tiny: Path, tmp_path: Path, settings: dict[str, str]
) -> None:
    for name in ("one", "two"):
        aws.s3.put_object(Bucket=BUCKET, Key=f"{name}.jpg", Body=jpeg(1))
    batch = [
        sqs_record("good-1", s3_event("one.jpg")),
        sqs_record("poison-1", "this is no event"),
        sqs_record("poison-2", json.dumps({"Records": [{"s3": {}}]})),
        sqs_record("test", json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})),
        sqs_record("elsewhere", s3_event("one.jpg", bucket="another-bucket")),
        sqs_record("gone", s3_event("never-there.jpg")),
        sqs_record("good-2", s3_event("two.jpg")),
    ]
    with function(settings) as lambda_:
        assert failures(lambda_.invoke({"Records": batch})) == ["poison-1", "poison-2"]
        found = records(tmp_path / "index", tiny, "one.jpg", "two.jpg", "never-there.jpg")
        assert {key: record.state for key, record in found.items()} == {
            "one.jpg": "ready", "two.jpg": "ready", "never-there.jpg": "deleted",
        }  # fmt: skip


def test_the_test_event_alone_is_answered_with_success(aws: Aws, settings: dict[str, str]) -> None:
    event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET}
    with function(settings) as lambda_:
        assert failures(lambda_.invoke({"Records": [sqs_record("t", json.dumps(event))]})) == []


def test_without_time_left_every_message_comes_back_and_the_next_batch_does_it(
    aws: Aws, tiny: Path, tmp_path: Path, settings: dict[str, str]
) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key="late.jpg", Body=jpeg(1))
    batch = {"Records": [sqs_record("late", s3_event("late.jpg"))]}
    with function(settings) as lambda_:
        assert failures(lambda_.invoke(batch, seconds=0)) == ["late"]
        assert records(tmp_path / "index", tiny, "late.jpg") == {}
        assert failures(lambda_.invoke(batch)) == []
        assert records(tmp_path / "index", tiny, "late.jpg")["late.jpg"].state == "ready"


def test_a_bucket_that_does_not_answer_sends_every_message_back(
    aws: Aws, settings: dict[str, str]
) -> None:
    nowhere = {**settings, "IMAGES_BUCKET": "no-such-bucket"}
    batch = [sqs_record("x", s3_event("one.jpg", bucket="no-such-bucket"))]
    with function(nowhere) as lambda_:
        assert failures(lambda_.invoke({"Records": batch})) == ["x"]


def test_a_function_set_up_wrongly_fails_whole_and_loses_no_message(
    aws: Aws, settings: dict[str, str]
) -> None:
    wrong = {**settings, "IMAGES_THUMBNAILS_BUCKET": BUCKET}
    with function(wrong) as lambda_:
        answer = lambda_.invoke({"Records": [sqs_record("x", s3_event("one.jpg"))]})
        assert answer.kind == "error"
        assert answer.body["errorType"] == "ConfigurationError"
        assert "IMAGES_THUMBNAILS_BUCKET" in answer.body["errorMessage"]
