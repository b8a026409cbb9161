"""Images built by CodeBuild: the build context goes to a bucket, the image to the repository."""

from __future__ import annotations

import shlex
import stat
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.errors import ConfigurationError
from infra.commands.account import Account
from infra.commands.telling import Teller

if TYPE_CHECKING:
    from infra.commands.images import Wanted

ALWAYS = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the archive, so that what is the same makes the same archive."""
KNOWN = 100
"""So many builds are asked for at a time
(https://docs.aws.amazon.com/codebuild/latest/APIReference/API_BatchGetBuilds.html)."""

MACHINES = {
    "linux/amd64": ("LINUX_CONTAINER", "aws/codebuild/amazonlinux-x86_64-standard:5.0"),
    "linux/arm64": ("ARM_CONTAINER", "aws/codebuild/amazonlinux-aarch64-standard:3.0"),
}
"""Each builds for its own processor
(https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html)."""


def build(
    account: Account, wanted: Wanted, outputs: dict[str, str], tell: Teller, *, pause: float
) -> None:
    """Start a build, or join the one that an interrupted run has left behind, and follow it.
    Raises ConfigurationError where it fails, with the last lines of its log told before."""
    project, bucket = outputs["BuildProject"], outputs["SourceBucket"]
    client = account.client("codebuild")
    image = f"{outputs['Repository']}:{wanted.tag}"
    build_id = _running(client, project, image)
    if build_id:
        tell.say("  joining the build that is under way")
    else:
        key = f"{wanted.tag}.zip"
        _upload(account, bucket, key, wanted.folder)
        build_id = _start(client, project, f"{bucket}/{key}", image, wanted)
    _follow(account, client, build_id, tell, pause)


def archive(folder: Path, target: Path) -> None:
    """A zip of all below `folder`, with the files' modes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as written:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), ALWAYS)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (stat.S_IFREG | stat.S_IMODE(path.stat().st_mode)) << 16
            with path.open("rb") as source, written.open(entry, "w", force_zip64=True) as sink:
                while chunk := source.read(1 << 20):
                    sink.write(chunk)


def _upload(account: Account, bucket: str, key: str, folder: Path) -> None:
    """An object is there whole or not at all, and its key says what is in it: once is enough."""
    s3 = account.client("s3")
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        with tempfile.TemporaryDirectory() as work:
            archive(folder, Path(work) / "context.zip")
            s3.upload_file(str(Path(work) / "context.zip"), bucket, key)


def _running(client: Any, project: str, image: str) -> str:
    """The id of a build of this image that has not ended, or ""."""
    ids = client.list_builds_for_project(projectName=project, sortOrder="DESCENDING")["ids"]
    if not ids:
        return ""
    for build in client.batch_get_builds(ids=ids[:KNOWN])["builds"]:
        variables = build.get("environment", {}).get("environmentVariables", [])
        if (
            build["buildStatus"] == "IN_PROGRESS"
            and {"IMAGE": image}.items()
            <= {variable["name"]: variable["value"] for variable in variables}.items()
        ):
            return str(build["id"])
    return ""


def _start(client: Any, project: str, source: str, image: str, wanted: Wanted) -> str:
    kind, machine = MACHINES[wanted.platform]
    variables = {"IMAGE": image, "ARGUMENTS": shlex.join(wanted.arguments)}
    started = client.start_build(
        projectName=project,
        sourceTypeOverride="S3",
        sourceLocationOverride=source,
        environmentTypeOverride=kind,
        imageOverride=machine,
        environmentVariablesOverride=[
            {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
        ],
    )
    return str(started["build"]["id"])


def _follow(account: Account, client: Any, build_id: str, tell: Teller, pause: float) -> None:
    phase, token = "", ""
    while True:
        build = client.batch_get_builds(ids=[build_id])["builds"][0]
        if build.get("currentPhase", "") != phase:
            phase = build["currentPhase"]
            tell.say(f"  CodeBuild: {phase.lower().replace('_', ' ')}")
        token = _tell_log(account, build.get("logs", {}), token, tell)
        if build["buildStatus"] != "IN_PROGRESS":
            break
        time.sleep(pause)
    if build["buildStatus"] != "SUCCEEDED":
        where = build.get("logs", {}).get("deepLink", "CodeBuild's console")
        raise ConfigurationError(
            f"The build {build_id} ended as {build['buildStatus'].lower()}; its whole log: {where}"
        )


def _tell_log(account: Account, logs: dict[str, Any], token: str, tell: Teller) -> str:
    """Say the lines since `token`; returns the next one."""
    if not logs.get("groupName") or not logs.get("streamName"):
        return token
    more = {"nextToken": token} if token else {"startFromHead": True}
    try:
        page = account.client("logs").get_log_events(
            logGroupName=logs["groupName"], logStreamName=logs["streamName"], **more
        )
    except ClientError as error:
        # The stream comes with its first line.
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return token
    for event in page["events"]:
        tell.say(f"    {event['message'].rstrip()}")
    return str(page["nextForwardToken"])
