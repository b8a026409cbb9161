"""Where the images come from."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_ecr as ecr
from constructs import Construct

from infra.config import Config
from infra.parts.image_builds import ImageBuilds


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
        )
        builds = ImageBuilds(self, "Builds", config=config, repository=self.repository)
        CfnOutput(self, "BuildProject", value=builds.project)
        CfnOutput(self, "SourceBucket", value=builds.sources)
        CfnOutput(self, "Repository", value=self.repository.repository_uri)
