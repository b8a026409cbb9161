"""Images built by a Docker engine of this machine."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from chalicelib.errors import ConfigurationError
from infra.commands.account import Account

if TYPE_CHECKING:
    from infra.commands.images import Wanted

PLATFORMS = {"x86_64": "linux/amd64", "amd64": "linux/amd64"} | dict.fromkeys(
    ("aarch64", "arm64"), "linux/arm64"
)
SECONDS = 20
"""An engine that takes longer to say what it is, is none that builds."""


def builds(platform: str) -> bool:
    """Whether an engine answers that builds for `platform`, by itself or by emulation."""
    if not shutil.which("docker"):
        return False
    native = _asked("docker", "info", "--format", "{{.Architecture}}")
    if native is None:
        return False
    if PLATFORMS.get(native.strip()) == platform:
        return True
    known = _asked("docker", "buildx", "inspect", "--bootstrap") or ""
    line = next((line for line in known.splitlines() if line.startswith("Platforms:")), "")
    return platform in line.removeprefix("Platforms:").replace("*", "").replace(",", " ").split()


def build_and_push(account: Account, wanted: Wanted, repository: str) -> None:
    """Raises ConfigurationError where a step of Docker's fails; it has said why on stderr."""
    image = f"{repository}:{wanted.tag}"
    _run("docker", "build", *wanted.arguments, "--tag", image, str(wanted.folder))
    token = account.client("ecr").get_authorization_token()["authorizationData"][0]
    user, password = base64.b64decode(token["authorizationToken"]).decode().split(":", 1)
    registry = repository.split("/", 1)[0]
    _run("docker", "login", "--username", user, "--password-stdin", registry, given=password)
    _run("docker", "push", image)


def _asked(*command: str) -> str | None:
    """What the command says; None where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 and done.stdout.strip() else None


def _run(*command: str, given: str = "") -> None:
    done = subprocess.run(command, input=given, text=True, stdout=sys.stderr.fileno(), check=False)
    if done.returncode:
        raise ConfigurationError(f"`{' '.join(command[:2])}` ended with {done.returncode}.")
