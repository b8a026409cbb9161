"""Who has which rights in a deployment: the policies of its roles and of its resources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from tests.infra.policies import Decision, Request, Statement, Unsupported, decide, parse
from tests.infra.stacks_read import Resource, Stacks


class Rights:
    """Of all roles and resources of the stacks."""

    def __init__(self, stacks: Stacks) -> None:
        self.stacks = stacks

    def decide(self, caller: str, action: str, resource: str, **context: str) -> Decision:
        """`caller`: a role's name or ARN, or a service; condition keys with __ for the colon."""
        arn = caller
        own: Sequence[Statement] = ()
        if ".amazonaws.com" not in caller:
            role = self.role(caller)
            arn, own = role.arn, self.of_role(role)
        keys = {key.replace("__", ":"): value for key, value in context.items()}
        return decide(Request(arn, action, resource, keys), own, self.of_resource(resource))

    def role(self, name: str) -> Resource:
        return self.stacks.by_name(name, "AWS::IAM::Role")

    def of_role(self, role: Resource) -> list[Statement]:
        """Those of its own policies, and of those that any stack attaches to it."""
        return self._by_role[role.name]

    @cached_property
    def _by_role(self) -> dict[str, list[Statement]]:
        found = {role.name: list(_inline(role)) for role in self.stacks.of_type("AWS::IAM::Role")}
        for policy in self.stacks.of_type("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            document = policy.properties["PolicyDocument"]
            for name in policy.properties.get("Roles", []):
                found[name] += parse(document, policy.place, of_resource=False)
            if {"Users", "Groups"} & set(policy.properties):
                raise Unsupported(f"{policy.place} is of a user or group")
        return found

    def of_resource(self, arn: str) -> list[Statement]:
        """Those of the policy of the resource that `arn` names, or is in."""
        whole = arn.split("/")[0] if arn.startswith("arn:aws:s3:") else arn
        if arn.startswith("arn:aws:es:"):
            whole = "/".join(arn.split("/")[:2])
        return self._by_resource.get(whole, [])

    @cached_property
    def _by_resource(self) -> dict[str, list[Statement]]:
        found: dict[str, list[Statement]] = {}
        for arn, document, place in self._documents():
            found.setdefault(arn, []).extend(parse(document, place, of_resource=True))
        for permission in self.stacks.of_type("AWS::Lambda::Permission"):
            statement = _of_permission(permission)
            (arn,) = statement.resources
            found.setdefault(arn, []).append(statement)
        return found

    def _documents(self) -> Iterator[tuple[str, Any, str]]:
        """(ARN of the resource, policy, where it stands)."""
        for r in self.stacks.of_type("AWS::S3::BucketPolicy"):
            yield f"arn:aws:s3:::{r.properties['Bucket']}", r.properties["PolicyDocument"], r.place
        for r in self.stacks.of_type("AWS::SQS::QueuePolicy"):
            for url in r.properties["Queues"]:
                queue = self.stacks.by_name(url, "AWS::SQS::Queue")
                yield queue.arn, r.properties["PolicyDocument"], r.place
        for r in self.stacks.of_type("AWS::SNS::TopicPolicy"):
            for arn in r.properties["Topics"]:
                yield arn, r.properties["PolicyDocument"], r.place
        for r in self.stacks.of_type("AWS::OpenSearchService::Domain"):
            if "AccessPolicies" in r.properties:
                yield r.arn, r.properties["AccessPolicies"], r.place
        for r in self.stacks.of_type("AWS::KMS::Key"):
            yield r.arn, r.properties["KeyPolicy"], r.place
        for r in self.stacks.of_type("AWS::ECR::Repository"):
            if "RepositoryPolicyText" in r.properties:
                yield r.arn, r.properties["RepositoryPolicyText"], r.place

    def every_statement(self) -> list[Statement]:
        """Of all policies, those of trust too."""
        found = [s for statements in self._by_role.values() for s in statements]
        found += [s for statements in self._by_resource.values() for s in statements]
        for role in self.stacks.of_type("AWS::IAM::Role"):
            found += trusted(role)
        return found


def trusted(role: Resource) -> list[Statement]:
    """Who may become the role."""
    return parse(role.properties["AssumeRolePolicyDocument"], role.place, of_resource=True)


def _inline(role: Resource) -> Iterator[Statement]:
    for policy in role.properties.get("Policies", []):
        place = f"{role.place} {policy['PolicyName']}"
        yield from parse(policy["PolicyDocument"], place, of_resource=False)


def _of_permission(permission: Resource) -> Statement:
    """A Lambda permission is one statement of its function's policy
    (https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html)."""
    p = permission.properties
    if extra := set(p) - {"Action", "FunctionName", "Principal", "SourceArn", "SourceAccount"}:
        raise Unsupported(f"{permission.place}: {', '.join(sorted(extra))}")
    function = permission.stacks.by_name(
        p["FunctionName"],
        "AWS::Lambda::Function",
        "AWS::Lambda::Alias",
        "AWS::Lambda::Version",
        "AWS::Serverless::Function",
    )
    condition: dict[str, dict[str, str]] = {}
    if "SourceArn" in p:
        condition["ArnLike"] = {"aws:SourceArn": p["SourceArn"]}
    if "SourceAccount" in p:
        condition["StringEquals"] = {"aws:SourceAccount": p["SourceAccount"]}
    kind = "Service" if ".amazonaws.com" in p["Principal"] else "AWS"
    document = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": p["Action"],
            "Principal": {kind: p["Principal"]},
            "Resource": function.arn,
            "Condition": condition,
        },
    }
    (statement,) = parse(document, permission.place, of_resource=True)
    return statement
