"""Quotas: how much of what the account may run at a time."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import ClientError

from infra.commands.account import Account
from infra.commands.findings import Finding, advice, blocked, fine
from infra.config import Config

SPOT, ON_DEMAND = "L-3819A6DF", "L-DB2E81BA"
"""vCPUs of G and VT instances at a time
(https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html)."""
FARGATE = "L-3032A538"
"""vCPUs of Fargate on demand
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html)."""
CONCURRENCY = "L-B99A9384"
"""Functions running at a time
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""

BESIDE = 10
"""Functions that answer requests while all embedders are at work."""
KEPT_FREE = 100
"""Lambda keeps as many unreserved
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html)."""
NEW_ACCOUNT_MEMORY = 3008
"""MB; what new accounts may give a function, and no API tells
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html)."""
SMALLEST_GPU = 4
"""vCPUs of the smallest instances with a GPU, such as g4dn.xlarge."""


def ask_for(account: Account, service: str, code: str) -> str:
    """The page where a quota is raised."""
    where = f"{account.region}.console.aws.amazon.com/servicequotas/home"
    return f"Ask for more: https://{where}/services/{service}/quotas/{code}"


def functions(config: Config, account: Account) -> Iterator[Finding]:
    limit = account.client("lambda").get_account_settings()["AccountLimit"]
    total, free = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]
    more = ask_for(account, "lambda", CONCURRENCY)
    if config.search_provisioned > max(0, free - KEPT_FREE):
        yield blocked(
            "search_provisioned",
            f"{config.search_provisioned} cannot be kept warm: {free} functions are unreserved, "
            f"and {KEPT_FREE} of them must stay so",
            f"{more}; or set search_provisioned to 0.",
        )
    if total < config.max_concurrency + BESIDE:
        yield advice(
            "Lambda",
            f"{total} functions may run at a time, and embedders alone may take "
            f"{config.max_concurrency}: searches are refused while many photos come in",
            f"{more}; or set max_concurrency lower ({max(2, total - BESIDE)}).",
        )
    else:
        yield fine("Lambda", f"{total} functions may run at a time")
    for key in ("embedder_memory", "search_memory", "api_memory"):
        if getattr(config, key) > NEW_ACCOUNT_MEMORY:
            yield advice(
                key,
                f"{getattr(config, key)} MB; new accounts may give a function "
                f"{NEW_ACCOUNT_MEMORY} only",
                "If the service stack fails for it, ask AWS support, or set it lower.",
            )


def gpus(config: Config, account: Account) -> Iterator[Finding]:
    if not config.gpu:
        return
    spot, on_demand = (_quota(account, "ec2", code) for code in (SPOT, ON_DEMAND))
    best = max(spot, on_demand)
    if best < SMALLEST_GPU:
        remedy = f"{ask_for(account, 'ec2', SPOT)}; or set gpu = false: Fargate does bulk work."
        yield advice("GPUs", f"{best:.0f} vCPUs of instances with GPUs may run", remedy)
    elif spot < SMALLEST_GPU:
        remedy = ask_for(account, "ec2", SPOT)
        yield advice("GPUs", f"none on spot, {on_demand:.0f} vCPUs on demand", remedy)
    elif spot < config.batch_vcpus:
        remedy = f"{ask_for(account, 'ec2', SPOT)}; or set batch_vcpus to {spot:.0f}."
        yield advice(
            "GPUs", f"{spot:.0f} vCPUs on spot; batch_vcpus is {config.batch_vcpus}", remedy
        )
    else:
        yield fine("GPUs", f"{spot:.0f} vCPUs on spot, {on_demand:.0f} on demand")


def fargate(config: Config, account: Account) -> Iterator[Finding]:
    allowed = _quota(account, "fargate", FARGATE)
    if allowed < config.batch_vcpus:
        remedy = ask_for(account, "fargate", FARGATE)
        says = f"{allowed:.0f} vCPUs may run; batch_vcpus is {config.batch_vcpus}"
        yield advice("Fargate", says, remedy)
    else:
        yield fine("Fargate", f"{allowed:.0f} vCPUs may run")


def _quota(account: Account, service: str, code: str) -> float:
    """The account's own value, else AWS's default: a quota that was never changed may have none of
    its own (https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html)."""
    quotas = account.client("service-quotas")
    try:
        found = quotas.get_service_quota(ServiceCode=service, QuotaCode=code)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchResourceException":
            raise
        found = quotas.get_aws_default_service_quota(ServiceCode=service, QuotaCode=code)
    return float(found["Quota"]["Value"])
