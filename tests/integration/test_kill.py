"""`kill -9` at every call a worker makes, to queue, bucket and index: redelivery mends it.

A worker's run on one message is killed at its first call, the next at its second, and so on until
one gets through. Each time the message comes back to a fresh process; then index, bucket and
thumbnails must agree.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib import sweeping, wiring
from chalicelib.config import Settings
from chalicelib.records import ImageRecord, image_id
from chalicelib.storage import S3Bucket
from chalicelib.wiring import clip_of
from local.processes import Process
from tests.integration.local_stack import BUCKET, ROOT, THUMBNAILS
from tests.integration.pictures import jpeg

REGION = "us-east-1"
MOST = 90
"""More calls than any run makes."""


class Crashing:
    """The server, an index, and a worker that can be told when to die."""

    def __init__(self, server: Process, folder: Path, model: Path) -> None:
        url = f"http://127.0.0.1:{server.first()['port']}"
        self.settings = Settings(
            bucket=BUCKET,
            thumbnails_bucket=THUMBNAILS,
            queue_url=f"{url}/123456789012/ingest",
            region=REGION,
            endpoint=url,
            index="embedded",
            index_folder=str(folder / "index"),
            model_folder=str(model),
        )
        self.s3 = wiring.client("s3", self.settings)
        self.sqs = wiring.client("sqs", self.settings)
        # What a dead worker had in hand is there for the next at once.
        self.sqs.create_queue(QueueName="ingest", Attributes={"VisibilityTimeout": "0"})
        arn = f"arn:aws:sqs:{REGION}:123456789012:ingest"
        events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
        self.s3.put_bucket_notification_configuration(
            Bucket=BUCKET,
            NotificationConfiguration={
                "QueueConfigurations": [{"QueueArn": arn, "Events": events}]
            },
        )
        clip = clip_of(self.settings)
        self.fingerprint = clip.fingerprint
        self.index = wiring.index_of(self.settings, clip)
        self.bucket = S3Bucket(self.s3, BUCKET)
        self.thumbnails = S3Bucket(self.s3, THUMBNAILS)
        self.drain_queue()
        with (folder / "worker.log").open("w") as log:
            self.worker = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.crash_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env={**os.environ, **self.settings.environment(), "PYTHONPATH": str(ROOT)},
            )
        assert self.worker.stdout
        assert self.worker.stdout.readline() == "ready\n"

    def drain_queue(self) -> None:
        """Of the test event."""
        url = self.settings.queue_url
        while found := self.sqs.receive_message(QueueUrl=url).get("Messages"):
            for message in found:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def run(self, calls: int | None = None) -> int:
        """One poll of a fresh worker; it dies at its call of that number. How it ended."""
        assert self.worker.stdin
        assert self.worker.stdout
        self.worker.stdin.write(f"{'' if calls is None else calls}\n")
        self.worker.stdin.flush()
        return int(self.worker.stdout.readline())

    def waiting(self) -> int:
        answer = self.sqs.get_queue_attributes(
            QueueUrl=self.settings.queue_url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def redeliver(self) -> None:
        for _ in range(MOST):
            if not self.waiting():
                return
            assert self.run() == 0
        raise AssertionError("messages keep coming back")

    def record(self, key: str) -> ImageRecord | None:
        found = self.index.read([image_id(BUCKET, key)])
        return next(iter(found.values())).record if found else None

    def kept(self, key: str) -> set[str]:
        """The thumbnails of `key`."""
        folder = f"{self.fingerprint}/{image_id(BUCKET, key)}/"
        return {row.key for row in self.thumbnails.list(folder)}

    def close(self) -> None:
        assert self.worker.stdin
        self.worker.stdin.close()
        self.worker.wait()
        if self.worker.stdout:
            self.worker.stdout.close()
        self.index.close()
        self.s3.close()
        self.sqs.close()


@pytest.fixture
def crashing(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crashing]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    names = [word for name in (BUCKET, THUMBNAILS) for word in ("--bucket", name)]
    arguments = ["--data", str(tmp_path / "buckets"), "--region", REGION, *names]
    server = Process("local.server", arguments, tmp_path / "s3.log")
    try:
        made = Crashing(server, tmp_path, tiny)
        try:
            yield made
        finally:
            made.close()
    finally:
        server.stop()
        if server.popen.stdout:
            server.popen.stdout.close()


def create(crashing: Crashing, key: str) -> None:
    crashing.bucket.put(key, jpeg(7), "image/jpeg")


def overwrite(crashing: Crashing, key: str) -> None:
    create(crashing, key)
    crashing.redeliver()
    crashing.bucket.put(key, jpeg(8), "image/jpeg")


def delete(crashing: Crashing, key: str) -> None:
    create(crashing, key)
    crashing.redeliver()
    crashing.bucket.delete(key)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("deed", [create, overwrite, delete])
def test_a_worker_killed_at_any_of_its_calls_loses_and_doubles_nothing(
    crashing: Crashing, deed: Callable[[Crashing, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    orphans = killed = 0
    for calls in range(1, MOST):
        key = f"{deed.__name__}/{calls}.jpg"
        deed(crashing, key)
        ended = crashing.run(calls)
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
        killed += 1
        crashing.redeliver()
        record, kept = crashing.record(key), crashing.kept(key)
        assert record is not None
        there = {row.key: row.etag for row in crashing.bucket.list(f"{deed.__name__}/")}
        named = {record.thumbnail_key} - {""}
        if deed is delete:
            assert (record.state, named, key in there) == ("deleted", set(), False)
        else:
            assert (record.state, record.etag) == ("ready", there[key])
            assert named <= kept
        # Of one kill, at most the thumbnail that was put and not named, or not yet deleted.
        assert len(kept - named) <= 1
        orphans += len(kept - named)
    assert killed == calls - 1 >= 15
    crashing.redeliver()
    said = sorted(summary.key for summary in crashing.index.scan())
    assert said == sorted(f"{deed.__name__}/{n}.jpg" for n in range(1, calls + 1))
    # Too young to go, then old enough.
    assert swept(crashing) == 0
    monkeypatch.setattr(sweeping, "ORPHANS_KEPT", timedelta(seconds=-60))
    assert swept(crashing) == orphans > 0
    named = {summary.thumbnail_key for summary in crashing.index.scan()} - {""}
    assert {row.key for row in crashing.thumbnails.list()} == named


def swept(crashing: Crashing) -> int:
    from chalicelib.differences import Scope, remembered
    from chalicelib.sharding import WHOLE
    from chalicelib.verdicts import MadeWith

    now = MadeWith(crashing.fingerprint)
    said = remembered(crashing.index, Scope(BUCKET, WHOLE, ""), now)
    return sweeping.sweep_thumbnails(
        crashing.thumbnails, crashing.index, said, crashing.fingerprint
    )
