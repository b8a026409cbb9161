"""The recorder sees what a process asks for, however it asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.recording import Call, Need, Unlisted, needs, recorded, variables

DOMAIN = "arn:aws:es:eu-west-1:123456789012:domain/index"

PROGRAM = """
import boto3
from botocore.exceptions import BotoCoreError
s3, sqs = boto3.client("s3"), boto3.client("sqs")
s3.generate_presigned_url("get_object", Params={"Bucket": "photos", "Key": "a b"}, ExpiresIn=9)
s3.generate_presigned_post("photos", "new")
s3.create_bucket(Bucket="photos", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
s3.put_object(Bucket="photos", Key="k", Body=b"data")
list(s3.get_paginator("list_objects_v2").paginate(Bucket="photos", Prefix="k"))
from opensearchpy import OpenSearch, Urllib3HttpConnection
from opensearchpy.exceptions import TransportError
opened = OpenSearch([{"host": "127.0.0.1", "port": PORT}], max_retries=0,
                    connection_class=Urllib3HttpConnection)
other = {"docs": [{"_index": "others", "_id": "1"}]}
for method, path, body in (("GET", "/images-x/_count", None), ("POST", "/_mget", other)):
    try:
        opened.transport.perform_request(method, path, body=body)
    except TransportError:
        pass
"""


@pytest.mark.xdist_group("recording")
def test_calls_signatures_and_requests_are_written_down_by_a_process_that_knows_of_nothing(
    endpoint: str, tmp_path: Path
) -> None:
    environment = {
        "PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ENDPOINT_URL": endpoint,
    } | variables("api", tmp_path)  # fmt: skip
    program = PROGRAM.replace("PORT", endpoint.rpartition(":")[2])
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    assert recorded(tmp_path) == [
        Call("api", "s3", "GetObject", {"Bucket": "photos", "Key": "a b"}, signed=True),
        Call("api", "s3", "PutObject", {"Bucket": "photos", "Key": "new"}, signed=True),
        Call("api", "s3", "CreateBucket", {"Bucket": "photos"}),
        Call("api", "s3", "PutObject", {"Bucket": "photos", "Key": "k"}),
        Call("api", "s3", "ListObjectsV2", {"Bucket": "photos", "Prefix": "k"}),
        Call("api", "es", "GET", {"path": "/images-x/_count", "index_in_body": "no"}),
        Call("api", "es", "POST", {"path": "/_mget", "index_in_body": "yes"}),
    ]


def all_needed(call: Call) -> list[Need]:
    here = {"account": "123456789012", "region": "eu-west-1"}
    return needs(call, **here, domain=DOMAIN, photos="arn:aws:s3:::photos")


def needed(service: str, operation: str, **parameters: str) -> Need:
    (one,) = all_needed(Call("api", service, operation, parameters))
    return one


def test_each_call_takes_the_right_that_aws_names() -> None:
    assert needed("s3", "HeadBucket", Bucket="b") == ("s3:ListBucket", "arn:aws:s3:::b")
    listed = needed("s3", "ListObjectsV2", Bucket="b", Prefix="p")
    assert listed == ("s3:ListBucket", "arn:aws:s3:::b")
    assert needed("s3", "HeadObject", Bucket="b", Key="k/1") == (
        "s3:GetObject",
        "arn:aws:s3:::b/k/1",
    )
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/ingest"
    queue = "arn:aws:sqs:eu-west-1:123456789012:ingest"
    assert needed("sqs", "DeleteMessageBatch", QueueUrl=url) == ("sqs:DeleteMessage", queue)
    assert needed("ssm", "GetParameter", Name="/n/key") == (
        "ssm:GetParameter",
        "arn:aws:ssm:eu-west-1:123456789012:parameter/n/key",
    )
    assert needed("es", "POST", path="/images/_search") == (
        "es:ESHttpPost",
        f"{DOMAIN}/images/_search",
    )


def test_who_must_know_that_a_photo_is_gone_may_list_the_bucket() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html"""
    where = {"Bucket": "photos", "Key": "k"}
    read = Need("s3:GetObject", "arn:aws:s3:::photos/k")
    listing = Need("s3:ListBucket", "arn:aws:s3:::photos")
    assert all_needed(Call("api", "s3", "GetObject", where)) == [read, listing]
    assert all_needed(Call("api", "s3", "GetObject", where, signed=True)) == [read]


def test_a_call_that_the_table_does_not_have_is_said() -> None:
    for service, operation, given in [
        ("s3", "GetObject", {"Bucket": "b", "Key": "k", "VersionId": "1"}),
        ("s3", "GetObjectAcl", {"Bucket": "b", "Key": "k"}),
        ("sts", "GetCallerIdentity", {}),
        ("sqs", "PurgeQueue", {"QueueUrl": "x"}),
    ]:
        with pytest.raises(Unlisted):
            needed(service, operation, **given)
