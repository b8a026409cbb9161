"""Where the images come from."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_ecr as ecr
from constructs import Construct

from infra.config import Config
from infra.parts.image_builds import ImageBuilds

KINDS = ("function", "batch", "gpu")
"""What the images' tags begin with (infra/context.py)."""
KEPT = 20
"""Images of each kind. The one in use is the newest, or one behind it for each deployment that has
failed since; all can be built again, and those of one model share every layer but the code's."""


class BuildsStack(Stack):
    """`repository` holds the images of functions and bulk work; CodeBuild makes them where no
    Docker engine is at hand."""

    def __init__(self, scope: Construct, id: str, *, config: Config, **options: Any) -> None:
        super().__init__(scope, id, description="Image Intellisense: images", **options)
        self.repository = ecr.Repository(
            self,
            "Images",
            repository_name=config.name,
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            removal_policy=RemovalPolicy.DESTROY,
            empty_on_delete=True,
            lifecycle_rules=[
                ecr.LifecycleRule(
                    rule_priority=priority,
                    description=f"the last {KEPT} of {kind}",
                    tag_prefix_list=[f"{kind}-"],
                    max_image_count=KEPT,
                )
                for priority, kind in enumerate(KINDS, start=1)
            ],
        )
        builds = ImageBuilds(self, "Builds", config=config, repository=self.repository)
        CfnOutput(self, "BuildProject", value=builds.project)
        CfnOutput(self, "SourceBucket", value=builds.sources)
        CfnOutput(self, "Repository", value=self.repository.repository_uri)
