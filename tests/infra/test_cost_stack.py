"""The bill is of what is deployed: what it counts is counted in the templates."""

from __future__ import annotations

from typing import Any

import pytest
from watched_stack import alarms, metrics_of, of_kind
from watched_stack import template as watched

from infra.config import Config
from infra.cost.bill import Month
from infra.cost.measured import Measured, Use
from infra.cost.prices import Prices
from tests.infra.synthesized import resources, templates

pytestmark = pytest.mark.xdist_group("stacks")

MEASURED = Measured.load()

COSTS = {
    "AWS::OpenSearchService::Domain": "opensearch.gp3",
    "AWS::Lambda::Function": "lambda.x86_64",
    "AWS::Serverless::Function": "lambda.request",
    "AWS::Serverless::Api": "api_gateway.rest.request",
    "AWS::DynamoDB::Table": "dynamodb.write",
    "AWS::S3::Bucket": "s3.storage",
    "AWS::SQS::Queue": "sqs.request",
    "AWS::CloudFront::Distribution": "cloudfront.out",
    "AWS::CloudFront::Function": "cloudfront.function",
    "AWS::Cognito::UserPool": "cognito.lite.person",
    "AWS::ECR::Repository": "ecr.storage",
    "AWS::Logs::LogGroup": "cloudwatch.log",
    "AWS::CloudWatch::Alarm": "cloudwatch.alarm",
    "AWS::CloudWatch::Dashboard": "cloudwatch.dashboard",
    "AWS::KMS::Key": "kms.key",
    "AWS::Batch::ComputeEnvironment": "fargate.vcpu",
    "AWS::EC2::NatGateway": "nat.hour",
}
"""A price by which each kind of resource is on the bill."""

FREE = {
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::IAM::Policy",
    "AWS::IAM::InstanceProfile",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SNS::Subscription",
    "AWS::Budgets::Budget",
    "AWS::Events::Rule",
    "AWS::Scheduler::Schedule",
    "AWS::Scheduler::ScheduleGroup",
    "AWS::Logs::QueryDefinition",
    "AWS::CloudFront::ResponseHeadersPolicy",
    "AWS::CloudFront::CachePolicy",
    "AWS::CloudFront::PublicKey",
    "AWS::CloudFront::KeyGroup",
    "AWS::CloudFront::OriginAccessControl",
    "AWS::Cognito::UserPoolGroup",
    "AWS::Cognito::UserPoolResourceServer",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Cognito::UserPoolClient",
    "AWS::Lambda::Permission",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Version",
    "AWS::Lambda::Alias",
    "AWS::Batch::JobQueue",
    "AWS::Batch::JobDefinition",
    "AWS::CodeBuild::Project",
    "AWS::EC2::VPC",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::EC2::RouteTable",
    "AWS::EC2::Route",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::EIP",
    "AWS::EC2::FlowLog",
    "AWS::EC2::LaunchTemplate",
    "Custom::BucketSetting",
}
"""Kinds that cost nothing by being there, or that others are billed for: a gateway endpoint, an
address in use by NAT, a flow log's lines in a log group, a build of minutes at a deployment."""


@pytest.mark.parametrize(
    "config",
    [Config(), Config(vpc=True, opensearch_nodes=2, architecture="arm64")],
    ids=["the defaults", "in a VPC"],
)
def test_every_kind_of_resource_is_on_the_bill_or_known_to_be_free(config: Config) -> None:
    watching = watched(Config(email="a@example.org", budget=50))
    made = [*templates(config).values(), watching]
    kinds = {resource["Type"] for template in made for resource in template["Resources"].values()}
    assert kinds - set(COSTS) - FREE == set()
    use = Use(images=100_000, searches=100_000, new_images=1_000)
    lines = Month(config, use, Prices.load("us-east-1"), MEASURED).lines()
    priced = {line.price for line in lines}
    assert {COSTS[kind] for kind in kinds & set(COSTS)} - priced == set()


def test_alarms_dashboard_and_keys_are_as_many_as_there_are() -> None:
    made = watched(Config())
    looked_at = sum(len(list(metrics_of(alarm))) for alarm in alarms(made).values())
    assert looked_at == MEASURED["alarms"]
    assert len(of_kind(made, "AWS::CloudWatch::Dashboard")) == MEASURED["dashboards"]
    assert len(of_kind(made, "AWS::KMS::Key")) == MEASURED["keys"]


def test_the_scheduled_job_is_as_large_as_the_bill_has_it() -> None:
    found: list[dict[str, Any]] = [
        job["Properties"]
        for job in resources(templates()["service"], "AWS::Batch::JobDefinition").values()
        if job["Properties"]["PlatformCapabilities"] == ["FARGATE"]
    ]
    (job,) = found
    needs = {
        need["Type"]: float(need["Value"])
        for need in job["ContainerProperties"]["ResourceRequirements"]
    }
    assert needs == {
        "VCPU": MEASURED["reconcile.vcpus"],
        "MEMORY": MEASURED["reconcile.memory"] * 1024,
    }
