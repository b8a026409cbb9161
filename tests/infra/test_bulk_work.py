"""Bulk work in the template: what it costs, what it may do, what it does when machines go."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.config import Config
from infra.parts.batch import COMMAND
from tests.infra.bulk_stacks import TAGS, Synthesized, bulk, data

pytestmark = pytest.mark.xdist_group("bulk_stacks")

NO_GPU = Config(gpu=False, architecture="arm64", batch_spot=False, reconcile_hours=0)
IN_VPC = Config(vpc=True, batch_spot=False, reconcile_hours=1, gpu_instances=("p5.48xlarge",))

FARGATE_GB = {1: range(2, 9), 2: range(4, 17), 4: range(8, 31), 8: range(16, 61, 4)}
"""vCPUs → the memory that goes with them
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html)."""


def definition(stack: Synthesized, kind: str) -> dict[str, Any]:
    name = f"image-intellisense-reconcile-{kind}"
    return stack.one("AWS::Batch::JobDefinition", JobDefinitionName=name)


def environment(stack: Synthesized, kind: str) -> dict[str, Any]:
    said = definition(stack, kind)["ContainerProperties"]["Environment"]
    return {each["Name"]: each["Value"] for each in said}


def needs(stack: Synthesized, kind: str) -> dict[str, int]:
    said = definition(stack, kind)["ContainerProperties"]["ResourceRequirements"]
    return {each["Type"]: int(each["Value"]) for each in said}


def machines(stack: Synthesized) -> dict[str, dict[str, Any]]:
    """By type, such as FARGATE_SPOT."""
    found = [each["ComputeResources"] for each in stack.all("AWS::Batch::ComputeEnvironment")]
    return {each["Type"]: each for each in found}


@pytest.mark.parametrize("config", [Config(), NO_GPU, IN_VPC], ids=["defaults", "no GPU", "VPC"])
def test_the_templates_are_clean_for_cfn_lint(config: Config) -> None:
    files = sorted(map(str, bulk(config).folder.glob("*.template.json")))
    assert len(files) == 2
    lint = str(Path(sys.executable).with_name("cfn-lint"))
    # W3010: the VPC of the functions is not made here, and has made-up zones.
    done = subprocess.run(
        [lint, "--ignore-checks", "W3010", "--", *files], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_nothing_runs_and_nothing_costs_while_no_job_waits() -> None:
    stack = bulk()
    gpus = machines(stack)["SPOT"]
    assert gpus["MinvCpus"] == 0
    assert "DesiredvCpus" not in gpus
    dear = {"AWS::EC2::NatGateway", "AWS::EC2::EIP", "AWS::EC2::Instance"}
    assert not dear & {r["Type"] for r in stack.template["Resources"].values()}
    (endpoint,) = stack.all("AWS::EC2::VPCEndpoint")
    assert endpoint["VpcEndpointType"] == "Gateway"


def test_by_default_there_are_spot_machines_with_a_gpu_and_fargates() -> None:
    found = machines(bulk())
    assert found.keys() == {"SPOT", "FARGATE_SPOT"}
    gpus = found["SPOT"]
    assert gpus["InstanceTypes"] == ["g4dn.xlarge", "g5.xlarge", "g6.xlarge"]
    assert gpus["AllocationStrategy"] == "SPOT_PRICE_CAPACITY_OPTIMIZED"
    assert gpus["Ec2Configuration"] == [{"ImageType": "ECS_AL2023_NVIDIA"}]
    assert {each["MaxvCpus"] for each in found.values()} == {16}


def test_an_account_without_gpus_has_fargate_alone_and_arm_has_no_spot() -> None:
    assert machines(bulk(NO_GPU)).keys() == {"FARGATE"}
    assert len(bulk(NO_GPU).all("AWS::Batch::JobQueue")) == 1
    assert bulk(NO_GPU).all("AWS::EC2::LaunchTemplate") == []
    platform = definition(bulk(NO_GPU), "cpu")["ContainerProperties"]["RuntimePlatform"]
    assert platform == {"CpuArchitecture": "ARM64", "OperatingSystemFamily": "LINUX"}
    spot_asked_for = bulk(Config(gpu=False, architecture="arm64", reconcile_hours=0))
    assert machines(spot_asked_for).keys() == {"FARGATE"}


def test_whoever_wants_no_spot_machines_gets_none() -> None:
    found = machines(bulk(IN_VPC))
    assert found.keys() == {"EC2", "FARGATE"}
    assert found["EC2"]["AllocationStrategy"] == "BEST_FIT_PROGRESSIVE"


def test_machines_have_an_encrypted_disk_and_the_second_version_of_their_metadata() -> None:
    said = bulk().one("AWS::EC2::LaunchTemplate")["LaunchTemplateData"]
    assert said["MetadataOptions"]["HttpTokens"] == "required"
    assert said["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    (disk,) = said["BlockDeviceMappings"]
    assert disk["DeviceName"] == "/dev/xvda"
    assert disk["Ebs"]["Encrypted"] is True
    assert disk["Ebs"]["VolumeType"] == "gp3"


def test_nothing_reaches_the_machines_from_outside() -> None:
    stack = bulk()
    assert stack.all("AWS::EC2::SecurityGroupIngress") == []
    (group,) = stack.all("AWS::EC2::SecurityGroup")
    assert "SecurityGroupIngress" not in group


def test_the_machines_reach_the_registry_by_a_public_address_or_the_vpcs_nat() -> None:
    def address(stack: Synthesized) -> str:
        container = definition(stack, "cpu")["ContainerProperties"]
        return str(container["NetworkConfiguration"]["AssignPublicIp"])

    assert address(bulk()) == "ENABLED"
    assert all(s["MapPublicIpOnLaunch"] for s in bulk().all("AWS::EC2::Subnet"))
    (route,) = bulk().all("AWS::EC2::Route")
    assert route["DestinationCidrBlock"] == "0.0.0.0/0"
    assert "GatewayId" in route
    assert len(bulk().all("AWS::EC2::SubnetRouteTableAssociation")) == 2
    assert address(bulk(IN_VPC)) == "DISABLED"
    assert bulk(IN_VPC).all("AWS::EC2::VPC") == []


def test_synthesizing_asks_no_account_for_its_zones() -> None:
    for stack in (bulk(), data(Config(vpc=True))):
        manifest = json.loads((stack.folder / "manifest.json").read_text())
        assert "missing" not in manifest
        zones = [subnet["AvailabilityZone"] for subnet in stack.all("AWS::EC2::Subnet")]
        assert {"Fn::Select": [1, {"Fn::GetAZs": ""}]} in zones
        assert "dummy" not in json.dumps(zones)


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_a_job_runs_the_images_own_program_with_the_functions_environment(kind: str) -> None:
    container = definition(bulk(), kind)["ContainerProperties"]
    assert container["Command"] == list(COMMAND) == ["reconcile"]
    assert TAGS[kind] in json.dumps(container["Image"])
    said = environment(bulk(), kind)
    assert said["IMAGES_BUCKET"] == "photos"
    assert said["IMAGES_OPENSEARCH_URL"].startswith("https://")
    assert said["IMAGES_REGION"] == {"Ref": "AWS::Region"}, "EC2's machines do not tell it"


def test_a_job_on_fargate_asks_for_a_size_that_fargate_has() -> None:
    asked = needs(bulk(), "cpu")
    assert asked["MEMORY"] % 1024 == 0
    assert asked["MEMORY"] // 1024 in FARGATE_GB[asked["VCPU"]]


def test_a_job_on_a_gpu_takes_the_device_and_does_not_start_without() -> None:
    asked = needs(bulk(), "gpu")
    assert asked["GPU"] == 1
    assert asked["VCPU"] == 4
    assert asked["MEMORY"] < 15 * 1024, "the machine has 16 GiB, its agent included"
    said = environment(bulk(), "gpu")
    assert said["IMAGES_DEVICE"] == "cuda"
    assert said["IMAGES_DECODERS"] == "4"


def test_jobs_tell_what_they_cost_where_the_price_is_known() -> None:
    assert float(environment(bulk(), "cpu")["IMAGES_PRICE_PER_HOUR"]) == 0.1975
    assert float(environment(bulk(), "gpu")["IMAGES_PRICE_PER_HOUR"]) == 1.006
    assert "IMAGES_PRICE_PER_HOUR" not in environment(bulk(IN_VPC), "gpu")


def decided(rules: list[dict[str, str]], **said: str) -> str:
    """What Batch does: the first rule of which every condition fits; a star at the end stands for
    anything (https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html)."""
    for rule in rules:
        conditions = {key: value for key, value in rule.items() if key != "Action"}
        if all(
            said.get(key, "").startswith(value[:-1])
            if value.endswith("*")
            else said.get(key, "") == value
            for key, value in conditions.items()
        ):
            return rule["Action"]
    return "RETRY"


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
@pytest.mark.parametrize(
    ("said", "action"),
    [
        ({"OnStatusReason": "Host EC2 (instance i-0123) terminated."}, "RETRY"),
        ({"OnStatusReason": "Your Spot Task was interrupted."}, "RETRY"),
        ({"OnReason": "CannotPullContainerError: ref pull has been retried 5 time(s)"}, "RETRY"),
        ({"OnReason": "ResourceInitializationError: unable to pull secrets"}, "RETRY"),
        ({"OnStatusReason": "Essential container in task exited", "OnExitCode": "1"}, "EXIT"),
        (
            {
                "OnStatusReason": "Essential container in task exited",
                "OnReason": "OutOfMemoryError: Container killed due to memory usage",
                "OnExitCode": "137",
            },
            "EXIT",
        ),
    ],
)
def test_a_machine_that_was_taken_away_is_told_from_a_failure(
    kind: str, said: dict[str, str], action: str
) -> None:
    retry = definition(bulk(), kind)["RetryStrategy"]
    assert 1 < retry["Attempts"] <= 10
    assert len(retry["EvaluateOnExit"]) <= 5
    assert decided(retry["EvaluateOnExit"], **said) == action


def test_jobs_end_some_day_and_so_do_their_logs() -> None:
    for kind in ("cpu", "gpu"):
        assert definition(bulk(), kind)["Timeout"] == {"AttemptDurationSeconds": 72 * 3600}
        log = definition(bulk(), kind)["ContainerProperties"]["LogConfiguration"]
        assert log["LogDriver"] == "awslogs"
        assert log["Options"]["awslogs-stream-prefix"] == kind
    assert bulk().one("AWS::Logs::LogGroup")["RetentionInDays"] == Config().log_days


def test_no_action_has_a_wildcard_and_one_resource_alone_is_a_star() -> None:
    for statement in bulk().statements():
        actions = statement["Action"]
        actions = [actions] if isinstance(actions, str) else actions
        assert not any("*" in action for action in actions)
        if statement["Resource"] == "*":
            assert actions == ["ecr:GetAuthorizationToken"]


def test_the_schedule_may_submit_this_job_to_this_queue_and_nothing_else() -> None:
    (statement,) = [s for s in bulk().statements() if s["Action"] == "batch:SubmitJob"]
    job, queue = statement["Resource"]
    resources = bulk().template["Resources"]
    assert resources[job["Ref"]]["Properties"] == definition(bulk(), "cpu")
    assert (
        resources[queue["Fn::GetAtt"][0]]["Properties"]["JobQueueName"] == "image-intellisense-cpu"
    )


@pytest.mark.parametrize(
    ("config", "rate"),
    [(Config(), "rate(24 hours)"), (IN_VPC, "rate(1 hour)")],
    ids=["daily", "hourly"],
)
def test_the_reconcile_comes_as_often_as_the_config_says(config: Config, rate: str) -> None:
    schedule = bulk(config).one("AWS::Scheduler::Schedule")
    assert schedule["ScheduleExpression"] == rate
    assert schedule["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"] == 3600
    assert bulk(NO_GPU).all("AWS::Scheduler::Schedule") == []


def test_the_schedule_says_job_and_queue_in_the_words_of_the_call() -> None:
    target = bulk().one("AWS::Scheduler::Schedule")["Target"]
    assert ":scheduler:::aws-sdk:batch:submitJob" in json.dumps(target["Arn"])
    parts = target["Input"]["Fn::Join"][1]
    said = json.loads("".join(p if isinstance(p, str) else "ARN" for p in parts))
    assert said == {
        "JobName": "image-intellisense-scheduled", "JobQueue": "ARN", "JobDefinition": "ARN"
    }  # fmt: skip


def test_only_this_groups_schedules_take_on_the_role() -> None:
    (role,) = [
        role
        for role in bulk().all("AWS::IAM::Role")
        if "scheduler" in json.dumps(role["AssumeRolePolicyDocument"])
    ]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    said = statement["Condition"]["StringEquals"]
    assert said["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert ":schedule-group/image-intellisense-reconcile" in json.dumps(said["aws:SourceArn"])
