"""What CloudWatch knows of a deployment: its names, and its metrics as alarms and dashboard ask for
them. docs/operations.md lists our own; AWS's are in the manuals that each is named with here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Aws, Duration
from aws_cdk import aws_cloudwatch as cloudwatch

MINUTE = Duration.minutes(1)
FIVE_MINUTES = Duration.minutes(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """The names of what is watched, as metrics have them."""

    namespace: str
    """Of our own metrics: `IMAGES_METRICS` of every function."""
    queue: str
    dead_letters: str
    functions: Mapping[str, str]
    """Name of each function by what it is: "embedder", "search", "api"."""
    memory_mb: Mapping[str, int]
    api: str
    stage: str
    domain: str | None
    """None for a domain that is somebody else's: they watch it."""
    photos: str

    def own(
        self, service: str, name: str, statistic: str, period: Duration = FIVE_MINUTES
    ) -> cloudwatch.Metric:
        """One that our code writes; `service` is "embedder" or "api"."""
        return cloudwatch.Metric(
            namespace=self.namespace,
            metric_name=name,
            dimensions_map={"service": service},
            statistic=statistic,
            period=period,
            label=name,
        )

    def sqs(self, name: str, *, of_dead_letters: bool = False) -> cloudwatch.Metric:
        """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html"""
        return cloudwatch.Metric(
            namespace="AWS/SQS",
            metric_name=name,
            dimensions_map={"QueueName": self.dead_letters if of_dead_letters else self.queue},
            statistic="Maximum",
            period=FIVE_MINUTES,
            label=name,
        )

    def function(self, which: str, name: str, statistic: str) -> cloudwatch.Metric:
        """https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"""
        return cloudwatch.Metric(
            namespace="AWS/Lambda",
            metric_name=name,
            dimensions_map={"FunctionName": self.functions[which]},
            statistic=statistic,
            period=FIVE_MINUTES,
            label=which,
        )

    def gateway(self, name: str, statistic: str) -> cloudwatch.Metric:
        """https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html"""
        return cloudwatch.Metric(
            namespace="AWS/ApiGateway",
            metric_name=name,
            dimensions_map={"ApiName": self.api, "Stage": self.stage},
            statistic=statistic,
            period=FIVE_MINUTES,
            label=name,
        )

    def cluster(
        self, name: str, statistic: str, period: Duration = FIVE_MINUTES
    ) -> cloudwatch.Metric:
        """https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-cloudwatchmetrics.html"""
        assert self.domain
        return cloudwatch.Metric(
            namespace="AWS/ES",
            metric_name=name,
            dimensions_map={"DomainName": self.domain, "ClientId": Aws.ACCOUNT_ID},
            statistic=statistic,
            period=period,
            label=name,
        )

    def bucket(self, name: str, kind: str) -> cloudwatch.Metric:
        """Once a day, without charge
        (https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html)."""
        return cloudwatch.Metric(
            namespace="AWS/S3",
            metric_name=name,
            dimensions_map={"BucketName": self.photos, "StorageType": kind},
            statistic="Average",
            period=Duration.days(1),
            label=name,
        )

    @staticmethod
    def charges() -> cloudwatch.Metric:
        """Of the whole account, in us-east-1 only, where billing alerts are turned on
        (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/monitor_estimated_charges_with_cloudwatch.html)."""
        return cloudwatch.Metric(
            namespace="AWS/Billing",
            metric_name="EstimatedCharges",
            dimensions_map={"Currency": "USD"},
            statistic="Maximum",
            period=Duration.hours(6),
            region="us-east-1",
            label="this month's charges so far, whole account",
        )
