"""What an operator looks at, and who is called: dashboard, alarms, queries, budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.config import Config
from infra.parts.alarms import alarm, rules
from infra.parts.dashboard import dashboard
from infra.parts.measured import Watched

QUERIES = Path(__file__).resolve().parents[1] / "queries"

_OURS = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}

SENDERS: Mapping[str, Mapping[str, object]] = {"cloudwatch": _OURS, "budgets": _OURS, "events": {}}
"""The services that write to the topic, which its key must let, and on what conditions: EventBridge
says of its requests nothing that one could ask for
(https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services)."""

BUDGET_AT = (("ACTUAL", 80), ("FORECASTED", 100))
"""Per cent of the budget that were spent, or will be at this pace by the end of the month."""


class Monitoring(Construct):
    """`topic` is told of everything that somebody should see to."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        watched: Watched,
        log_groups: Sequence[str],
        job_queues: Sequence[str] = (),
    ) -> None:
        """`log_groups` by name: those of the functions and of bulk work. `job_queues` by ARN: those
        whose jobs are told of when they fail."""
        super().__init__(scope, id)
        self.topic = self._topic(config)
        kept = Construct(self, "Alarms")
        self.alarms = [
            alarm(kept, rule, deployment=config.name, topic=self.topic)
            for rule in rules(config, watched)
        ]
        dashboard(self, "Page", name=config.name, watched=watched, alarms=self.alarms)
        self._tell_of_jobs(config, job_queues)
        self._add_queries(config, log_groups)
        if config.budget:
            self._add_budget(config)

    def _topic(self, config: Config) -> sns.Topic:
        key = kms.Key(
            self,
            "Key",
            description=f"Alarms of {config.name}",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.DESTROY,
        )
        topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        for sender, conditions in SENDERS.items():
            principals = [iam.ServicePrincipal(f"{sender}.amazonaws.com")]
            key.add_to_resource_policy(
                iam.PolicyStatement(
                    actions=["kms:Decrypt", "kms:GenerateDataKey"],
                    principals=principals,
                    resources=["*"],
                    conditions=conditions,
                )
            )
            topic.add_to_resource_policy(
                iam.PolicyStatement(
                    actions=["sns:Publish"],
                    principals=principals,
                    resources=[topic.topic_arn],
                    conditions=conditions,
                )
            )
        if config.email:
            sns.Subscription(
                self,
                "Mail",
                topic=topic,
                protocol=sns.SubscriptionProtocol.EMAIL,
                endpoint=config.email,
            )
        return topic

    def _tell_of_jobs(self, config: Config, job_queues: Sequence[str]) -> None:
        """https://docs.aws.amazon.com/batch/latest/userguide/batch_job_events.html"""
        if not job_queues:
            return
        job = events.EventField.from_path("$.detail.jobName")
        reason = events.EventField.from_path("$.detail.statusReason")
        events.Rule(
            self,
            "JobFailed",
            description="Bulk work that failed",
            event_pattern=events.EventPattern(
                source=["aws.batch"],
                detail_type=["Batch Job State Change"],
                detail={"status": ["FAILED"], "jobQueue": list(job_queues)},
            ),
            targets=[
                targets.SnsTopic(
                    self.topic,
                    message=events.RuleTargetInput.from_text(
                        f"{config.name}: the job {job} failed: {reason}. Its log says more (query "
                        "'last reconciles'); run it again: it goes on where it was. "
                        "docs/operations.md#alarms"
                    ),
                )
            ],
        )

    def _add_queries(self, config: Config, log_groups: Sequence[str]) -> None:
        kept = Construct(self, "Queries")
        for path in sorted(QUERIES.glob("*.txt")):
            name = path.stem.replace("-", " ")
            logs.CfnQueryDefinition(
                kept,
                "".join(word.capitalize() for word in name.split()),
                name=f"{config.name}/{name}",
                query_string=path.read_text(encoding="utf-8"),
                log_group_names=list(log_groups),
            )

    def _add_budget(self, config: Config) -> None:
        """Of the whole account: a budget by tag counts nothing until somebody has activated that
        tag for cost allocation, and says nothing of that
        (https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activating-tags.html)."""
        properties = budgets.CfnBudget
        subscriber = properties.SubscriberProperty(
            subscription_type="EMAIL" if config.email else "SNS",
            address=config.email or self.topic.topic_arn,
        )
        properties(
            self,
            "Budget",
            budget=properties.BudgetDataProperty(
                budget_name=config.name,
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=properties.SpendProperty(amount=config.budget, unit="USD"),
            ),
            notifications_with_subscribers=[
                properties.NotificationWithSubscribersProperty(
                    notification=properties.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type=kind,
                        threshold=share,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[subscriber],
                )
                for kind, share in BUDGET_AT
            ],
        )
