"""Container images: built where there is an engine, else by CodeBuild; each once, since its tag is
the hash of what goes into it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from chalicelib.errors import ConfigurationError
from infra.commands import codebuild, docker
from infra.commands.account import Account
from infra.commands.telling import Teller


@dataclass(frozen=True, slots=True)
class Wanted:
    """One image: how the stacks ask for its tag, and how it is built."""

    context_key: str
    tag: str
    folder: Path
    """The build context."""
    arguments: tuple[str, ...]
    """What follows `docker build`, but for `--tag` and the context's path."""
    platform: str
    """Such as `linux/amd64`."""


def is_there(account: Account, repository: str, tag: str) -> bool:
    """Whether the repository (its URI) has an image of that tag."""
    try:
        account.client("ecr").describe_images(
            repositoryName=repository.split("/", 1)[1], imageIds=[{"imageTag": tag}]
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "ImageNotFoundException":
            return False
        raise
    return True


def build(
    account: Account, wanted: Wanted, outputs: dict[str, str], tell: Teller, *, pause: float
) -> None:
    """Have the image in the repository. Raises ConfigurationError where it cannot be built."""
    repository = outputs["Repository"]
    if is_there(account, repository, wanted.tag):
        tell.say(f"  {wanted.tag} is in the repository already")
        return
    if docker.builds(wanted.platform):
        tell.say(f"  {wanted.tag}: built here")
        docker.build_and_push(account, wanted, repository)
        return
    tell.say(f"  {wanted.tag}: built by CodeBuild, as no engine here builds {wanted.platform}")
    try:
        codebuild.build(account, wanted, outputs, tell, pause=pause)
    except ConfigurationError:
        # Another run's build of the same tag came first: the repository takes a tag once.
        if not is_there(account, repository, wanted.tag):
            raise
