"""Stacks taken down."""

from __future__ import annotations

import time

from chalicelib.errors import ConfigurationError
from infra.commands.account import Account
from infra.commands.telling import Teller


def remove(account: Account, name: str, tell: Teller, *, pause: float) -> None:
    """Delete the stack and wait until it is gone, also where it is going already. Raises
    ConfigurationError with CloudFormation's reasons where it cannot be deleted.

    The role that made it deletes it
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DeleteStack.html)."""
    stack = account.stack(name)
    if not stack:
        return
    # By id it is found also once it is gone, and a new one of its name is not.
    arn = stack["StackId"]
    client = account.client("cloudformation")
    client.delete_stack(StackName=arn)
    told: set[str] = set()
    while stack := account.stack(arn):
        for event in reversed(client.describe_stack_events(StackName=arn)["StackEvents"]):
            if event["EventId"] not in told and event["ResourceStatus"].startswith("DELETE"):
                tell.say(f"  {event['ResourceStatus'].lower()}  {event['LogicalResourceId']}")
            told.add(event["EventId"])
        if stack["StackStatus"] == "DELETE_COMPLETE":
            return
        if stack["StackStatus"] == "DELETE_FAILED":
            reason = stack.get("StackStatusReason", "CloudFormation does not say why")
            raise ConfigurationError(f"The stack {name} could not be deleted: {reason}")
        time.sleep(pause)
