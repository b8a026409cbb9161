"""The AWS account that is deployed to, as the credentials of this shell see it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from chalicelib.errors import ConfigurationError
from infra.config import Config

HOW_TO_SIGN_IN = (
    "Sign in with `aws sso login` or `aws configure`, and name the profile with AWS_PROFILE "
    "(https://docs.aws.amazon.com/cli/latest/userguide/cli-chap-authentication.html)."
)
PATIENCE = ClientConfig(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=10)


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    region: str
    arn: str
    """Of who is signed in."""
    session: boto3.Session

    @classmethod
    def of(cls, config: Config) -> Account:
        """The account and region of `config`, where it names them, else of the environment.

        Raises ConfigurationError without credentials, without a region, and where the credentials
        are another account's than `config` names.
        """
        # boto3 knows AWS_DEFAULT_REGION only; AWS's command line takes this one first
        # (https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html).
        region = config.region or os.environ.get("AWS_REGION") or None
        session = boto3.Session(region_name=region)
        if not session.region_name:
            raise ConfigurationError("No region is chosen: set region in CONFIG, or AWS_REGION.")
        try:
            caller = session.client("sts", config=PATIENCE).get_caller_identity()
        except NoCredentialsError as error:
            raise ConfigurationError(f"There are no AWS credentials. {HOW_TO_SIGN_IN}") from error
        except (BotoCoreError, ClientError) as error:
            raise ConfigurationError(
                f"AWS does not know who asks: {error} {HOW_TO_SIGN_IN}"
            ) from error
        if config.account and caller["Account"] != config.account:
            raise ConfigurationError(
                f"The credentials are of account {caller['Account']}, and CONFIG names "
                f"{config.account}: choose another profile with AWS_PROFILE."
            )
        return cls(caller["Account"], session.region_name, caller["Arn"], session)

    def client(self, service: str, *, region: str = "") -> Any:
        """A boto3 client; `region`: another than that of the deployment."""
        return self.session.client(service, region_name=region or self.region, config=PATIENCE)

    def settle(self, config: Config) -> Config:
        """`config` with this account and region written out."""
        return replace(config, account=self.id, region=self.region)

    def stack(self, name: str) -> dict[str, Any] | None:
        """CloudFormation's description of a stack; None: there is none."""
        try:
            found = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            # It has no code of its own for that
            # (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html).
            if "does not exist" in str(error):
                return None
            raise
        stack: dict[str, Any] = found[0]
        return stack

    def outputs(self, *stacks: str) -> dict[str, str]:
        """The outputs of the stacks that are there, by name."""
        found: dict[str, str] = {}
        for name in stacks:
            for output in (self.stack(name) or {}).get("Outputs", []):
                # What the CDK passes from stack to stack is nobody else's.
                if not output["OutputKey"].startswith("ExportsOutput"):
                    found[output["OutputKey"]] = output["OutputValue"]
        return found


def outputs_of(account: Account, config: Config) -> dict[str, str]:
    """Of all stacks of a deployment."""
    return account.outputs(config.data_stack, config.builds_stack, config.service_stack)
