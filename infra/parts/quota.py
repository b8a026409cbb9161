"""Where the API counts what each person uploads in a day."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.config import Config
from infra.nag import explain

GIGABYTE = 10**9


class Quota(Construct):
    """One table, paid for by the request. Its counters are of no use after their day, so it is
    thrown away with the service."""

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id)
        self._config = config
        self.table = dynamodb.Table(
            self,
            "Counters",
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute="expires_at",
            removal_policy=RemovalPolicy.DESTROY,
        )
        explain(self.table, "DDB3", "Counters of one day: there is nothing to bring back.")

    def environment(self) -> dict[str, str]:
        """What the API is told of it."""
        return {
            "IMAGES_QUOTA_TABLE": self.table.table_name,
            "IMAGES_QUOTA_FILES": str(self._config.quota_files),
            "IMAGES_QUOTA_BYTES": str(self._config.quota_gb * GIGABYTE),
        }
