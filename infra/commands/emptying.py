"""Buckets emptied for good, versions and all."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from infra.commands.account import Account
from infra.commands.telling import Teller

AT_A_TIME = 1000
"""Objects that one request deletes
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html)."""


def count(account: Account, bucket: str) -> tuple[int, int]:
    """Objects and bytes in it, of which each is listed: a thousand a request."""
    pages = account.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    sizes = [item["Size"] for page in pages for item in page.get("Contents", [])]
    return len(sizes), sum(sizes)


def exists(account: Account, bucket: str) -> bool:
    try:
        account.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True


def empty(account: Account, bucket: str, tell: Teller) -> None:
    """Delete every version of every object, and the parts of unfinished uploads."""
    s3 = account.client("s3")
    gone = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        gone += len(found)
        if found:
            _delete(s3, bucket, found)
            tell.say(f"  {bucket}: {gone:,} deleted")
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


def _delete(s3: Any, bucket: str, found: list[dict[str, Any]]) -> None:
    for start in range(0, len(found), AT_A_TIME):
        objects = [
            {"Key": item["Key"], "VersionId": item["VersionId"]}
            for item in found[start : start + AT_A_TIME]
        ]
        s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
