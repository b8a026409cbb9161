"""The same by Docker: `compose.yaml`, as a project of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys

from chalicelib.errors import Transient
from local.processes import ROOT


def has_docker() -> bool:
    """Whether a Docker engine runs here that `docker compose` can talk to."""
    if shutil.which("docker") is None:
        return False
    return all(_succeeds("docker", *words) for words in (("compose", "version"), ("info",)))


def pull() -> None:
    """Have the image here. Raises Transient."""
    _compose("pull", "--quiet", "--policy", "missing", project="image-intellisense", port=0)


class DockerNode:
    """A container on a free port of 127.0.0.1, removed with its data by `stop`. Unlike
    `OpenSearchNode` it outlives a starter that is killed."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.project = f"image-intellisense-{os.getpid()}-{self.port}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns once it answers; after `kill` with the same port and data."""
        print("Starting OpenSearch by docker compose …", file=sys.stderr)
        self._compose("up", "--detach", "--wait")

    def stop(self) -> None:
        self._compose("down", "--volumes")

    def kill(self) -> None:
        self._compose("kill", "--signal", "SIGKILL", "opensearch")

    def _compose(self, *words: str) -> None:
        _compose(*words, project=self.project, port=self.port)


def compose_command(*words: str, project: str) -> list[str]:
    file = str(ROOT / "compose.yaml")
    return ["docker", "compose", "--file", file, "--project-name", project, *words]


def _compose(*words: str, project: str, port: int) -> None:
    done = subprocess.run(
        compose_command(*words, project=project),
        env={**os.environ, "OPENSEARCH_PORT": str(port)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise Transient(f"docker compose {words[0]} did not work: {done.stderr[-1000:]}")


def _succeeds(*command: str) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
