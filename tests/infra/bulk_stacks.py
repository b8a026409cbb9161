"""Bulk work and the settings of a bucket in a stack of their own, as dictionaries."""

from __future__ import annotations

import functools
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import node

node.choose()

from aws_cdk import App, Environment, Stack, Validations  # noqa: E402
from aws_cdk import aws_ecr as ecr  # noqa: E402
from aws_cdk import aws_iam as iam  # noqa: E402
from cdk_nag import AwsSolutionsChecks  # noqa: E402

from infra.config import Config  # noqa: E402
from infra.parts.batch import BulkWork  # noqa: E402
from infra.parts.bucket_events import BucketEvents  # noqa: E402
from infra.parts.bucket_settings import BucketSettings  # noqa: E402
from infra.parts.network import Network  # noqa: E402
from infra.parts.queues import Queues  # noqa: E402
from infra.parts.schedule import ScheduledReconcile  # noqa: E402
from infra.stacks.builds import BuildsStack  # noqa: E402
from infra.stacks.data import DataStack  # noqa: E402

ACCOUNT, REGION = "123456789012", "eu-central-1"
TAGS = {"cpu": "batch-x86_64-0123456789abcdef", "gpu": "gpu-x86_64-0123456789abcdef"}
ORIGIN = "https://d111.cloudfront.net"

ENVIRONMENT = {
    "IMAGES_BUCKET": "photos",
    "IMAGES_THUMBNAILS_BUCKET": "thumbnails",
    "IMAGES_INDEX": "opensearch",
    "IMAGES_OPENSEARCH_URL": "https://search-x.eu-central-1.es.amazonaws.com",
}


@dataclass(frozen=True)
class Synthesized:
    """`folder` is the assembly's."""

    folder: Path
    template: dict[str, Any]

    def all(self, kind: str) -> list[dict[str, Any]]:
        """The properties of the resources of a type such as `AWS::SQS::Queue`."""
        return [
            resource.get("Properties", {})
            for resource in self.template["Resources"].values()
            if resource["Type"] == kind
        ]

    def one(self, kind: str, **wanted: Any) -> dict[str, Any]:
        """The only one, or the only one with those properties."""
        (found,) = [
            properties
            for properties in self.all(kind)
            if all(properties.get(name) == value for name, value in wanted.items())
        ]
        return found

    def statements(self) -> list[dict[str, Any]]:
        """Of all policies of roles."""
        return [
            statement
            for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")
            for policy in self.all(kind)
            for statement in policy["PolicyDocument"]["Statement"]
        ]


@functools.cache
def bulk(config: Config = Config()) -> Synthesized:  # noqa: B008 - frozen
    """Raises where cdk-nag objects."""
    folder = Path(tempfile.mkdtemp(prefix="bulk-"))
    app = App(outdir=str(folder))
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    here = Environment(account=ACCOUNT, region=REGION)
    data = Stack(app, "data", env=here)
    role = iam.Role(data, "Batch", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
    images = ecr.Repository(data, "Images", repository_name="ours")
    network = Network(data, "Network") if config.vpc else None
    stack = Stack(app, "ours", env=here)
    work = BulkWork(
        stack,
        "Bulk",
        config=config,
        role=role,
        repository=images,
        tags=TAGS,
        environment=ENVIRONMENT,
        network=network,
    )
    if config.reconcile_hours:
        ScheduledReconcile(stack, "Reconcile", config=config, work=work.cpu)
    return _written(app, folder)


@functools.cache
def settings(config: Config) -> Synthesized:
    """Queue, function, notifications and CORS of the config's bucket."""
    folder = Path(tempfile.mkdtemp(prefix="settings-"))
    app = App(outdir=str(folder))
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    stack = Stack(app, "ours", env=Environment(account=ACCOUNT, region=REGION))
    queues = Queues(stack, "Queues", config=config)
    made = BucketSettings(stack, "Settings", config=config)
    bucket = config.bucket or "made"
    if config.events == "eventbridge":
        BucketEvents(stack, "Events", config=config, bucket_name=bucket, queue=queues.ingest)
    made.notify(bucket, queues.ingest.queue_arn)
    made.allow_origins(bucket, [ORIGIN])
    return _written(app, folder)


@functools.cache
def builds(config: Config = Config()) -> Synthesized:  # noqa: B008
    folder = Path(tempfile.mkdtemp(prefix="builds-"))
    app = App(outdir=str(folder))
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    BuildsStack(app, "ours", config=config, env=Environment(account=ACCOUNT, region=REGION))
    return _written(app, folder)


@functools.cache
def data(config: Config) -> Synthesized:
    folder = Path(tempfile.mkdtemp(prefix="data-"))
    app = App(outdir=str(folder))
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    DataStack(app, "ours", config=config, env=Environment(account=ACCOUNT, region=REGION))
    return _written(app, folder)


def _written(app: App, folder: Path) -> Synthesized:
    app.synth()
    return Synthesized(folder, json.loads((folder / "ours.template.json").read_text()))
