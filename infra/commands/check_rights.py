"""Whether who deploys may do what deploying needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from infra.commands.account import Account
from infra.commands.findings import Finding, advice, fine
from infra.config import Config

NEEDED = (
    "sts:AssumeRole",
    "cloudformation:DescribeStacks",
    "cloudfront:CreateInvalidation",
    "codebuild:StartBuild",
    "codebuild:BatchGetBuilds",
    "codebuild:ListBuildsForProject",
    "cognito-idp:AdminAddUserToGroup",
    "cognito-idp:AdminCreateUser",
    "cognito-idp:ListUsersInGroup",
    "ecr:DescribeImages",
    "ecr:GetAuthorizationToken",
    "logs:GetLogEvents",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
    "ssm:GetParameter",
    "ssm:GetParameters",
    "ssm:PutParameter",
)
"""What the command does itself. The stacks are made by the roles of the CDK's bootstrap, which
whoever deploys must be able to assume
(https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html)."""

ASSUMED = re.compile(
    r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/"
)


def rights(_config: Config, account: Account) -> Iterator[Finding]:
    what = "rights of who deploys"
    try:
        denied = _denied(account)
    except (ClientError, ResponseParserError) as error:
        remedy = f"Needed are {', '.join(NEEDED)}, and for the bootstrap an administrator's rights."
        yield advice(what, f"could not be looked at: {error}", remedy)
        return
    if denied:
        # No more than advice: rights on certain resources only look the same here.
        remedy = "Ask who administers the account, where they are not given on this deployment."
        yield advice(what, f"not allowed on everything: {', '.join(denied)}", remedy)
    else:
        yield fine(what, f"{len(NEEDED)} actions are allowed")


def _denied(account: Account) -> list[str]:
    arn = account.arn
    if arn.endswith(":root"):
        return []
    if assumed := ASSUMED.match(arn):
        # Policies hang on the role, and a session's ARN lacks the role's path.
        found = account.client("iam").get_role(RoleName=assumed["role"])
        arn = found["Role"]["Arn"]
    answer = account.client("iam").simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=list(NEEDED)
    )
    return [
        result["EvalActionName"]
        for result in answer["EvaluationResults"]
        if result["EvalDecision"] != "allowed"
    ]
