"""The first user: whoever deploys, as the one who may invite all others."""

from __future__ import annotations

import re
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.errors import ConfigurationError
from infra.commands.account import Account

ADMIN = "admin"
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def email_parameter(name: str) -> str:
    return f"/{name}/email"


def check_address(address: str) -> str:
    """`address`. Raises ConfigurationError where it is no e-mail address."""
    if not ADDRESS.fullmatch(address):
        raise ConfigurationError(f"{address!r} is not an e-mail address: set email in CONFIG.")
    return address


def kept_email(account: Account, name: str) -> str:
    """What was answered at the first deployment; "" where nothing was."""
    found = account.client("ssm").get_parameters(Names=[email_parameter(name)])["Parameters"]
    return str(found[0]["Value"]) if found else ""


def keep_email(account: Account, name: str, email: str) -> None:
    """So that it is asked for once, whichever machine deploys next."""
    account.client("ssm").put_parameter(
        Name=email_parameter(name), Value=email, Type="String", Overwrite=True
    )


def forget_email(account: Account, name: str) -> None:
    account.client("ssm").delete_parameters(Names=[email_parameter(name)])


def first_user(account: Account, pool: str, email: str) -> str:
    """Invite `email` and make an admin of it, unless there is an admin; returns what was done.

    Cognito mails a password that is good for seven days
    (https://docs.aws.amazon.com/cognito/latest/developerguide/how-to-create-user-accounts.html).
    """
    cognito = account.client("cognito-idp")
    if admins := _admins(cognito, pool):
        return f"{admins} may invite others"
    invited = _invite(cognito, pool, email)
    cognito.admin_add_user_to_group(UserPoolId=pool, Username=email, GroupName=ADMIN)
    return f"{email} was {'sent a password' if invited else 'there'} and is admin now"


def _admins(cognito: Any, pool: str) -> str:
    """The e-mail addresses of the group, or "" where nobody is in it."""
    users = cognito.list_users_in_group(UserPoolId=pool, GroupName=ADMIN, Limit=3)["Users"]
    return ", ".join(
        next((part["Value"] for part in user["Attributes"] if part["Name"] == "email"), "somebody")
        for user in users
    )


def _invite(cognito: Any, pool: str, email: str) -> bool:
    """Whether the user was not there before."""
    try:
        cognito.admin_create_user(
            UserPoolId=pool,
            Username=email,
            UserAttributes=[
                {"Name": "email", "Value": email},
                {"Name": "email_verified", "Value": "true"},
            ],
            DesiredDeliveryMediums=["EMAIL"],
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "UsernameExistsException":
            return False
        raise
    return True


def forget_everybody(account: Account, pool: str) -> None:
    """Delete the pool, which outlives its stack and is protected; nothing where it is gone."""
    cognito = account.client("cognito-idp")
    try:
        cognito.update_user_pool(UserPoolId=pool, DeletionProtection="INACTIVE")
        cognito.delete_user_pool(UserPoolId=pool)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
