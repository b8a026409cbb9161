"""Bulk work: AWS Batch on Fargate, and on GPU machines where the account may have them.

Nothing runs, and nothing costs, while no job waits. Which work is done stands in
`container_embedder/batch_job.py`; a machine that is taken away ends it by SIGTERM, and the next try
goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Aws, Duration, Size
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.config import Config
from infra.cost.prices import Prices
from infra.nag import explain, explain_resource
from infra.parts.functions import log_group
from infra.parts.network import Network
from infra.parts.place import Place

COMMAND = ("reconcile",)
"""After the image's entry point, `python3 -m container_embedder.batch_job`."""

CPU_VCPUS, CPU_MEMORY_MIB = 4, 8192
"""One of Fargate's sizes
(https://docs.aws.amazon.com/batch/latest/userguide/fargate-job-definitions.html); the model, two
decoders of at most 1 GB each, and 34 bytes an image fit twice."""

GPU_VCPUS, GPU_MEMORY_MIB = 4, 14_000
"""A whole g4dn.xlarge, g5.xlarge or g6.xlarge: 16 GiB less what system and agent keep
(https://docs.aws.amazon.com/batch/latest/userguide/memory-management.html)."""
GPU_DISK_GB = 60
"""The image with CUDA's libraries, unpacked, beside the system."""

ATTEMPTS = 5
"""Tries of a job whose machine was taken away; another failure ends it at once."""
TIMEOUT = Duration.hours(72)
"""Of one try. What was embedded stays, so a job that needs longer is submitted again."""

INTERRUPTED = ("Host EC2*", "Your Spot Task was interrupted*")
"""How Batch says that a spot machine went
(https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html) and ECS that
Fargate's did (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html)."""
NOT_STARTED = ("CannotPullContainerError*", "ResourceInitializationError*")
"""Before the first line of ours: registry or network were away for a moment."""


PRICES_OF = "us-east-1"
"""Jobs tell their cost by this region's list prices. Spot machines cost about a third of them,
other regions up to a third more, so what is told is mostly more than what is paid."""


@dataclass(frozen=True)
class Work:
    """Where a kind of jobs goes: a queue and the definition of the job."""

    queue: batch.JobQueue
    definition: batch.EcsJobDefinition


