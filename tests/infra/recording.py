"""What a deployed function asked for while it ran, and which rights that takes.

The table follows the Service Authorization Reference
(https://docs.aws.amazon.com/service-authorization/latest/reference/), where the names of
operations and of actions differ: for S3
https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html, for the
batch operations of SQS
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html,
for OpenSearch https://docs.aws.amazon.com/opensearch-service/latest/developerguide/ac.html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

FOLDER = Path(__file__).with_name("recorder")


def variables(function: str, to: Path) -> dict[str, str]:
    """What a child process needs in its environment for its calls to be written to `to`."""
    return {"PYTHONPATH": str(FOLDER), "RECORD_CALLS_TO": str(to), "RECORD_CALLS_AS": function}


@dataclass(frozen=True)
class Call:
    function: str
    service: str
    operation: str
    parameters: Mapping[str, str]
    signed: bool = False
    """An address was signed for it, and somebody else may make the call."""

    def __str__(self) -> str:
        return f"{self.function}: {self.service} {self.operation} {dict(self.parameters)}"


class Need(NamedTuple):
    """A right, as IAM names it."""

    action: str
    resource: str


def recorded(folder: Path) -> list[Call]:
    texts = (file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.jsonl")))
    return [Call(**json.loads(line)) for text in texts for line in text.splitlines()]


IN_BUCKET = {"HeadBucket": "ListBucket", "ListObjectsV2": "ListBucket"}

OF_OBJECT = {
    "GetObject": "GetObject",
    "HeadObject": "GetObject",
    "PutObject": "PutObject",
    "DeleteObject": "DeleteObject",
}

MORE_OF_OBJECTS = {"VersionId", "ACL", "Tagging", "ObjectLockMode", "SSEKMSKeyId"}
"""Parameters that take rights of their own."""

OF_QUEUE = {
    "SendMessage": "SendMessage",
    "SendMessageBatch": "SendMessage",
    "ReceiveMessage": "ReceiveMessage",
    "DeleteMessage": "DeleteMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibility": "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "GetQueueAttributes": "GetQueueAttributes",
}

OF_TABLE = {"GetItem", "UpdateItem"}

HTTP = {m: f"es:ESHttp{m.title()}" for m in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")}


class Unlisted(Exception):
    """A call that the table does not have: add it, from AWS's own page."""


def needs(call: Call, *, account: str, region: str, domain: str, photos: str) -> list[Need]:
    """The rights that `call` takes. `domain`: ARN of the domain that this function speaks to;
    `photos`: that of the bucket in which a key may not be there, and that must be told."""
    given = call.parameters
    match call.service:
        case "s3" if not MORE_OF_OBJECTS & set(given):
            bucket = f"arn:aws:s3:::{given['Bucket']}"
            if call.operation in IN_BUCKET:
                return [Need(f"s3:{IN_BUCKET[call.operation]}", bucket)]
            if call.operation in OF_OBJECT:
                action = f"s3:{OF_OBJECT[call.operation]}"
                asks = action == "s3:GetObject" and bucket == photos and not call.signed
                listing = [Need("s3:ListBucket", bucket)] if asks else []
                return [Need(action, f"{bucket}/{given['Key']}"), *listing]
        case "sqs" if call.operation in OF_QUEUE:
            owner, name = urlsplit(given["QueueUrl"]).path.strip("/").split("/")
            queue = f"arn:aws:sqs:{region}:{owner}:{name}"
            return [Need(f"sqs:{OF_QUEUE[call.operation]}", queue)]
        case "dynamodb" if call.operation in OF_TABLE:
            table = f"arn:aws:dynamodb:{region}:{account}:table/{given['TableName']}"
            return [Need(f"dynamodb:{call.operation}", table)]
        case "ssm" if call.operation == "GetParameter":
            name = given["Name"].strip("/")
            return [Need("ssm:GetParameter", f"arn:aws:ssm:{region}:{account}:parameter/{name}")]
        case "es" if call.operation in HTTP:
            path = given["path"].split("?")[0].lstrip("/")
            return [Need(HTTP[call.operation], f"{domain}/{path}")]
    raise Unlisted(str(call))
