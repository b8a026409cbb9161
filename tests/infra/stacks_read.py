"""Synthesized templates, read together as CloudFormation would: every reference, also from stack
to stack, becomes the name, ARN or address of a made-up account. What is not known raises."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

ACCOUNT = "123456789012"
"""The one that moto plays."""

REGION = "eu-west-1"

NAMES = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CodeBuild::Project": "Name",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::ECR::Repository": "RepositoryName",
    "AWS::Cognito::UserPoolResourceServer": "Identifier",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::OpenSearchService::Domain": "DomainName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SSM::Parameter": "Name",
    "AWS::Serverless::Function": "FunctionName",
}
"""The property that names a resource, where it is given."""

ARNS = {
    "AWS::ApiGateway::RestApi": "arn:aws:apigateway:{region}::/restapis/{name}",
    "AWS::Batch::ComputeEnvironment": "arn:aws:batch:{region}:{account}:compute-environment/{name}",
    "AWS::Batch::JobDefinition": "arn:aws:batch:{region}:{account}:job-definition/{name}:1",
    "AWS::Batch::JobQueue": "arn:aws:batch:{region}:{account}:job-queue/{name}",
    "AWS::CloudFront::Function": "arn:aws:cloudfront::{account}:function/{name}",
    "AWS::CloudWatch::Alarm": "arn:aws:cloudwatch:{region}:{account}:alarm:{name}",
    "AWS::CodeBuild::Project": "arn:aws:codebuild:{region}:{account}:project/{name}",
    "AWS::Cognito::UserPool": "arn:aws:cognito-idp:{region}:{account}:userpool/{name}",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:{region}:{account}:table/{name}",
    "AWS::ECR::Repository": "arn:aws:ecr:{region}:{account}:repository/{name}",
    "AWS::ECS::Cluster": "arn:aws:ecs:{region}:{account}:cluster/{name}",
    "AWS::Events::Rule": "arn:aws:events:{region}:{account}:rule/{name}",
    "AWS::IAM::InstanceProfile": "arn:aws:iam::{account}:instance-profile/{name}",
    "AWS::IAM::ManagedPolicy": "arn:aws:iam::{account}:policy/{name}",
    "AWS::IAM::Role": "arn:aws:iam::{account}:role/{name}",
    "AWS::KMS::Key": "arn:aws:kms:{region}:{account}:key/{name}",
    "AWS::Lambda::Function": "arn:aws:lambda:{region}:{account}:function:{name}",
    "AWS::Logs::LogGroup": "arn:aws:logs:{region}:{account}:log-group:{name}:*",
    "AWS::OpenSearchService::Domain": "arn:aws:es:{region}:{account}:domain/{name}",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SNS::Topic": "arn:aws:sns:{region}:{account}:{name}",
    "AWS::SQS::Queue": "arn:aws:sqs:{region}:{account}:{name}",
    "AWS::Scheduler::Schedule": "arn:aws:scheduler:{region}:{account}:schedule/default/{name}",
    "AWS::Serverless::Function": "arn:aws:lambda:{region}:{account}:function:{name}",
    "AWS::StepFunctions::StateMachine": "arn:aws:states:{region}:{account}:stateMachine:{name}",
}
"""https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html"""

REF_IS_ARN = {
    "AWS::Batch::ComputeEnvironment",
    "AWS::Batch::JobDefinition",
    "AWS::Batch::JobQueue",
    "AWS::CloudFront::Function",
    "AWS::IAM::ManagedPolicy",
    "AWS::SNS::Topic",
    "AWS::StepFunctions::StateMachine",
}

ARN_ATTRIBUTES = {"Arn", "DomainArn", "FunctionARN", "TopicArn", "JobQueueArn"}

ATTRIBUTES = {
    ("AWS::CloudFront::Distribution", "DomainName"): "{name}.cloudfront.net",
    ("AWS::Cognito::UserPool", "ProviderURL"): "https://cognito-idp.{region}.amazonaws.com/{name}",
    ("AWS::Cognito::UserPool", "ProviderName"): "cognito-idp.{region}.amazonaws.com/{name}",
    ("AWS::ECR::Repository", "RepositoryUri"): ("{account}.dkr.ecr.{region}.amazonaws.com/{name}"),
    ("AWS::OpenSearchService::Domain", "DomainEndpoint"): "{name}.{region}.es.amazonaws.com",
    ("AWS::S3::Bucket", "DomainName"): "{name}.s3.amazonaws.com",
    ("AWS::S3::Bucket", "RegionalDomainName"): "{name}.s3.{region}.amazonaws.com",
    ("AWS::SQS::Queue", "QueueName"): "{name}",
    ("AWS::SNS::Topic", "TopicName"): "{name}",
}


class Unresolved(Exception):
    """A value that CloudFormation would know and this reader does not."""


@dataclass(frozen=True)
class Resource:
    stacks: Stacks
    stack: str
    id: str
    """Its logical id."""
    given: Mapping[str, Any]

    @property
    def place(self) -> str:
        return f"{self.stack}/{self.id}"

    @property
    def type(self) -> str:
        return str(self.given["Type"])

    @cached_property
    def properties(self) -> dict[str, Any]:
        """Resolved."""
        resolved: dict[str, Any] = self.stacks.resolve(self.stack, self.given.get("Properties", {}))
        return resolved

    @cached_property
    def name(self) -> str:
        named = self.given.get("Properties", {}).get(NAMES.get(self.type, ""))
        if named is not None:
            return str(self.stacks.resolve(self.stack, named))
        made = hashlib.sha256(self.place.encode()).hexdigest()[:8]
        if self.type == "AWS::Cognito::UserPool":
            return f"{self.stacks.region}_{made}"
        if self.type in ("AWS::ApiGateway::RestApi", "AWS::Serverless::Api"):
            return f"{made}00"
        return f"{self.stack}-{self.id}".lower()[:54] + f"-{made}"

    @property
    def arn(self) -> str:
        if self.type == "AWS::Lambda::Version":
            return f"{self.properties['FunctionName']}:1"
        if self.type == "AWS::Lambda::Alias":
            function = self.properties["FunctionName"]
            whole = function if function.startswith("arn:") else self._filled(LAMBDA, function)
            return f"{whole}:{self.properties['Name']}"
        if self.type not in ARNS:
            raise Unresolved(f"the ARN of {self.place}, a {self.type}")
        return self._filled(ARNS[self.type], self.name)

    @property
    def ref(self) -> str:
        if self.type == "AWS::SQS::Queue":
            name = f"{self.stacks.account}/{self.name}"
            return f"https://sqs.{self.stacks.region}.amazonaws.com/{name}"
        if self.type in ("AWS::Lambda::Version", "AWS::Lambda::Alias"):
            return self.arn
        return self.arn if self.type in REF_IS_ARN else self.name

    def attribute(self, name: str) -> str:
        if (self.type, name) in ATTRIBUTES:
            return self._filled(ATTRIBUTES[self.type, name], self.name)
        if name == "Version":
            return "1"
        if name in ARN_ATTRIBUTES and not self.type.startswith("Custom::"):
            return self.arn
        # Ids and the like: nothing but equality matters of them.
        return f"{self.name}.{name}"

    def _filled(self, pattern: str, name: str) -> str:
        return pattern.format(region=self.stacks.region, account=self.stacks.account, name=name)


LAMBDA = ARNS["AWS::Lambda::Function"]


class Stacks:
    """`templates`: stack name → template, of one deployment."""

    def __init__(
        self, templates: Mapping[str, Mapping[str, Any]], *, account: str = ACCOUNT,
        region: str = REGION,
    ) -> None:  # fmt: skip
        self.templates = templates
        self.account, self.region = account, region
        self._resources = {
            (stack, logical): Resource(self, stack, logical, given)
            for stack, template in templates.items()
            for logical, given in template.get("Resources", {}).items()
        }

    def of_type(self, *types: str) -> list[Resource]:
        return [r for r in self._resources.values() if r.type in types]

    def all(self) -> list[Resource]:
        return list(self._resources.values())

    def resource(self, stack: str, id: str) -> Resource:
        return self._resources[stack, id]

    def by_name(self, name: str, *types: str) -> Resource:
        """The one resource of these types with this name, ARN or value of Ref."""
        (found,) = (r for r in self.of_type(*types) if name in (r.name, r.ref, _arn(r)))
        return found

    def resolve(self, stack: str, value: Any) -> Any:
        if isinstance(value, list):
            resolved = (self.resolve(stack, part) for part in value)
            return [part for part in resolved if part is not NO_VALUE]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref" or name.startswith("Fn::") or name == "Condition":
                return self._function(stack, name, argument)
        resolved_items = ((key, self.resolve(stack, part)) for key, part in value.items())
        return {key: part for key, part in resolved_items if part is not NO_VALUE}

    def _function(self, stack: str, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self._ref(stack, argument)
            case "Fn::GetAtt":
                dotted = isinstance(argument, str)
                logical, attribute = argument.split(".", 1) if dotted else argument
                return self._resources[stack, logical].attribute(self.resolve(stack, attribute))
            case "Fn::Join":
                separator, parts = argument
                return separator.join(map(str, self.resolve(stack, parts)))
            case "Fn::Sub":
                return self._sub(stack, argument)
            case "Fn::Select":
                number, parts = argument
                return self.resolve(stack, parts)[int(number)]
            case "Fn::Split":
                separator, text = argument
                return self.resolve(stack, text).split(separator)
            case "Fn::ImportValue":
                return self._imported(self.resolve(stack, argument))
            case "Fn::GetAZs":
                return [f"{self.region}{letter}" for letter in "abc"]
            case "Condition":
                # Of a policy's statement, not of CloudFormation.
                return {name: self.resolve(stack, argument)}
        raise Unresolved(f"{name} in {stack}")

    def _ref(self, stack: str, name: str) -> Any:
        pseudo = {
            "AWS::AccountId": self.account,
            "AWS::Region": self.region,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": stack,
            "AWS::NoValue": NO_VALUE,
        }
        if name in pseudo:
            return pseudo[name]
        if (stack, name) in self._resources:
            return self._resources[stack, name].ref
        parameter = self.templates[stack].get("Parameters", {}).get(name)
        if parameter and "Default" in parameter:
            return parameter["Default"]
        raise Unresolved(f"Ref {name} in {stack}")

    def _sub(self, stack: str, argument: Any) -> str:
        text, given = (argument, {}) if isinstance(argument, str) else argument

        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in given:
                return str(self.resolve(stack, given[name]))
            kind = "Fn::GetAtt" if "." in name else "Ref"
            return str(self._function(stack, kind, name))

        return re.sub(r"\$\{([^}]+)\}", value, text)

    def _imported(self, name: str) -> Any:
        for stack, template in self.templates.items():
            for output in template.get("Outputs", {}).values():
                export = output.get("Export", {}).get("Name")
                if export is not None and self.resolve(stack, export) == name:
                    return self.resolve(stack, output["Value"])
        raise Unresolved(f"nothing exports {name}")


NO_VALUE = object()


def _arn(resource: Resource) -> str:
    try:
        return resource.arn
    except Unresolved:
        return ""
