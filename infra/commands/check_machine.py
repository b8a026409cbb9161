"""What is given on this side: addresses, regions, the CDK's own resources, Docker."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import ClientError

from chalicelib.errors import ConfigurationError
from infra.commands import docker, users
from infra.commands.account import Account
from infra.commands.findings import Finding, advice, blocked, fine
from infra.config import Config

BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"
LEAST_BOOTSTRAP = 8
"""What the stacks of aws-cdk-lib 2.275 ask for, lookups included
(`requiresBootstrapStackVersion` in the assembly's manifest.json)."""

CLOUDFRONT_HOME = "us-east-1"
"""Where certificates and web ACLs of CloudFront are
(https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cnames-and-https-requirements.html)."""


def email(config: Config, account: Account) -> Iterator[Finding]:
    if not config.email:
        if config.auth == "cognito" and not users.kept_email(account, config.name):
            yield advice("e-mail", "none is set", "It is asked for once; or set email in CONFIG.")
        return
    try:
        yield fine("e-mail", users.check_address(config.email))
    except ConfigurationError as error:
        yield blocked("e-mail", error.message, "Set email in CONFIG to an address you can read.")


def regions(config: Config, _account: Account) -> Iterator[Finding]:
    for key in ("certificate_arn", "web_acl_arn"):
        arn = getattr(config, key)
        if arn and arn.split(":")[3] != CLOUDFRONT_HOME:
            yield blocked(
                key,
                f"{arn} is not in {CLOUDFRONT_HOME}",
                "CloudFront takes those of us-east-1 only.",
            )


def bootstrap(_config: Config, account: Account) -> Iterator[Finding]:
    what = "CDK bootstrap"
    again = f"`npx aws-cdk@2.1148.1 bootstrap aws://{account.id}/{account.region}`"
    try:
        found = account.client("ssm").get_parameter(Name=BOOTSTRAP_VERSION)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        yield advice(what, "is not there", "`make deploy` makes it, after asking.")
        return
    version = int(found["Parameter"]["Value"])
    if version < LEAST_BOOTSTRAP:
        yield blocked(
            what, f"is of version {version}; {LEAST_BOOTSTRAP} is needed", f"Run {again}."
        )
        return
    bucket = f"cdk-hnb659fds-assets-{account.id}-{account.region}"
    try:
        account.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        # It stays behind as a stack only, when somebody deletes the bucket by hand.
        remedy = f"Delete the stack CDKToolkit, then run {again}."
        yield blocked(what, f"is there, but its bucket {bucket} is not", remedy)
        return
    yield fine(what, f"version {version}")


def engine(config: Config, _account: Account) -> Iterator[Finding]:
    platform = "linux/arm64" if config.architecture == "arm64" else "linux/amd64"
    if docker.builds(platform):
        yield fine("Docker", f"builds {platform} here")
    else:
        yield fine("Docker", f"no engine here builds {platform}: CodeBuild will")
