"""The two container functions: the embedder behind the queue, and search behind the API."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import Config
from infra.parts.environment import SEARCHES_IN
from infra.parts.network import Network
from infra.stacks.data import DataStack

EMBEDDER = "container_embedder.handler.handler"
SEARCH = "app.app"
"""What the image runs; the Dockerfile's own command is the embedder's."""


class Functions(Construct):
    """`embedder` takes batches from the ingest queue; `search` is one version behind `serves`."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        data: DataStack,
        repository: ecr.IRepository,
        tag: str,
        environments: Mapping[str, Mapping[str, str]],
    ) -> None:
        super().__init__(scope, id)
        self._config = config
        self._network = data.network
        self._image = (repository, tag)
        roles = data.roles
        self.embedder = self._function(
            "Embedder",
            command=EMBEDDER,
            role=roles.embedder,
            memory=config.embedder_memory,
            timeout=config.embedder_timeout,
            environment=environments["embedder"],
        )
        self._take_from_queue(data)
        self.search = self._function(
            "Search",
            command=SEARCH,
            role=roles.search,
            memory=config.search_memory,
            timeout=SEARCHES_IN,
            environment=environments["search"],
        )
        self.serves: lambda_.IFunction = self.search
        if config.search_provisioned:
            self.serves = lambda_.Alias(
                self,
                "Warm",
                alias_name="warm",
                version=self.search.current_version,
                provisioned_concurrent_executions=config.search_provisioned,
            )

    def _function(
        self,
        id: str,
        *,
        command: str,
        role: iam.IRole,
        memory: int,
        timeout: int,
        environment: Mapping[str, str],
    ) -> lambda_.DockerImageFunction:
        repository, tag = self._image
        group = log_group(self, f"{id}Log", config=self._config)
        let_write(self, f"{id}Writes", role, [group])
        return lambda_.DockerImageFunction(
            self,
            id,
            code=lambda_.DockerImageCode.from_ecr(repository, tag_or_digest=tag, cmd=[command]),
            architecture=architecture(self._config),
            role=role.without_policy_updates(),
            memory_size=memory,
            timeout=Duration.seconds(timeout),
            environment=dict(environment),
            log_group=group,
            tracing=lambda_.Tracing.ACTIVE if self._config.traces else lambda_.Tracing.DISABLED,
            **in_network(self._network),
        )

    def _take_from_queue(self, data: DataStack) -> None:
        config = self._config
        # The maximum of concurrency stands here and not as reserved on the function: new accounts
        # have ten in all (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html).
        lambda_.EventSourceMapping(
            self,
            "FromQueue",
            target=self.embedder,
            event_source_arn=data.queues.ingest.queue_arn,
            batch_size=config.batch_size,
            max_batching_window=Duration.seconds(config.batch_window),
            max_concurrency=config.max_concurrency,
            report_batch_item_failures=True,
        )


def architecture(config: Config) -> lambda_.Architecture:
    arm = config.architecture == "arm64"
    return lambda_.Architecture.ARM_64 if arm else lambda_.Architecture.X86_64


def log_group(scope: Construct, id: str, *, config: Config) -> logs.LogGroup:
    group = logs.LogGroup(scope, id, removal_policy=RemovalPolicy.DESTROY)
    plain = group.node.default_child
    assert isinstance(plain, logs.CfnLogGroup)
    plain.retention_in_days = config.log_days
    return group


def let_write(
    scope: Construct, id: str, role: iam.IRole, groups: list[logs.LogGroup]
) -> iam.ManagedPolicy:
    """The role may write to these logs; it does not make them."""
    return iam.ManagedPolicy(
        scope,
        id,
        roles=[role],
        statements=[
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[group.log_group_arn for group in groups],
            )
        ],
    )


def in_network(network: Network | None) -> dict[str, object]:
    if network is None:
        return {}
    return {
        "vpc": network.vpc,
        "vpc_subnets": network.private,
        "security_groups": [network.functions],
    }