class BulkWork(Construct):
    """`cpu` is always there; `gpu` where the config has it."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        role: iam.IRole,
        repository: ecr.IRepository,
        tags: Mapping[str, str],
        environment: Mapping[str, str],
        network: Network | None,
    ) -> None:
        """`role` is what a job may do; `tags` are of the images for "cpu" and "gpu";
        `environment` says where photos, thumbnails and vectors are."""
        super().__init__(scope, id)
        self._config = config
        self._role = role
        self._repository = repository
        # Machines of EC2 do not tell a job their region, as Lambda and Fargate do
        # (https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html).
        self._environment = {**environment, "IMAGES_REGION": Aws.REGION}
        self._prices = Prices.load(PRICES_OF)
        self._place = Place.of(self, network)
        self.log_group = log_group(self, "Log", config=config)
        self._execution = self._execution_role()
        self.cpu = self._on_fargate(tags["cpu"])
        self.gpu = self._on_gpus(tags["gpu"]) if config.gpu else None

    def _execution_role(self) -> iam.Role:
        """What fetches the image and writes the log, before and beside the job."""
        role = iam.Role(
            self, "Execution", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com")
        )
        role.add_to_policy(
            iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"])
        )
        explain_resource(role, "*", "ecr:GetAuthorizationToken is on no resource.")
        return role

    def _on_fargate(self, tag: str) -> Work:
        arm = self._config.architecture == "arm64"
        environment = batch.FargateComputeEnvironment(
            self,
            "Fargate",
            vpc=self._place.vpc,
            vpc_subnets=self._place.subnets,
            security_groups=[self._place.security_group],
            maxv_cpus=self._config.batch_vcpus,
            # Spot has no ARM machines
            # (https://docs.aws.amazon.com/batch/latest/APIReference/API_RuntimePlatform.html).
            spot=self._config.batch_spot and not arm,
        )
        container = batch.EcsFargateContainerDefinition(
            self,
            "FargateContainer",
            image=ecs.ContainerImage.from_ecr_repository(self._repository, tag),
            command=list(COMMAND),
            cpu=CPU_VCPUS,
            memory=Size.mebibytes(CPU_MEMORY_MIB),
            environment={
                **self._environment,
                "IMAGES_PRICE_PER_HOUR": str(_fargate_price(self._prices)),
            },
            job_role=self._role,
            execution_role=self._execution,
            logging=self._log("cpu"),
            assign_public_ip=self._place.public,
            fargate_cpu_architecture=ecs.CpuArchitecture.ARM64
            if arm
            else ecs.CpuArchitecture.X86_64,
            fargate_operating_system_family=ecs.OperatingSystemFamily.LINUX,
        )
        return self._work("cpu", environment, container)

    def _on_gpus(self, tag: str) -> Work:
        types = self._config.gpu_instances
        environment = batch.ManagedEc2EcsComputeEnvironment(
            self,
            "Gpus",
            vpc=self._place.vpc,
            vpc_subnets=self._place.subnets,
            security_groups=[self._place.security_group],
            instance_types=[ec2.InstanceType(name) for name in types],
            use_optimal_instance_classes=False,
            images=[batch.EcsMachineImage(image_type=batch.EcsMachineImageType.ECS_AL2023_NVIDIA)],
            launch_template=self._launch_template(),
            instance_role=self._instance_role(),
            minv_cpus=0,
            maxv_cpus=self._config.batch_vcpus,
            spot=self._config.batch_spot,
            allocation_strategy=(
                batch.AllocationStrategy.SPOT_PRICE_CAPACITY_OPTIMIZED
                if self._config.batch_spot
                else batch.AllocationStrategy.BEST_FIT_PROGRESSIVE
            ),
        )
        container = batch.EcsEc2ContainerDefinition(
            self,
            "GpuContainer",
            image=ecs.ContainerImage.from_ecr_repository(self._repository, tag),
            command=list(COMMAND),
            cpu=GPU_VCPUS,
            gpu=1,
            memory=Size.mebibytes(GPU_MEMORY_MIB),
            environment={
                **self._environment,
                # It must not start on a machine whose device cannot be had.
                "IMAGES_DEVICE": "cuda",
                "IMAGES_DECODERS": str(GPU_VCPUS),
                **_gpu_price(self._prices, types),
            },
            job_role=self._role,
            execution_role=self._execution,
            logging=self._log("gpu"),
        )
        return self._work("gpu", environment, container)

    def _launch_template(self) -> ec2.LaunchTemplate:
        """IMDSv2 alone, not from within a container, and an encrypted disk
        (https://docs.aws.amazon.com/batch/latest/userguide/launch-templates.html)."""
        return ec2.LaunchTemplate(
            self,
            "Machine",
            require_imdsv2=True,
            http_put_response_hop_limit=1,
            block_devices=[
                ec2.BlockDevice(
                    device_name="/dev/xvda",
                    volume=ec2.BlockDeviceVolume.ebs(
                        GPU_DISK_GB,
                        encrypted=True,
                        volume_type=ec2.EbsDeviceVolumeType.GP3,
                        delete_on_termination=True,
                    ),
                )
            ],
        )

    def _instance_role(self) -> iam.Role:
        """Of the machine's agent, not of the job."""
        role = iam.Role(
            self,
            "Machines",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name(
                    "service-role/AmazonEC2ContainerServiceforEC2Role"
                )
            ],
        )
        explain(
            role,
            "IAM4",
            "What Batch asks of the machines' role; AWS keeps it in step with the agent. It "
            "reaches no data.",
            finding="Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
            "AmazonEC2ContainerServiceforEC2Role",
        )
        return role

    def _log(self, prefix: str) -> ecs.LogDriver:
        return ecs.LogDriver.aws_logs(stream_prefix=prefix, log_group=self.log_group)

    def _work(
        self,
        kind: str,
        environment: batch.IManagedComputeEnvironment,
        container: batch.IEcsContainerDefinition,
    ) -> Work:
        title = kind.title()
        queue = batch.JobQueue(
            self,
            f"{title}Queue",
            job_queue_name=f"{self._config.name}-{kind}",
            compute_environments=[
                batch.OrderedComputeEnvironment(compute_environment=environment, order=1)
            ],
        )
        definition = batch.EcsJobDefinition(
            self,
            f"{title}Reconcile",
            job_definition_name=f"{self._config.name}-reconcile-{kind}",
            container=container,
            timeout=TIMEOUT,
            retry_attempts=ATTEMPTS,
            retry_strategies=_retries(),
            propagate_tags=True,
        )
        return Work(queue, definition)


def _retries() -> list[batch.RetryStrategy]:
    """In this order; the first that fits decides."""
    again, end = batch.Action.RETRY, batch.Action.EXIT
    reasons = batch.Reason.custom
    return [
        *(batch.RetryStrategy.of(again, reasons(on_status_reason=said)) for said in INTERRUPTED),
        *(batch.RetryStrategy.of(again, reasons(on_reason=said)) for said in NOT_STARTED),
        batch.RetryStrategy.of(end, reasons(on_reason="*")),
    ]


def _fargate_price(prices: Prices) -> float:
    memory = CPU_MEMORY_MIB / 1024
    return round(CPU_VCPUS * prices["fargate.vcpu"] + memory * prices["fargate.memory"], 4)


def _gpu_price(prices: Prices, types: tuple[str, ...]) -> dict[str, str]:
    """Of the dearest of them; costs are not told where one is not in the table."""
    names = [f"ec2.{name}" for name in types]
    if not all(name in prices for name in names):
        return {}
    return {"IMAGES_PRICE_PER_HOUR": str(max(prices[name] for name in names))}
