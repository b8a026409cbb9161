"""`preflight`: what the account lacks for this deployment, each with how to get it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from botocore.exceptions import BotoCoreError, ClientError

from infra.commands import check_bucket, check_domain, check_limits, check_machine, check_rights
from infra.commands.account import Account
from infra.commands.findings import Finding, advice, fine
from infra.config import Config

Check = Callable[[Config, Account], Iterator[Finding]]

CHECKS: tuple[tuple[str, Check], ...] = (
    ("e-mail", check_machine.email),
    ("regions", check_machine.regions),
    ("rights of who deploys", check_rights.rights),
    ("CDK bootstrap", check_machine.bootstrap),
    ("Docker", check_machine.engine),
    ("Lambda", check_limits.functions),
    ("GPUs", check_limits.gpus),
    ("Fargate", check_limits.fargate),
    ("OpenSearch", check_domain.domain),
    ("bucket", check_bucket.bucket),
)


def look(config: Config, account: Account) -> list[Finding]:
    """What was found, in a fixed order. Nothing is changed."""
    findings = [fine("account", f"{account.id}, {account.region}, as {account.arn}")]
    for what, check in CHECKS:
        try:
            findings.extend(check(config, account))
        except (ClientError, BotoCoreError) as error:
            findings.append(
                advice(what, f"could not be looked at: {error}", "Look at it by hand, or go on.")
            )
    return findings
