"""What each role may do: no action that no call needs, on no resource that is not its own.

tests/infra records the calls of each function and holds these statements to them, both ways.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.config import Config
from infra.nag import explain_resource
from infra.parts.buckets import arn_of
from infra.parts.domain import requests_of
from infra.stacks.data import DataStack

EVERYTHING_BELOW = (
    "All objects of this one bucket, or all paths of this one domain: keys and indexes are many.",
    "X-Ray and Lambda's network interfaces know no narrower resource.",
)


class Rights(Construct):
    """One policy a role."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        data: DataStack,
        cookie_key: str,
        quota_arn: str,
    ) -> None:
        """`cookie_key`: the name of the parameter that holds the key of cookies; `quota_arn`: of
        the table that counts uploads; "" for none."""
        super().__init__(scope, id)
        self._config = config
        self._data = data
        self._photos = arn_of(data.buckets.photos_name)
        self._small = arn_of(data.buckets.thumbnails_name)
        statements = {
            "api": [
                *self._objects("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
                *self._listing(),
                *self._thumbnails("s3:GetObject", "s3:DeleteObject"),
                *self._queues_of_api(),
                *self._key("kms:Decrypt", "kms:GenerateDataKey"),
                *(self._cookie_key(cookie_key) if cookie_key else []),
                *_counters(quota_arn),
            ],
            # A search by a part of a picture reads that picture.
            "search": [
                *self._objects("s3:GetObject"),
                *self._listing(),
                *self._key("kms:Decrypt"),
            ],
            "embedder": [
                *self._objects("s3:GetObject"),
                *self._listing(),
                *self._thumbnails("s3:PutObject", "s3:DeleteObject"),
                *self._queues_of_embedder(),
                *self._key("kms:Decrypt"),
            ],
            "batch": [
                *self._objects("s3:GetObject"),
                *self._listing(),
                *self._thumbnails("s3:PutObject", "s3:DeleteObject"),
                *self._thumbnails_listing(),
                *self._inventory(),
                *self._key("kms:Decrypt"),
            ],
        }
        for name, role in data.roles.all().items():
            given = [*statements[name], *self._index(name)]
            if name != "batch":
                given += self._of_every_function()
            # An inline policy would be a part of the other stack.
            policy = iam.ManagedPolicy(self, name.title(), statements=given, roles=[role])
            for resource in {r for s in given for r in s.resources if "*" in r}:
                explain_resource(policy, resource, EVERYTHING_BELOW[resource == "*"])

    def _objects(self, *actions: str) -> list[iam.PolicyStatement]:
        return [_allow(actions, f"{self._photos}/*")]

    def _listing(self) -> list[iam.PolicyStatement]:
        """Without it S3 says 403 of a key that is not there
        (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html)."""
        return [_allow(["s3:ListBucket"], self._photos)]

    def _thumbnails(self, *actions: str) -> list[iam.PolicyStatement]:
        return [_allow(actions, f"{self._small}/*")]

    def _thumbnails_listing(self) -> list[iam.PolicyStatement]:
        return [_allow(["s3:ListBucket"], self._small)]

    def _inventory(self) -> list[iam.PolicyStatement]:
        bucket = self._config.inventory_bucket
        if not bucket:
            return []
        return [_allow(["s3:GetObject"], f"{arn_of(bucket)}/*")]

    def _queues_of_api(self) -> list[iam.PolicyStatement]:
        queues = self._data.queues
        return [
            _allow(
                ["sqs:GetQueueAttributes", "sqs:SendMessage"],
                queues.ingest.queue_arn,
            ),
            _allow(
                [
                    "sqs:ChangeMessageVisibility",
                    "sqs:DeleteMessage",
                    "sqs:GetQueueAttributes",
                    "sqs:ReceiveMessage",
                ],
                queues.dead_letters.queue_arn,
            ),
        ]

    def _queues_of_embedder(self) -> list[iam.PolicyStatement]:
        """The first three are what Lambda's mapping asks of the role
        (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions)."""
        queues = self._data.queues
        return [
            _allow(
                ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
                queues.ingest.queue_arn,
            ),
            _allow(["sqs:SendMessage"], queues.dead_letters.queue_arn),
        ]

    def _key(self, *actions: str) -> list[iam.PolicyStatement]:
        key = self._config.bucket_key_arn
        return [_allow(actions, key)] if key else []

    def _cookie_key(self, name: str) -> list[iam.PolicyStatement]:
        where = f"{Aws.REGION}:{Aws.ACCOUNT_ID}:parameter{name}"
        return [_allow(["ssm:GetParameter"], f"arn:{Aws.PARTITION}:ssm:{where}")]

    def _index(self, name: str) -> list[iam.PolicyStatement]:
        sent = requests_of(name, self._data.domain.arn)
        return [_allow([action], *resources) for action, resources in sent]

    def _of_every_function(self) -> list[iam.PolicyStatement]:
        given = []
        if self._config.traces:
            # X-Ray's writes are on no resource
            # (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html).
            given.append(_allow(["xray:PutTelemetryRecords", "xray:PutTraceSegments"], "*"))
        if self._config.vpc:
            # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
            given.append(
                _allow(
                    [
                        "ec2:AssignPrivateIpAddresses",
                        "ec2:CreateNetworkInterface",
                        "ec2:DeleteNetworkInterface",
                        "ec2:DescribeNetworkInterfaces",
                        "ec2:DescribeSubnets",
                        "ec2:UnassignPrivateIpAddresses",
                    ],
                    "*",
                )
            )
        return given


def _counters(table_arn: str) -> list[iam.PolicyStatement]:
    if not table_arn:
        return []
    return [_allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], table_arn)]


def _allow(actions: Sequence[str], *resources: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(actions), resources=list(resources))
