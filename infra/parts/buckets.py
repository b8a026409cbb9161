"""The buckets: photos, thumbnails, the page's files."""

from __future__ import annotations

from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config import Config
from infra.nag import explain

EVENTS = (
    "s3:ObjectCreated:*",
    "s3:ObjectRemoved:*",
    "s3:LifecycleExpiration:*",
    "s3:ObjectRestore:Completed",
)
"""After which the index looks at a key again
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html)."""

DAYS_FOR_PARTS = 7
"""After so many days the parts of an upload that was never finished go."""


NO_ACCESS_LOGS = (
    "Server access logs come late and incomplete and name no caller of ours; who asked for what "
    "is in the API's log. Accounts that must keep a trail switch on CloudTrail's data events."
)


def name_of(config: Config, what: str) -> str:
    """A bucket's name: unlike any other's in the world, and the same in every deployment."""
    return f"{config.name}-{what}-{Aws.ACCOUNT_ID}-{Aws.REGION}"


def arn_of(name: str) -> str:
    return f"arn:{Aws.PARTITION}:s3:::{name}"


UNFINISHED = s3.LifecycleRule(
    id="unfinished uploads",
    abort_incomplete_multipart_upload_after=Duration.days(DAYS_FOR_PARTS),
)


def private_bucket(
    scope: Construct,
    id: str,
    name: str,
    *rules: s3.LifecycleRule,
    versioned: bool = False,
    removal: RemovalPolicy = RemovalPolicy.DESTROY,
) -> s3.Bucket:
    """Encrypted, by TLS alone, for nobody but those whom a policy names. Unless `removal` says
    otherwise it goes with its stack, since what is in it can be made again."""
    bucket = s3.Bucket(
        scope,
        id,
        bucket_name=name,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        versioned=versioned,
        removal_policy=removal,
        lifecycle_rules=list(rules),
    )
    explain(bucket, "S1", NO_ACCESS_LOGS)
    return bucket


def let_bucket_send(queue: sqs.IQueue, bucket_name: str) -> None:
    """S3 may send this bucket's events to `queue`, if the bucket is this account's
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html)."""
    queue.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("s3.amazonaws.com")],
            actions=["sqs:SendMessage"],
            resources=[queue.queue_arn],
            conditions={
                "ArnEquals": {"aws:SourceArn": arn_of(bucket_name)},
                "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
            },
        )
    )


class Buckets(Construct):
    """`photos` is the one thing that cannot be made again: it stays when the stack goes, as does
    a bucket that was there before.

    The names are known ahead, so that other stacks need nothing of this one to say them."""

    def __init__(self, scope: Construct, id: str, *, config: Config, ingest: sqs.IQueue) -> None:
        super().__init__(scope, id)
        self.photos_name = config.bucket or name_of(config, "photos")
        self.thumbnails_name = name_of(config, "thumbnails")
        self.site_name = name_of(config, "site") if with_page(config) else ""
        if config.events == "sqs":
            let_bucket_send(ingest, self.photos_name)
        if not config.bucket:
            self._make_photos(config, ingest)
        for name, what in ((self.thumbnails_name, "Thumbnails"), (self.site_name, "Site")):
            if name:
                bucket = private_bucket(self, what, name, UNFINISHED)
                if with_page(config):
                    _let_cloudfront_read(bucket)

    def _make_photos(self, config: Config, ingest: sqs.IQueue) -> None:
        overwritten = s3.LifecycleRule(
            id="overwritten and deleted photos",
            noncurrent_version_expiration=Duration.days(config.noncurrent_days),
            expired_object_delete_marker=True,
        )
        bucket = private_bucket(
            self,
            "Photos",
            self.photos_name,
            UNFINISHED,
            *([overwritten] if config.versioned else []),
            versioned=config.versioned,
            # A first deployment that is rolled back takes the empty bucket with it, so that the
            # next one finds the name free.
            removal=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        plain = bucket.node.default_child
        assert isinstance(plain, s3.CfnBucket)
        # The template's own property: CDK's add_event_notification would need a function for it.
        plain.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                s3.CfnBucket.QueueConfigurationProperty(event=event, queue=ingest.queue_arn)
                for event in EVENTS
            ]
        )
        policy = ingest.node.find_child("Policy")
        # S3 tries the queue when the notification is made.
        bucket.node.add_dependency(policy)


def with_page(config: Config) -> bool:
    """AWS identities cannot sign in on a page, so with `iam` there is none."""
    return config.auth == "cognito"


def _let_cloudfront_read(bucket: s3.Bucket) -> None:
    """By origin access control
    (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html);
    this account's distributions, since the one of the page is made after the bucket."""
    account = Stack.of(bucket).account
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("cloudfront.amazonaws.com")],
            actions=["s3:GetObject"],
            resources=[bucket.arn_for_objects("*")],
            conditions={
                "ArnLike": {
                    "AWS:SourceArn": f"arn:{Aws.PARTITION}:cloudfront::{account}:distribution/*"
                },
                "StringEquals": {"AWS:SourceAccount": account},
            },
        )
    )
