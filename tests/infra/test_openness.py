"""Nothing is open but CloudFront and the API, and nobody may do more than they are named for."""

from __future__ import annotations

import pytest

from tests.infra.deployments import ALL, Deployment, deployment
from tests.infra.granted import trusted
from tests.infra.policies import Statement
from tests.infra.stacks_read import ACCOUNT, Resource

pytestmark = pytest.mark.xdist_group("stacks")


@pytest.fixture(params=ALL)
def d(request: pytest.FixtureRequest) -> Deployment:
    return deployment(request.param)


def test_no_statement_of_any_stack_allows_an_action_by_wildcard(d: Deployment) -> None:
    statements = d.rights.every_statement()
    assert len(statements) > 20
    wild = [s for s in statements if s.allow and any(set("*?") & set(a) for a in s.actions)]
    keys = tuple(f"{key.place}[" for key in d.stacks.of_type("AWS::KMS::Key"))
    assert [s for s in wild if not (s.place.startswith(keys) and _of_a_key(s))] == []


def _of_a_key(statement: Statement) -> bool:
    """The two wildcards that a key's policy may have: the account's own over its key, without which
    nobody could manage it any more
    (https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html), and the kinds
    of data keys, for a service."""
    owner = (("AWS", f"arn:aws:iam::{ACCOUNT}:root"),)
    if statement.principals == owner:
        return statement.actions == ("kms:*",)
    return set(statement.actions) <= {"kms:Decrypt", "kms:GenerateDataKey*"}


NO_NARROWER = {
    "ec2:AssignPrivateIpAddresses": "Lambda's network interfaces",
    "ec2:CreateNetworkInterface": "Lambda's network interfaces",
    "ec2:DeleteNetworkInterface": "Lambda's network interfaces",
    "ec2:DescribeNetworkInterfaces": "lists know no resource",
    "ec2:DescribeSubnets": "lists know no resource",
    "ec2:UnassignPrivateIpAddresses": "Lambda's network interfaces",
    "ecr:GetAuthorizationToken": "is of the whole registry",
    "xray:PutTelemetryRecords": "X-Ray knows no resource to write to",
    "xray:PutTraceSegments": "X-Ray knows no resource to write to",
}
"""What is on every resource, and why AWS has none that is narrower
(https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html)."""


def test_what_is_on_every_resource_has_none_that_is_narrower(d: Deployment) -> None:
    own = [s for role in d.stacks.of_type("AWS::IAM::Role") for s in d.rights.of_role(role)]
    assert own
    wide = {action for s in own if s.allow and "*" in s.resources for action in s.actions}
    assert wide <= set(NO_NARROWER)


def test_no_resource_is_named_by_its_service_alone(d: Deployment) -> None:
    """A wildcard stands for keys or paths of one resource, never for resources."""
    for role in d.stacks.of_type("AWS::IAM::Role"):
        for statement in d.rights.of_role(role):
            if set(statement.actions) <= LISTS:
                continue
            for resource in statement.resources:
                assert resource == "*" or _named(resource), (statement.place, resource)


LISTS = {"events:ListRules"}
"""Whether others listen to an existing bucket's events is asked of all rules of the account, before
their switch is turned off; the names of rules are all that is told."""


def _named(arn: str) -> bool:
    service, last = arn.split(":")[2], arn.split(":", 5)[5]
    if "*" not in arn:
        return True
    if any("*" in part for part in arn.split(":")[:5]):
        return False
    first = last.split("/")[0]
    match service:
        case "s3":
            return "*" not in first
        case "es":
            return "*" not in "/".join(last.split("/")[:2])
        case "logs":
            return "*" not in last.removesuffix(":*").removesuffix(":log-stream:")
    return False


AWS_KEEPS = {
    "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role": (
        "what Batch asks of the role of its machines, which reaches no data"
    ),
}
"""Policies of AWS's own that a role may have, and why."""


def test_roles_have_no_policies_of_aws_but_those_with_a_reason(d: Deployment) -> None:
    attached = {
        arn
        for role in d.stacks.of_type("AWS::IAM::Role")
        for arn in role.properties.get("ManagedPolicyArns", [])
        if arn.startswith("arn:aws:iam::aws:")
    }
    assert attached <= set(AWS_KEEPS)


USERS = {
    "AWS::Lambda::Function": ("Role", "lambda.amazonaws.com"),
    "AWS::Serverless::Function": ("Role", "lambda.amazonaws.com"),
    "AWS::CodeBuild::Project": ("ServiceRole", "codebuild.amazonaws.com"),
}


