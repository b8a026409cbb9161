"""What is kept: buckets, queues, people, the domain, and the roles that the domain knows."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Fn, Stack
from constructs import Construct

from infra.config import Config
from infra.parts.bucket_events import BucketEvents
from infra.parts.buckets import Buckets, with_page
from infra.parts.domain import Domain
from infra.parts.network import Network
from infra.parts.queues import Queues
from infra.parts.roles import Roles
from infra.parts.sign_in import SignIn


class DataStack(Stack):
    """Redeploying the service leaves it as it is."""

    def __init__(self, scope: Construct, id: str, *, config: Config, **options: Any) -> None:
        super().__init__(scope, id, description="Image Intellisense: photos and index", **options)
        self.network = Network(self, "Network") if config.vpc else None
        self.queues = Queues(self, "Queues", config=config)
        self.buckets = Buckets(self, "Buckets", config=config, ingest=self.queues.ingest)
        if config.events == "eventbridge":
            BucketEvents(
                self,
                "Events",
                config=config,
                bucket_name=self.buckets.photos_name,
                queue=self.queues.ingest,
            )
        self.roles = Roles(self, "Roles")
        self.domain = Domain(
            self, "Search", config=config, roles=self.roles.all(), network=self.network
        )
        self.sign_in = SignIn(self, "SignIn", config=config) if with_page(config) else None
        CfnOutput(self, "PhotosBucket", value=self.buckets.photos_name)
        CfnOutput(self, "ThumbnailsBucket", value=self.buckets.thumbnails_name)
        if self.buckets.site_name:
            CfnOutput(self, "SiteBucket", value=self.buckets.site_name)
        CfnOutput(self, "IngestQueueUrl", value=self.queues.ingest.queue_url)
        CfnOutput(self, "DeadLetterQueueUrl", value=self.queues.dead_letters.queue_url)
        if self.sign_in:
            CfnOutput(self, "UserPoolId", value=self.sign_in.pool.user_pool_id)
            CfnOutput(self, "SignInUrl", value=self.sign_in.origin)
        CfnOutput(self, "SearchEndpoint", value=self.domain.endpoint)

    @property
    def availability_zones(self) -> list[str]:
        """The region's first two, whichever they are: a VPC asks the account for their names
        otherwise, where account and region are named, and synthesizing asks nobody."""
        return [Fn.select(n, Fn.get_azs()) for n in range(2)]
