"""Creates what a template says of buckets and queues in an S3 and SQS server.

moto's CloudFormation passes over queue policies and bucket notifications without a word, so a
stack that was created there would prove nothing of the wiring; here each is read from the template
and set by its own call. What moto takes but does not enforce (the queue's policy) is asked of the
evaluator before an event counts as let through.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config

from tests.infra.functions_read import KINDS, Function, base_environment, function_of
from tests.infra.granted import Rights
from tests.infra.stacks_read import REGION, Resource, Stacks

QUEUE_ATTRIBUTES = {
    "VisibilityTimeout": "VisibilityTimeout",
    "MessageRetentionPeriod": "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "DelaySeconds": "DelaySeconds",
    "MaximumMessageSize": "MaximumMessageSize",
}


@contextmanager
def moto_process() -> Iterator[str]:
    """The address of an empty moto server, as it comes, in a process of its own."""
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env=base_environment(REGION),
    )  # fmt: skip
    with server:
        try:
            assert server.stderr is not None
            line = next(x for x in server.stderr if "Running on" in x)
            threading.Thread(target=server.stderr.read, daemon=True).start()
            yield line.split("Running on ")[1].strip()
        finally:
            server.kill()


def client(service: str, endpoint: str) -> Any:
    return boto3.client(
        service, endpoint_url=endpoint, region_name=REGION,
        aws_access_key_id="made-up", aws_secret_access_key="made-up",
        config=Config(s3={"addressing_style": "path"}),
    )  # fmt: skip


class NotLetThrough(AssertionError):
    """An event that AWS would have refused on its way."""


class Built:
    """What the template says, there on a server."""

    def __init__(self, stacks: Stacks, endpoint: str) -> None:
        self.stacks = stacks
        self.rights = Rights(stacks)
        self.endpoint = endpoint
        self.s3, self.sqs = client("s3", endpoint), client("sqs", endpoint)
        self._build_queues()
        self._build_tables()
        for bucket in stacks.of_type("AWS::S3::Bucket"):
            self.make_bucket(bucket.name)
            self._notify(bucket)

    def make_bucket(self, name: str) -> None:
        where = {"LocationConstraint": self.stacks.region}
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration=where)

    def _build_queues(self) -> None:
        queues = self.stacks.of_type("AWS::SQS::Queue")
        # Those that others redrive to come first.
        for queue in sorted(queues, key=lambda q: "RedrivePolicy" in q.properties):
            attributes = {
                ours: str(queue.properties[theirs])
                for theirs, ours in QUEUE_ATTRIBUTES.items()
                if theirs in queue.properties
            }
            if redrive := queue.properties.get("RedrivePolicy"):
                attributes["RedrivePolicy"] = json.dumps(redrive)
            self.sqs.create_queue(QueueName=queue.name, Attributes=attributes)

    def _build_tables(self) -> None:
        database = client("dynamodb", self.endpoint)
        for table in self.stacks.of_type("AWS::DynamoDB::Table"):
            given = {
                name: table.properties[name]
                for name in ("KeySchema", "AttributeDefinitions", "BillingMode")
            }
            database.create_table(TableName=table.name, **given)

    def _notify(self, bucket: Resource) -> None:
        given = bucket.properties.get("NotificationConfiguration", {})
        known = {"QueueConfigurations", "EventBridgeConfiguration"}
        assert set(given) <= known, f"{bucket.place}: {sorted(given)}"
        rows = [
            {"QueueArn": row["Queue"], "Events": [row["Event"]]}
            for row in given.get("QueueConfigurations", [])
        ]
        if rows:
            self.s3.put_bucket_notification_configuration(
                Bucket=bucket.name, NotificationConfiguration={"QueueConfigurations": rows}
            )

    # --- an event's way -----------------------------------------------------------------------

    def mappings(self) -> list[Resource]:
        return self.stacks.of_type("AWS::Lambda::EventSourceMapping")

    def queue_url(self, arn: str) -> str:
        url: str = self.sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
        return url

    def waiting(self, mapping: Resource, bucket: str) -> list[dict[str, Any]]:
        """Up to a batch of what waits in the mapping's queue, as Lambda's records. Raises
        `NotLetThrough` where S3 might not have put it there, or Lambda might not take it."""
        arn = mapping.properties["EventSourceArn"]
        sent = self.rights.decide(
            "s3.amazonaws.com", "sqs:SendMessage", arn,
            aws__SourceArn=f"arn:aws:s3:::{bucket}", aws__SourceAccount=self.stacks.account,
        )  # fmt: skip
        if not sent:
            raise NotLetThrough(f"S3 may not send events of {bucket} to {arn}.")
        role = self.function(mapping).role
        for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"):
            if not self.rights.decide(role, action, arn):
                raise NotLetThrough(f"{role} may not {action} on {arn}.")
        records: list[dict[str, Any]] = []
        while len(records) < mapping.properties["BatchSize"] and (
            got := self.sqs.receive_message(
                QueueUrl=self.queue_url(arn),
                MaxNumberOfMessages=1,
                # moto's S3 tells the queue before it answers, so there is nothing to wait for.
                WaitTimeSeconds=0,
                AttributeNames=["All"],
            ).get("Messages")
        ):
            records += [_record(message, arn, self.stacks.region) for message in got]
        return records

    def function(self, mapping: Resource) -> Function:
        """The one that the mapping names."""
        name = mapping.properties["FunctionName"]
        resource = self.stacks.by_name(name, *KINDS, "AWS::Lambda::Alias", "AWS::Lambda::Version")
        if resource.type not in KINDS:
            resource = self.stacks.by_name(resource.properties["FunctionName"], *KINDS)
        return function_of(resource)

    def settle(self, mapping: Resource, records: list[dict[str, Any]], answer: Any) -> None:
        """What Lambda does after the function answered: all is deleted but the failures, and all
        of it where the mapping does not ask for them
        (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html)."""
        failed: set[str] = set()
        if "ReportBatchItemFailures" in mapping.properties.get("FunctionResponseTypes", []):
            failed = {row["itemIdentifier"] for row in answer["batchItemFailures"]}
        url = self.queue_url(mapping.properties["EventSourceArn"])
        for record in records:
            if record["messageId"] not in failed:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=record["receiptHandle"])


def _record(message: dict[str, Any], arn: str, region: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html"""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": region,
    }
