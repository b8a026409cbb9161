"""A deployment of three small stacks that moto can make, with the outputs of the real ones."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.commands.account import Account
from infra.commands.deploy import STEPS
from infra.commands.deployment import Deployment, Step, run_steps
from infra.commands.images import Wanted
from infra.config import Config
from tests.infra.deploy_world import DISTRIBUTION as WHOLE_DISTRIBUTION
from tests.infra.deploy_world import Heard

ROOT = Path(__file__).resolve().parents[2]
NAME = "tiny"
EMAIL = "ada@example.org"
POOL, DISTRIBUTION = "THE-POOL", "THE-DISTRIBUTION"
KINDS = {"embedder_tag": "function-1", "batch_tag": "batch-1"}


class TinyParts:
    """Templates as moto's CloudFormation can make them, and contexts of one file."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def images(self, config: Config, work: Path) -> tuple[list[Wanted], str]:
        folder = work / "context"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Dockerfile").write_text("FROM scratch\n")
        wanted = [Wanted(key, tag, folder, (), "linux/amd64") for key, tag in KINDS.items()]
        return wanted, "tiny:0123456789ab:8"

    def synthesize(self, config: Config, outdir: Path, context: Mapping[str, str]) -> Path:
        """Copies what was synthesized once; the key that this run would deploy is noted."""
        shutil.rmtree(outdir, ignore_errors=True)
        shutil.copytree(self.made, outdir)
        (outdir.parent / "context.json").write_text(json.dumps(dict(context)))
        return outdir


def write_assembly(outdir: Path) -> Path:
    """The three stacks of `NAME`, by the CDK."""
    from infra import node

    node.choose()
    import aws_cdk as cdk
    from aws_cdk import aws_ecr as ecr
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_sqs as sqs

    config = Config(name=NAME)
    app = cdk.App(outdir=str(outdir), analytics_reporting=False)
    where = cdk.Environment(account="123456789012", region="eu-west-1")

    def out(stack: cdk.Stack, **values: str) -> None:
        for name, value in values.items():
            cdk.CfnOutput(stack, name, value=value)

    data = cdk.Stack(app, config.data_stack, env=where)
    for what, kept in (("photos", True), ("thumbnails", False), ("site", False)):
        policy = cdk.RemovalPolicy.RETAIN if kept else cdk.RemovalPolicy.DESTROY
        name = f"{NAME}-{what}-123456789012-eu-west-1"
        s3.Bucket(data, what, bucket_name=name, removal_policy=policy)
        out(data, **{f"{what.title()}Bucket": name})
    queue = sqs.Queue(data, "Ingest")
    out(data, IngestQueueUrl=queue.queue_url)
    builds = cdk.Stack(app, config.builds_stack, env=where)
    repository = ecr.Repository(
        builds,
        "Images",
        repository_name=NAME,
        empty_on_delete=True,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    out(builds, Repository=repository.repository_uri, BuildProject="tiny-images")
    sources = s3.Bucket(
        builds,
        "Sources",
        bucket_name="tiny-builds-123456789012-eu-west-1",
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    out(builds, SourceBucket=sources.bucket_name)
    service = cdk.Stack(app, config.service_stack, env=where)
    sqs.Queue(service, "Something", queue_name="something")
    out(service, FunctionTag="function-0", Model="tiny:ba9876543210:8")
    out(service, UserPoolClientId="abc", SignInUrl="https://me.auth.example")
    out(service, ApiUrl="https://api.example/api", PageUrl="https://site.example")
    # moto's CloudFormation makes neither: they are made beside it, and their ids put in here.
    out(service, UserPoolId=POOL, DistributionId=DISTRIBUTION)
    app.synth()
    return outdir


def copy_with_ids(made: Path, to: Path, account: Account) -> None:
    """The assembly, with the ids of a user pool and a distribution that are there."""
    cognito = account.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="people", UsernameAttributes=["email"])
    pool_id = pool["UserPool"]["Id"]
    cognito.create_group(GroupName="admin", UserPoolId=pool_id)
    distribution = account.client("cloudfront").create_distribution(
        DistributionConfig=WHOLE_DISTRIBUTION
    )["Distribution"]["Id"]
    to.mkdir()
    for path in made.iterdir():
        text = path.read_text().replace(DISTRIBUTION, distribution)
        (to / path.name).write_text(text.replace(POOL, pool_id))


def make_stacks(account: Account, folder: Path) -> None:
    """The stacks of the assembly in `folder`, without the CDK's command line: quick."""
    ssm, cloudformation = account.client("ssm"), account.client("cloudformation")
    ssm.put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="33", Type="String")
    for stack in ("data", "builds", "service"):
        template = (folder / f"{NAME}-{stack}.template.json").read_text()
        cloudformation.create_stack(StackName=f"{NAME}-{stack}", TemplateBody=template)


def deployment(work: Path, made: Path, *, yes: bool = True) -> Deployment:
    config = Config(name=NAME, email=EMAIL, gpu=False)
    account = Account.of(config)
    return Deployment(
        config=account.settle(config),
        account=account,
        tell=Heard(yes=yes),
        parts=TinyParts(made),
        work=work,
        web=ROOT / "web",
        pause=0,
    )


def killing_after(name: str) -> tuple[Step, ...]:
    """The steps of a deployment, and a SIGKILL of this process after the one so named."""

    def die(_run: Deployment) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    steps: list[Step] = []
    for step in STEPS:
        steps += [step, Step("killed", die)] if step.name == name else [step]
    return tuple(steps)


def state_of(account: Account) -> dict[str, Any]:
    """All that a deployment leaves in the account, but for times and random ids."""
    client = account.client
    outputs = account.outputs(f"{NAME}-data", f"{NAME}-builds", f"{NAME}-service")
    pool = outputs["UserPoolId"]
    site = client("s3").list_objects_v2(Bucket=outputs["SiteBucket"])["Contents"]
    people = client("cognito-idp").list_users(UserPoolId=pool)["Users"]
    admins = client("cognito-idp").list_users_in_group(UserPoolId=pool, GroupName="admin")
    parameters = client("ssm").describe_parameters()["Parameters"]
    images = client("ecr").describe_images(repositoryName=NAME)["imageDetails"]
    stacks = client("cloudformation").describe_stacks()["Stacks"]
    return {
        "stacks": sorted((stack["StackName"], stack["StackStatus"]) for stack in stacks),
        "outputs": sorted(outputs),
        "buckets": sorted(bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]),
        "site": {item["Key"]: item["ETag"] for item in site if item["Key"] != "config.json"},
        "people": [user["UserStatus"] for user in people],
        "admins": len(admins["Users"]),
        "parameters": sorted((p["Name"], p["Version"]) for p in parameters if NAME in p["Name"]),
        "images": sorted(tag for image in images for tag in image["imageTags"]),
    }


if __name__ == "__main__":
    run_steps(killing_after(sys.argv[3]), deployment(Path(sys.argv[1]), Path(sys.argv[2])))
