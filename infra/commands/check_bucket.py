"""An existing photos bucket: that it is there, ours, here, and free to tell of its objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from infra.commands.account import Account
from infra.commands.findings import Finding, blocked, fine
from infra.config import Config
from infra.handlers.bucket_settings.overlaps import in_the_way

NEVER_MADE = ("ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS")
"""Of a stack with nothing in it: its making failed, or was only looked at
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html)."""


def bucket(config: Config, account: Account) -> Iterator[Finding]:
    if not config.bucket:
        yield from _left_behind(config, account)
        return
    s3 = account.client("s3")
    if problem := _reached(s3, config, account):
        yield problem
        return
    problems = [*_key(s3, config), *_notifications(s3, config, account)]
    yield from problems or [fine("bucket", f"{config.bucket} can be brought in")]


def _reached(s3: Any, config: Config, account: Account) -> Finding | None:
    try:
        head = s3.head_bucket(Bucket=config.bucket, ExpectedBucketOwner=account.id)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            return blocked(
                "bucket", f"there is no bucket {config.bucket}", "Mend bucket in CONFIG."
            )
        if status == 403:
            says = f"{config.bucket} is another account's, or closed to you"
            return blocked(
                "bucket", says, "Deploy with an identity of its account that may read it."
            )
        raise
    if (region := head.get("BucketRegion", account.region)) != account.region:
        says = f"{config.bucket} is in {region}"
        remedy = f'Deploy there: region = "{region}". S3 tells queues of its own region only.'
        return blocked("bucket", says, remedy)
    return None


def _key(s3: Any, config: Config) -> Iterator[Finding]:
    """A customer's own key needs rights of its own; AWS's own gives them by itself."""
    try:
        found = s3.get_bucket_encryption(Bucket=config.bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ServerSideEncryptionConfigurationNotFoundError":
            raise
        return
    for rule in found["ServerSideEncryptionConfiguration"]["Rules"]:
        key = rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID", "")
        if not key or "alias/aws/" in key or config.bucket_key_arn.endswith(key):
            continue
        yield blocked(
            "bucket",
            f"{config.bucket} encrypts with the key {key}",
            "Set bucket_key_arn to that key's ARN, so that the functions may use it.",
        )


def _notifications(s3: Any, config: Config, account: Account) -> Iterator[Finding]:
    if config.events == "eventbridge":
        return
    found = s3.get_bucket_notification_configuration(Bucket=config.bucket)
    partition = account.session.get_partition_for_region(account.region)
    queues = f"arn:{partition}:sqs:{account.region}:{account.id}:{config.data_stack}-"
    for theirs in in_the_way(found, config.name, queues):
        yield blocked(
            "bucket",
            f"{config.bucket} tells {theirs.receiver} of {', '.join(theirs.events)} already, and "
            "S3 takes one receiver for an event",
            'Set events = "eventbridge", which leaves that as it is.',
        )


def _left_behind(config: Config, account: Account) -> Iterator[Finding]:
    """The bucket that an earlier deployment of this name made, and that outlived its stack."""
    name = f"{config.name}-photos-{account.id}-{account.region}"
    stack = account.stack(config.data_stack)
    if stack and stack["StackStatus"] not in NEVER_MADE:
        return
    try:
        account.client("s3").head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return
        raise
    remedy = f'Bring it in: bucket = "{name}" in CONFIG.'
    yield blocked("bucket", f"{name} is there from an earlier deployment", remedy)
