"""Messages that are given up, on the real stack: from what fails to what is mended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.integration.local_stack import (
    BUCKET,
    THUMBNAILS,
    LocalStack,
    environment,
    running,
)
from tests.integration.pictures import plain
from tests.integration.processes import eventually


def dlq(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m local dlq`, as a person runs it."""
    return subprocess.run(
        [sys.executable, "-m", "local", "dlq", *arguments, "--data", str(data)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment(),
    )


class Letters:
    """A stack whose messages come again after a second, in place of minutes."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.sqs = boto3.client(
            "sqs",
            endpoint_url=stack.s3_url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        self.queue = f"{stack.s3_url}/123456789012/ingest"
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"VisibilityTimeout": "1"})
        # A poll that had begun by then hides what it is given for minutes still: it ends with this.
        self.sqs.send_message(QueueUrl=self.queue, MessageBody="marker")
        eventually(self.waiting, lambda count: count == 1)
        stack.post("/dead-letters/discard", {"all": True, "reason": "it was a marker"})

    def say(self, *arguments: str) -> str:
        done = dlq(self.stack.data, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def listed(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self.say("--json"))["items"]
        return items

    def waiting(self) -> int:
        return int(self.stack.get("/stats")["dead_letters"]["waiting"])


pytestmark = pytest.mark.xdist_group("letters")


@pytest.fixture(scope="module")
def letters(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Letters]:
    data = tmp_path_factory.mktemp("letters") / "data"
    with running(data, tiny) as stack:
        yield Letters(stack.loaded())


def test_what_fails_is_listed_with_its_reason_and_found_once_it_is_mended(
    letters: Letters,
) -> None:
    stack = letters.stack
    stack.s3.delete_bucket(Bucket=THUMBNAILS)
    image = stack.put("trips/red one.jpg", plain("red"))
    letters.sqs.send_message(QueueUrl=letters.queue, MessageBody="no event")
    eventually(letters.waiting, lambda count: count == 2)

    by_code = {item["code"]: item for item in letters.listed()}
    failed, unread = by_code["storage_unavailable"], by_code["unreadable_message"]
    assert (failed["keys"], failed["receives"]) == (["trips/red one.jpg"], 5)
    assert "NoSuchBucket" in failed["error"]
    assert (unread["keys"], unread["receives"]) == ([], 1)
    listing = letters.say()
    assert "tried 5 times: trips/red one.jpg" in listing
    assert "no event that can be read\n  unreadable_message: The message is not JSON." in listing
    assert letters.waiting() == 2

    log = stack.log("worker")
    tries = [x for x in log if x.get("message") == "image" and x["image_id"] == image]
    assert [x["message_id"] for x in tries] == [failed["message_id"]] * 5
    measured = [x for x in log if "_aws" in x]
    assert sum(sum(x["DeadLetters"]) for x in measured if "reason" not in x) == 3  # the marker too
    assert {x["reason"] for x in measured if "reason" in x} == set(by_code)

    stack.s3.create_bucket(Bucket=THUMBNAILS)
    assert letters.say("redrive", failed["id"]) == "1 sent back\n"
    assert stack.known(image)["state"] == "ready"
    assert stack.found("red", collection="trips") == ["red one.jpg"]
    assert stack.at_rest().differences() == {}

    assert [item["id"] for item in letters.listed()] == [unread["id"]]
    assert letters.say("discard", "--all", "--reason", "sent by a test") == (
        "1 discarded; see logs/api.log\n"
    )
    assert letters.say() == "No dead letters.\n"
    said = [x for x in stack.log("api") if x.get("message") == "dead letter discarded"][-1]
    assert (said["body"], said["reason"]) == ("no event", "sent by a test")


def test_a_message_that_its_worker_never_answers_for_says_where_to_look(letters: Letters) -> None:
    worker = letters.stack.child("local.worker").pid
    body = json.dumps({"Records": [{"s3": {"bucket": {"name": BUCKET}, "object": {"key": "x"}}}]})
    os.kill(worker, signal.SIGSTOP)
    try:
        sent = letters.sqs.send_message(QueueUrl=letters.queue, MessageBody=body)["MessageId"]

        def received() -> int:
            letters.sqs.receive_message(QueueUrl=letters.queue, VisibilityTimeout=0)
            return letters.waiting()

        eventually(received, lambda count: count == 1)
    finally:
        os.kill(worker, signal.SIGCONT)
    (letter,) = letters.listed()
    assert (letter["code"], letter["receives"], letter["keys"]) == ("unsaid", None, ["x"])
    assert f"see the log for message id {sent}." in letter["error"]
    assert letters.say("redrive", "--all") == "1 sent back\n"
    eventually(letters.waiting, lambda count: count == 0)


def test_without_a_stack_that_runs_there_is_a_sentence(tmp_path: Path) -> None:
    done = dlq(tmp_path / "none")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: No stack runs on {tmp_path / 'none'}.")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["redrive"], "takes the id of a letter, or --all"),
        (["redrive", "x", "--all"], "takes the id of a letter, or --all"),
        (["discard", "x"], "--reason"),
    ],
)
def test_what_is_asked_wrongly_is_told(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = dlq(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_an_unknown_letter_is_told(letters: Letters) -> None:
    done = dlq(letters.stack.data, "redrive", "nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: No dead letter of this id was found; list them again.\n"
