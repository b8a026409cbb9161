"""The buckets' server, CloudFormation, and the properties of each setting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.infra.bucket_places import QUEUE
from tests.infra.bucket_server import BucketServer, bucket_server
from tests.infra.cloudformation_played import ACCOUNT, CloudFormation, cloudformation

ORIGIN = "https://photos.example.org"


@pytest.fixture(scope="module")
def server() -> Iterator[BucketServer]:
    with bucket_server() as server:
        yield server


@pytest.fixture(scope="module")
def cloud() -> Iterator[CloudFormation]:
    with cloudformation() as cloud:
        yield cloud


@pytest.fixture
def aws(server: BucketServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ours")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")
    yield
    server.before = lambda *_: None


@pytest.fixture
def s3() -> Any:
    return boto3.client("s3")


def queue(bucket: str, id: str = "ours", arn: str = QUEUE) -> dict[str, Any]:
    return {"Setting": "queue", "Bucket": bucket, "Account": ACCOUNT, "Id": id, "QueueArn": arn}


def bridge(bucket: str, id: str = "ours") -> dict[str, Any]:
    return {
        "Setting": "eventbridge", "Bucket": bucket, "Account": ACCOUNT, "Id": id,
        "Rule": f"{id}-objects",
    }  # fmt: skip


def page(bucket: str, id: str = "ours", origin: str = ORIGIN) -> dict[str, Any]:
    return {
        "Setting": "cors", "Bucket": bucket, "Account": ACCOUNT, "Id": id, "Origins": [origin]
    }  # fmt: skip


def told(s3: Any, bucket: str) -> dict[str, Any]:
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    del found["ResponseMetadata"]
    return dict(found)
