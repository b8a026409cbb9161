"""The two settings that a template cannot give a bucket: notifications of one that was there
before, and CORS rules for an origin that is known only after the bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from aws_cdk import Aws, CustomResource, Duration, IgnoreMode, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.config import Config
from infra.nag import explain_resource
from infra.parts.bucket_events import queues_of, rule_name
from infra.parts.buckets import arn_of
from infra.parts.functions import let_write, log_group

ROOT = Path(__file__).resolve().parents[2]

ONLY_THE_HANDLER = (
    "/*",
    "!/infra",
    "/infra/*",
    "!/infra/__init__.py",
    "!/infra/handlers",
    "/infra/handlers/*",
    "!/infra/handlers/__init__.py",
    "!/infra/handlers/bucket_settings",
    "/infra/handlers/bucket_settings/*",
    "!/infra/handlers/bucket_settings/*.py",
)
"""As in a .gitignore. The folders stay, so that a module has one name here and there."""

TIMEOUT = Duration.minutes(5)
MEMORY_MB = 256


class BucketSettings(Construct):
    """One function, called by CloudFormation alone. What it sets is found again by the
    deployment's name, so that several deployments share a bucket."""

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id)
        self._config = config
        self._role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        group = log_group(self, "Log", config=config)
        self._writes = let_write(self, "Writes", self._role, [group])
        self.function = lambda_.Function(
            self,
            "Function",
            description="Notifications and CORS of the photos bucket",
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            handler="infra.handlers.bucket_settings.index.handler",
            code=lambda_.Code.from_asset(
                str(ROOT), exclude=list(ONLY_THE_HANDLER), ignore_mode=IgnoreMode.GIT
            ),
            # The settings wait for the rights, each for its own; the function needs none to be
            # made.
            role=iam.Role.from_role_arn(self, "Known", self._role.role_arn, mutable=False),
            memory_size=MEMORY_MB,
            timeout=TIMEOUT,
            log_group=group,
        )

    def notify(self, bucket_name: str, queue_arn: str) -> CustomResource:
        """An existing bucket tells `queue_arn` of its objects, by its own notification or, as the
        config may have it, through EventBridge and the rule of `BucketEvents`."""
        rights = ["s3:GetBucketNotification", "s3:PutBucketNotification"]
        if self._config.events == "sqs":
            wanted: dict[str, object] = {
                "Setting": "queue",
                "QueueArn": queue_arn,
                "Queues": queues_of(self._config),
            }
            return self._setting("Notifications", bucket_name, rights, wanted)
        wanted = {"Setting": "eventbridge", "Rule": rule_name(self._config)}
        setting = self._setting("Notifications", bucket_name, rights, wanted)
        rules = f"arn:{Aws.PARTITION}:events:{Aws.REGION}:{Aws.ACCOUNT_ID}:rule/*"
        reading = _let(self, "Rules", self._role, ["events:ListRules"], rules)
        explain_resource(
            reading,
            rules,
            "EventBridge is switched off for the bucket only where nobody else's rule listens, and "
            "a list of rules is of all of them.",
        )
        setting.node.add_dependency(reading)
        return setting

    def allow_origins(self, bucket_name: str, origins: Sequence[str]) -> CustomResource:
        """CORS for pages at `origins`, such as `https://photos.example.org`."""
        rights = ["s3:GetBucketCORS", "s3:PutBucketCORS"]
        wanted: dict[str, object] = {"Setting": "cors", "Origins": list(origins)}
        return self._setting("Cors", bucket_name, rights, wanted)

    def _setting(
        self, kind: str, bucket_name: str, actions: Sequence[str], properties: dict[str, object]
    ) -> CustomResource:
        # Another bucket is another resource with rights of its own: the old one is undone before
        # its rights go.
        name = kind + ("" if Token.is_unresolved(bucket_name) else _digest(bucket_name))
        rights = _let(self, f"{name}Rights", self._role, actions, arn_of(bucket_name))
        setting = CustomResource(
            self,
            name,
            resource_type="Custom::BucketSetting",
            service_token=self.function.function_arn,
            service_timeout=TIMEOUT.plus(Duration.minutes(1)),
            properties={
                "Bucket": bucket_name,
                "Account": Aws.ACCOUNT_ID,
                "Id": self._config.name,
                **properties,
            },
        )
        setting.node.add_dependency(rights, self._writes)
        return setting


def _let(
    scope: Construct, id: str, role: iam.Role, actions: Sequence[str], resource: str
) -> iam.ManagedPolicy:
    return iam.ManagedPolicy(
        scope,
        id,
        roles=[role],
        statements=[iam.PolicyStatement(actions=list(actions), resources=[resource])],
    )


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8].upper()
