"""Why a rule of AWS Solutions (cdk-nag) is not followed somewhere: each time with its reason.

Every synthesis checks all rules; one that is broken without a word here is an error.
"""

from __future__ import annotations

from aws_cdk import Acknowledgment, Aws, Validations
from constructs import IConstruct


def explain(construct: IConstruct, rule: str, reason: str, *, finding: str = "") -> None:
    """`rule` is such as "S1"; `finding` is the part that some rules put in brackets."""
    known_as = f"AwsSolutions::AwsSolutions-{rule}" + (f"[{finding}]" if finding else "")
    Validations.of(construct).acknowledge(Acknowledgment(id=known_as, reason=reason))


def explain_resource(construct: IConstruct, resource: str, reason: str) -> None:
    """A policy's resource that ends in a wildcard."""
    for token, name in (
        (Aws.PARTITION, "<AWS::Partition>"),
        (Aws.REGION, "<AWS::Region>"),
        (Aws.ACCOUNT_ID, "<AWS::AccountId>"),
    ):
        resource = resource.replace(token, name)
    explain(construct, "IAM5", reason, finding=f"Resource::{resource}")
