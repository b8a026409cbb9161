"""The scheduled reconcile: EventBridge Scheduler submits the job on Fargate.

A run that is still going when the next begins does no harm: both compare, whoever comes first
writes, and the other finds the image as it should be (docs/adr/0017-reconcile.md). It costs the
comparison twice. A submission that fails for an hour is dropped without a dead letter: the next one
makes good what it would have.
"""

from __future__ import annotations

import json

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from infra.config import Config
from infra.parts.batch import Work

SUBMIT = "aws-sdk:batch:submitJob"
"""Scheduler's name of the call
(https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html)."""
RETRIES = 10
RETRIED_S = 3600


class ScheduledReconcile(Construct):
    """Every `config.reconcile_hours`, which must not be 0; the first at once."""

    def __init__(self, scope: Construct, id: str, *, config: Config, work: Work) -> None:
        super().__init__(scope, id)
        group = f"{config.name}-reconcile"
        made = scheduler.CfnScheduleGroup(self, "Group", name=group)
        self.role = self._role(group, work)
        self.schedule = scheduler.CfnSchedule(
            self,
            "Schedule",
            name=group,
            group_name=made.ref,
            description="Compare bucket and index, and repair both ways",
            schedule_expression=_rate(config.reconcile_hours),
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=f"arn:{Aws.PARTITION}:scheduler:::{SUBMIT}",
                role_arn=self.role.role_arn,
                input=json.dumps(
                    {
                        "JobName": f"{config.name}-scheduled",
                        "JobQueue": work.queue.job_queue_arn,
                        "JobDefinition": work.definition.job_definition_arn,
                    }
                ),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_retry_attempts=RETRIES, maximum_event_age_in_seconds=RETRIED_S
                ),
            ),
        )

    def _role(self, group: str, work: Work) -> iam.Role:
        """Taken on by this group's schedules alone
        (https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html)."""
        where = f"{Aws.REGION}:{Aws.ACCOUNT_ID}:schedule-group/{group}"
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com",
                conditions={
                    "StringEquals": {
                        "aws:SourceAccount": Aws.ACCOUNT_ID,
                        "aws:SourceArn": f"arn:{Aws.PARTITION}:scheduler:{where}",
                    }
                },
            ),
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["batch:SubmitJob"],
                resources=[work.definition.job_definition_arn, work.queue.job_queue_arn],
            )
        )
        return role


def _rate(hours: int) -> str:
    return f"rate({hours} hour{'s' if hours > 1 else ''})"
