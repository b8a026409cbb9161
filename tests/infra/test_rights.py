"""What each function asked for while it ran is what its role may do: all of it, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

import app
from tests.fakes import issuer
from tests.infra.callers import keep_cookie_key, person
from tests.infra.deployments import ALL, INVENTORIES, KEY, Deployment, deployment
from tests.infra.functions_read import jobs
from tests.infra.life import Life
from tests.infra.played import API, BATCH, EMBEDDER, SEARCH, kinds, played
from tests.infra.policies import Request, applies
from tests.infra.recording import Call, Need, needs
from tests.infra.stacks_read import ACCOUNT, REGION
from tests.infra.template_reader import moto_process
from tests.opensearch_server import Server

FUNCTIONS = (API, SEARCH, EMBEDDER, BATCH)

CHOICE = "the defaults"
"""The deployment that is played: people sign in, so its functions do all that others' do."""


class Lived:
    """What was seen of a deployment while it was in use."""

    def __init__(self, life: Life, calls: list[Call], d: Deployment) -> None:
        self.answers = dict(life.answers)
        self.calls = calls
        self.d = d
        photos = f"arn:aws:s3:::{d.photos}"
        self.needs = {
            function: {
                need
                for call in calls
                if call.function == function
                for need in needs(
                    call, account=ACCOUNT, region=REGION, domain=d.domain_arn, photos=photos
                )
            }
            for function in FUNCTIONS
        }

    def in_deployment(self, function: str, other: Deployment) -> set[Need]:
        """The same needs, where buckets and domain have the names of another deployment."""
        names = {
            f"arn:aws:s3:::{self.d.photos}": f"arn:aws:s3:::{other.photos}",
            self.d.domain_arn: other.domain_arn,
        }
        left_out = set()
        if not _has_page(other):
            left_out.add("ssm")
        if not other.counters:
            left_out.add("dynamodb")
        moved = {n for n in self.needs[function] if n.action.split(":")[0] not in left_out}
        for ours, theirs in names.items():
            moved = {Need(n.action, n.resource.replace(ours, theirs)) for n in moved}
        if not other.config.inventory_bucket:
            moved = {n for n in moved if not n.resource.startswith(f"arn:aws:s3:::{INVENTORIES}/")}
        return moved | set(_of_key(moved, other))


def _has_page(d: Deployment) -> bool:
    return d.config.auth == "cognito"


def _of_key(needs_of_one: set[Need], d: Deployment) -> Iterator[Need]:
    """Who reads or writes objects under a key of KMS uses that key
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html)."""
    takes = {"s3:GetObject": "kms:Decrypt", "s3:PutObject": "kms:GenerateDataKey"}
    for need in needs_of_one:
        in_photos = need.resource.startswith(f"arn:aws:s3:::{d.photos}/")
        if d.config.bucket_key_arn and in_photos and need.action in takes:
            yield Need(takes[need.action], KEY)


@pytest.fixture(scope="module")
def lived(opensearch_node: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    d = deployment(CHOICE)
    folder = tmp_path_factory.mktemp("deployment")
    with (
        moto_process() as endpoint,
        issuer.serving() as signs,
        played(
            d.stacks, endpoint, opensearch_node.url, folder, seed=70_001, issuer=signs.url
        ) as running,
    ):
        keep_cookie_key(running)
        life = Life(running, person(running, signs))
        life.live()
        yield Lived(life, running.recorded(), d)


def role_of(d: Deployment, function: str) -> str:
    if function == BATCH:
        (role,) = {job.role for job in jobs(d.stacks)}
        return role
    return kinds(d.stacks)[function].role


@pytest.mark.timeout(600)
def test_every_route_of_the_application_was_asked_while_calls_were_recorded(lived: Lived) -> None:
    routes = {(method, path) for path, methods in app.app.routes.items() for method in methods}
    assert set(lived.answers) == routes
    assert {call.function for call in lived.calls} == set(FUNCTIONS)


def test_no_request_names_an_index_elsewhere_than_in_its_path(lived: Lived) -> None:
    """The domain refuses those that do, since IAM sees the path alone."""
    sent = [call for call in lived.calls if call.service == "es"]
    assert sent
    assert [str(call) for call in sent if call.parameters["index_in_body"] != "no"] == []


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("choice", ALL)
def test_each_call_that_a_function_makes_is_allowed_to_its_role(
    lived: Lived, choice: str, function: str
) -> None:
    d = deployment(choice)
    wanted = lived.in_deployment(function, d)
    assert wanted
    role = role_of(d, function)
    refused = {n for n in wanted if not d.rights.decide(role, n.action, n.resource)}
    assert refused == set()


NOT_RECORDED = {
    "ec2:AssignPrivateIpAddresses": "Lambda joins functions to the VPC with their role",
    "ec2:CreateNetworkInterface": "Lambda joins functions to the VPC with their role",
    "ec2:DeleteNetworkInterface": "Lambda joins functions to the VPC with their role",
    "ec2:DescribeNetworkInterfaces": "Lambda joins functions to the VPC with their role",
    "ec2:DescribeSubnets": "Lambda joins functions to the VPC with their role",
    "ec2:UnassignPrivateIpAddresses": "Lambda joins functions to the VPC with their role",
    "logs:CreateLogStream": "Lambda writes the function's log with its role",
    "logs:PutLogEvents": "Lambda writes the function's log with its role",
    "xray:PutTelemetryRecords": "Lambda's X-Ray daemon sends traces with the function's role",
    "xray:PutTraceSegments": "Lambda's X-Ray daemon sends traces with the function's role",
}
"""Rights that no call of ours uses, and who does."""

OF_THE_MAPPING = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
"""What Lambda itself does with the ingest queue, with the embedder's role
(https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions)."""


def unused(lived: Lived, d: Deployment, function: str) -> set[tuple[str, str]]:
    """(action, resource) of every right of the role that nothing used."""
    seen = lived.in_deployment(function, d)
    if function == EMBEDDER:
        seen |= {Need(action, d.ingest.arn) for action in OF_THE_MAPPING}
    left = set()
    for statement in d.rights.of_role(d.rights.role(role_of(d, function))):
        for action in set(statement.actions) - set(NOT_RECORDED):
            for resource in statement.resources:
                one = replace(statement, actions=(action,), resources=(resource,))
                if not any(applies(one, Request(function, *need, {})) for need in seen):
                    left.add((action, resource))
    return left


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("choice", ALL)
def test_no_role_has_a_right_that_nothing_uses(lived: Lived, choice: str, function: str) -> None:
    assert unused(lived, deployment(choice), function) == set()
