"""The way of an existing bucket's events through EventBridge, where its own notifications are
taken."""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config import Config

DETAIL_TYPES = ("Object Created", "Object Deleted", "Object Restore Completed")
"""EventBridge's names of what the queue is told of; an expiry is a deletion there
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html)."""


def rule_name(config: Config) -> str:
    """Of the rule that takes the bucket's events out of EventBridge."""
    return f"{config.name}-objects"


def queues_of(config: Config) -> str:
    """How the ARNs of this deployment's queues begin: CloudFormation names them after the stack."""
    return f"arn:{Aws.PARTITION}:sqs:{Aws.REGION}:{Aws.ACCOUNT_ID}:{config.data_stack}-"


class BucketEvents(Construct):
    """The way of a bucket's events through EventBridge; stands in the queue's stack, whose policy
    names the rule."""

    def __init__(
        self, scope: Construct, id: str, *, config: Config, bucket_name: str, queue: sqs.IQueue
    ) -> None:
        super().__init__(scope, id)
        # By name: the policy and the rule would need each other otherwise.
        name = rule_name(config)
        self.rule = events.Rule(
            self,
            "Rule",
            rule_name=name,
            description=f"Objects of {bucket_name} that came and went, for the ingest queue",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                account=[Aws.ACCOUNT_ID],
                detail_type=list(DETAIL_TYPES),
                detail={"bucket": {"name": [bucket_name]}},
            ),
        )
        plain = self.rule.node.default_child
        assert isinstance(plain, events.CfnRule)
        plain.targets = [events.CfnRule.TargetProperty(id="ingest", arn=queue.queue_arn)]
        arn = f"arn:{Aws.PARTITION}:events:{Aws.REGION}:{Aws.ACCOUNT_ID}:rule/{name}"
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
        queue.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[queue.queue_arn],
                conditions={
                    "ArnEquals": {"aws:SourceArn": arn},
                    "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                },
            )
        )
