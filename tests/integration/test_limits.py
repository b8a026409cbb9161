"""The S3 server under the load that docs/operations.md states: 5,000 photos in under 2 GB."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from tests.integration.local_stack import BUCKET, environment, s3_client
from tests.integration.pictures import jpeg
from tests.integration.processes import memory, open_files

COUNT = 5000
SIZE = 60_000
"""Bytes; 5,000 of them are 300 MB, which a server that kept them would show."""


@contextmanager
def serving(data: Path) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """The S3 server by itself: process, address, how many objects it put back."""
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "local.server", "--data", str(data)),
            *("--region", "us-east-1", "--bucket", BUCKET),
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=environment(AWS_ACCESS_KEY_ID="local", AWS_SECRET_ACCESS_KEY="local"),
    )  # fmt: skip
    with server:
        try:
            assert server.stdout is not None
            ready = json.loads(server.stdout.readline())
            yield server, f"http://127.0.0.1:{ready['port']}", ready["restored"]
        finally:
            server.kill()


def notified(url: str) -> Any:
    """A queue that hears of every object, and that nobody empties; returns its client."""
    sqs = boto3.client(
        "sqs", endpoint_url=url, region_name="us-east-1",
        aws_access_key_id="local", aws_secret_access_key="local",
    )  # fmt: skip
    sqs.create_queue(QueueName="ingest")
    arn = "arn:aws:sqs:us-east-1:123456789012:ingest"
    events = [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
    s3_client(url).put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": events}
    )
    return sqs


def listed(url: str) -> dict[str, tuple[str, int]]:
    pages = s3_client(url).get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return {
        row["Key"]: (row["ETag"], row["Size"]) for page in pages for row in page.get("Contents", [])
    }


def test_five_thousand_photos_fit_and_come_back(tmp_path: Path) -> None:
    picture = jpeg()
    padding = bytes(SIZE - len(picture))

    def body(number: int) -> bytes:
        return picture + number.to_bytes(4) + padding[4:]

    with serving(tmp_path) as (server, url, restored):
        assert restored == 0
        sqs = notified(url)
        empty = memory(server.pid)
        s3 = s3_client(url)

        def put(number: int) -> None:
            s3.put_object(Bucket=BUCKET, Key=f"many/{number:05}.jpg", Body=body(number))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, range(COUNT)))
        full = memory(server.pid)
        # The objects' bytes are not in it: what they cost is far less than what they hold.
        assert full - empty < COUNT * SIZE / 2
        assert full < 2 * 1024**3
        assert open_files(server.pid) < 200
        names = ["ApproximateNumberOfMessages"]
        queue = sqs.get_queue_url(QueueName="ingest")["QueueUrl"]
        waiting = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)
        assert int(waiting["Attributes"][names[0]]) >= COUNT
        before = listed(url)
        assert len(before) == COUNT
    with serving(tmp_path) as (server, url, restored):
        assert restored == COUNT
        assert listed(url) == before
        for number in (0, COUNT // 2, COUNT - 1):
            key = f"many/{number:05}.jpg"
            assert s3_client(url).get_object(Bucket=BUCKET, Key=key)["Body"].read() == body(number)
        assert memory(server.pid) - empty < COUNT * SIZE / 2
        assert open_files(server.pid) < 200


def test_no_message_is_lost_while_others_are_deleted(tmp_path: Path) -> None:
    count = 400
    with serving(tmp_path) as (_, url, _restored):
        sqs, s3 = notified(url), s3_client(url)
        queue = sqs.get_queue_url(QueueName="ingest")["QueueUrl"]
        heard: list[str] = []
        all_put = threading.Event()

        def put(number: int) -> None:
            s3.put_object(Bucket=BUCKET, Key=f"{number}.jpg", Body=b"any")

        def empty() -> None:
            while len(heard) < count:
                ended = all_put.is_set()
                got = sqs.receive_message(
                    QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5
                ).get("Messages", [])
                if not got and ended:
                    return
                for message in got:
                    records = json.loads(message["Body"]).get("Records", [])
                    heard.extend(record["s3"]["object"]["key"] for record in records)
                entries = [
                    {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(got)
                ]
                assert sqs.delete_message_batch(QueueUrl=queue, Entries=entries).get("Failed") in (
                    None,
                    [],
                )

        with ThreadPoolExecutor(9) as pool:
            emptying = pool.submit(empty)
            list(pool.map(put, range(count)))
            all_put.set()
            emptying.result()
        assert sorted(heard) == sorted(f"{n}.jpg" for n in range(count))
