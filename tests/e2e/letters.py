"""Letters in the dead-letter queue of a stack."""

from __future__ import annotations

import boto3

from tests.integration.local_stack import LocalStack


def give_up(site: LocalStack, body: str, **said: str) -> None:
    """A letter, as the embedder sends it."""
    sqs = boto3.client(
        "sqs",
        endpoint_url=site.s3_url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    sqs.send_message(
        QueueUrl=f"{site.s3_url}/123456789012/ingest-dead-letters",
        MessageBody=body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": text} for name, text in said.items()
        },
    )
