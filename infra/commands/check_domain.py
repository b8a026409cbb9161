"""OpenSearch: that what was chosen is offered, or that what is there will do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from infra.commands.account import Account
from infra.commands.findings import Finding, blocked, fine
from infra.config import Config

OLDEST = (2, 17)
"""The first that knows all that the index uses (docs/operations.md)."""
SERVICE_ROLE = "AWSServiceRoleForAmazonOpenSearchService"
"""By which a domain gets into a VPC
(https://docs.aws.amazon.com/opensearch-service/latest/developerguide/slr-aos.html)."""


def domain(config: Config, account: Account) -> Iterator[Finding]:
    client = account.client("opensearch")
    if config.opensearch_url:
        yield _existing(config, client)
        return
    version = f"OpenSearch_{config.opensearch_version}"
    known = _versions(client)
    if version not in known:
        newest = ", ".join([name for name in known if name.startswith("OpenSearch_")][:3])
        yield blocked(
            "opensearch_version",
            f"{config.opensearch_version} is not offered in {account.region}",
            f"Set it to one that is: {newest}.",
        )
        return
    details = client.list_instance_type_details(
        EngineVersion=version, InstanceType=config.opensearch_instance
    )["InstanceTypeDetails"]
    if config.opensearch_instance not in [detail["InstanceType"] for detail in details]:
        yield blocked(
            "opensearch_instance",
            f"{config.opensearch_instance} is not offered with {version} in {account.region}",
            "Choose another: https://docs.aws.amazon.com/opensearch-service/latest/developerguide/"
            "supported-instance-types.html",
        )
        return
    yield fine("OpenSearch", f"{version} on {config.opensearch_instance}")
    if config.vpc:
        yield from _in_a_vpc(account)


def _versions(client: Any) -> list[str]:
    """Newest first, Elasticsearch's too."""
    page = client.list_versions()
    known = list(page["Versions"])
    while token := page.get("NextToken"):
        page = client.list_versions(NextToken=token)
        known += page["Versions"]
    return known


def _existing(config: Config, client: Any) -> Finding:
    name = config.opensearch_arn.rsplit("/", 1)[-1]
    try:
        status = client.describe_domain(DomainName=name)["DomainStatus"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return blocked(
            "opensearch_arn", f"there is no domain {name} here", "Name one of this region."
        )
    engine, _, version = status["EngineVersion"].partition("_")
    if engine != "OpenSearch" or tuple(map(int, version.split("."))) < OLDEST:
        least = ".".join(map(str, OLDEST))
        return blocked(
            "opensearch_arn", f"{name} is {status['EngineVersion']}", f"{least} is needed."
        )
    return fine("OpenSearch", f"{name}, {status['EngineVersion']}, is there")


def _in_a_vpc(account: Account) -> Iterator[Finding]:
    try:
        account.client("iam").get_role(RoleName=SERVICE_ROLE)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        yield blocked(
            "vpc",
            f"the role {SERVICE_ROLE} is missing",
            "Run `aws iam create-service-linked-role "
            "--aws-service-name opensearchservice.amazonaws.com`.",
        )
