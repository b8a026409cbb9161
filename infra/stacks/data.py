"""What is kept: buckets, queues, the domain, and the roles that the domain knows."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.config import Config
from infra.parts.buckets import Buckets
from infra.parts.domain import Domain
from infra.parts.network import Network
from infra.parts.queues import Queues
from infra.parts.roles import Roles


class DataStack(Stack):
    """Redeploying the service leaves it as it is."""

    def __init__(self, scope: Construct, id: str, *, config: Config, **options: Any) -> None:
        super().__init__(scope, id, description="Image Intellisense: photos and index", **options)
        self.network = Network(self, "Network") if config.vpc else None
        self.queues = Queues(self, "Queues", config=config)
        self.buckets = Buckets(self, "Buckets", config=config, ingest=self.queues.ingest)
        self.roles = Roles(self, "Roles")
        self.domain = Domain(
            self, "Search", config=config, roles=self.roles.all(), network=self.network
        )
        CfnOutput(self, "PhotosBucket", value=self.buckets.photos_name)
        CfnOutput(self, "ThumbnailsBucket", value=self.buckets.thumbnails_name)
        if self.buckets.site_name:
            CfnOutput(self, "SiteBucket", value=self.buckets.site_name)
        CfnOutput(self, "IngestQueueUrl", value=self.queues.ingest.queue_url)
        CfnOutput(self, "DeadLetterQueueUrl", value=self.queues.dead_letters.queue_url)
        CfnOutput(self, "SearchEndpoint", value=self.domain.endpoint)
