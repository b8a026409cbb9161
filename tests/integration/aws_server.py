"""moto's own server with buckets and queue wired to each other, and events as Lambda gets them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote_plus

import boto3

from tests.integration.local_stack import BUCKET, THUMBNAILS, environment, s3_client


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


@contextmanager
def aws_server() -> Iterator[Aws]:
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
