"""The embedder as Lambda runs it: awslambdaric in a process of its own, fed by a Runtime API."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote_plus

import boto3
import pytest

from chalicelib.clip import load_clip
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.records import ImageRecord, image_id
from tests.integration.local_stack import BUCKET, THUMBNAILS, environment, s3_client
from tests.integration.pictures import jpeg

NEXT = "/2018-06-01/runtime/invocation/next"
ANSWERS = "/2018-06-01/runtime/invocation/"


class Answer(NamedTuple):
    kind: str
    body: Any


class RuntimeApi:
    """What Lambda puts beside a function.

    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
    """

    def __init__(self) -> None:
        self.events: queue.Queue[tuple[str, dict[str, Any], float]] = queue.Queue()
        self.answers: queue.Queue[Answer] = queue.Queue()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.path == NEXT
                id_, event, seconds = api.events.get()
                body = json.dumps(event).encode()
                deadline = int((time.time() + seconds) * 1000)
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", id_)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(deadline))
                self.send_header(
                    "Lambda-Runtime-Invoked-Function-Arn",
                    "arn:aws:lambda:us-east-1:123456789012:function:embedder",
                )
                self.send_header("Lambda-Runtime-Trace-Id", f"Root=1-00000000-{'0' * 24}")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kind = self.path.rpartition("/")[2]
                if self.path == "/2018-06-01/runtime/init/error":
                    kind = "init error"
                api.answers.put(Answer(kind, json.loads(body)))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_port}"
        self._number = 0

    def invoke(self, event: dict[str, Any], seconds: float = 60) -> Answer:
        self._number += 1
        self.events.put((f"request-{self._number}", event, seconds))
        return self.answers.get(timeout=90)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Aws(NamedTuple):
    url: str
    s3: Any
    sqs: Any
    queue: str

    def messages(self) -> list[dict[str, Any]]:
        """What the queue holds, as Lambda's event source mapping hands it over."""
        records: list[dict[str, Any]] = []
        while got := self.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, AttributeNames=["All"]
        ).get("Messages"):
            records += [sqs_record(m["MessageId"], m["Body"], m["Attributes"]) for m in got]
        return records


def sqs_record(id_: str, body: str, attributes: dict[str, str] | None = None) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""
    return {
        "messageId": id_,
        "receiptHandle": f"handle-of-{id_}",
        "body": body,
        "attributes": attributes or {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:ingest",
        "awsRegion": "us-east-1",
    }


def s3_event(key: str, name: str = "ObjectCreated:Put", bucket: str = BUCKET) -> str:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html"""
    about = {
        "bucket": {"name": bucket},
        "object": {"key": quote_plus(key), "sequencer": "0055AED6"},
    }
    record = {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": name, "s3": about}
    return json.dumps({"Records": [record]})


def credentials() -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


@pytest.fixture
def aws() -> Iterator[Aws]:
    """moto's own server, in a process of its own, as it comes."""
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    with server:
        try:
            assert server.stderr is not None
            line = next(x for x in server.stderr if "Running on" in x)
            url = line.split("Running on ")[1].strip()
            threading.Thread(target=server.stderr.read, daemon=True).start()
            sqs = boto3.client(
                "sqs", endpoint_url=url, region_name="us-east-1",
                aws_access_key_id="local", aws_secret_access_key="local",
            )  # fmt: skip
            s3 = s3_client(url)
            for bucket in (BUCKET, THUMBNAILS):
                s3.create_bucket(Bucket=bucket)
            where = sqs.create_queue(QueueName="ingest")["QueueUrl"]
            events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
            arn = "arn:aws:sqs:us-east-1:123456789012:ingest"
            s3.put_bucket_notification_configuration(
                Bucket=BUCKET,
                NotificationConfiguration={
                    "QueueConfigurations": [{"QueueArn": arn, "Events": events}]
                },
            )
            yield Aws(url, s3, sqs, where)
        finally:
            server.kill()


@contextmanager
def function(settings: dict[str, str]) -> Iterator[RuntimeApi]:
    """The container's command, with Lambda's environment."""
    api = RuntimeApi()
    lambda_environment = {
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_NAME": "embedder",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
        "AWS_LAMBDA_LOG_GROUP_NAME": "group",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": "us-east-1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "awslambdaric", "container_embedder.handler.handler"],
        env=environment(**credentials(), **lambda_environment, **settings),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with process:
        try:
            yield api
        finally:
            process.kill()
            api.close()


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