def test_each_role_is_trusted_by_exactly_one_service(d: Deployment) -> None:
    services = {}
    for role in d.stacks.of_type("AWS::IAM::Role"):
        (statement,) = trusted(role)
        assert statement.allow, role.place
        assert statement.actions == ("sts:AssumeRole",), role.place
        ((kind, services[role.arn]),) = statement.principals or ()
        assert kind == "Service", role.place
    for kind, (field, service) in USERS.items():
        for user in d.stacks.of_type(kind):
            if field in user.properties:
                assert services[user.properties[field]] == service, user.place


def test_nobody_of_another_account_and_not_everybody_is_let_in(d: Deployment) -> None:
    for statement in d.rights.every_statement():
        if statement.allow and statement.principals:
            names = [name for kind, name in statement.principals if kind == "AWS"]
            ours = f"arn:aws:iam::{d.stacks.account}:"
            assert all(name.startswith(ours) for name in names), statement.place


def test_services_are_let_in_only_for_this_account_or_one_of_its_resources(d: Deployment) -> None:
    """Otherwise whoever uses the same service could be let in by it
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html)."""
    resources = [s for s in d.rights.every_statement() if s.allow and s.principals]
    trusts = {s.place for r in d.stacks.of_type("AWS::IAM::Role") for s in trusted(r)}
    # Whoever makes a function of an image must have rights on it themselves
    # (https://docs.aws.amazon.com/lambda/latest/dg/images-create.html#gettingstarted-images-permissions).
    images = {f"{r.place}[0]" for r in d.stacks.of_type("AWS::ECR::Repository")}
    looked = [s for s in resources if s.place not in trusts | images and _by_service(s)]
    assert looked
    for statement in looked:
        if statement.principals == EVENTBRIDGE and set(statement.actions) <= SAYS_NOTHING:
            continue
        keys = {c.key for c in statement.conditions}
        assert keys & {"aws:sourcearn", "aws:sourceaccount"}, statement.place


EVENTBRIDGE = (("Service", "events.amazonaws.com"),)

SAYS_NOTHING = {"sns:Publish", "kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKey*"}
"""Where EventBridge says nothing of whose rule it follows
(https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services);
what it can do is to send a mail."""


def _by_service(statement: Statement) -> bool:
    return any(kind == "Service" for kind, _ in statement.principals or ())


def test_every_bucket_is_private_encrypted_and_speaks_tls_alone(d: Deployment) -> None:
    buckets = d.stacks.of_type("AWS::S3::Bucket")
    assert len(buckets) >= 2
    for bucket in buckets:
        p = bucket.properties
        assert set(p["PublicAccessBlockConfiguration"].values()) == {True}, bucket.place
        assert len(p["PublicAccessBlockConfiguration"]) == 4, bucket.place
        assert p["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        (rule,) = p["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] in ("AES256", "aws:kms")
        assert _refuses_plain_http(d, bucket, f"{bucket.arn}/key", "s3:GetObject"), bucket.place


def test_every_queue_and_topic_is_encrypted_and_speaks_tls_alone(d: Deployment) -> None:
    for queue in d.queues:
        assert queue.properties["SqsManagedSseEnabled"] is True
        assert _refuses_plain_http(d, queue, queue.arn, "sqs:SendMessage")
    for topic in d.stacks.of_type("AWS::SNS::Topic"):
        assert _refuses_plain_http(d, topic, topic.arn, "sns:Publish"), topic.place


def _refuses_plain_http(d: Deployment, resource: Resource, arn: str, action: str) -> bool:
    """Whether an explicit deny meets even a role that may do it."""
    role = d.stacks.of_type("AWS::IAM::Role")[0].arn
    decision = d.rights.decide(role, action, arn, aws__SecureTransport="false")
    return not decision.allowed and any(not s.allow for s in decision.by)


OPEN_TO_THE_WORLD = {
    "AWS::ApiGateway::RestApi",
    "AWS::CloudFront::Distribution",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Serverless::Api",
}

WAYS_IN = OPEN_TO_THE_WORLD | {
    "AWS::ApiGatewayV2::Api",
    "AWS::AppSync::GraphQLApi",
    "AWS::EC2::Instance",
    "AWS::ElasticLoadBalancing::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::Lambda::Url",
    "AWS::S3::AccessPoint",
}


def test_nothing_is_open_to_the_world_but_cloudfront_the_api_and_the_sign_in(
    d: Deployment,
) -> None:
    assert {r.type for r in d.stacks.all() if r.type in WAYS_IN} <= OPEN_TO_THE_WORLD
    assert d.stacks.of_type("AWS::Serverless::Api")


def test_no_security_group_lets_the_world_in(d: Deployment) -> None:
    for group in d.stacks.of_type("AWS::EC2::SecurityGroup"):
        for rule in group.properties.get("SecurityGroupIngress", []):
            assert "CidrIp" not in rule and "CidrIpv6" not in rule, group.place  # noqa: PT018
    for rule in d.stacks.of_type("AWS::EC2::SecurityGroupIngress"):
        assert "SourceSecurityGroupId" in rule.properties, rule.place
