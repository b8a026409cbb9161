"""Child processes of the stack, and the lines they speak."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chalicelib.errors import Transient

ROOT = Path(__file__).resolve().parent.parent

Line = dict[str, Any]


class Process:
    """A child of ours: ends with us, speaks JSON lines, logs to a file."""

    def __init__(self, module: str, arguments: list[str], log: Path) -> None:
        with log.open("ab") as errors:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                cwd=ROOT,
                text=True,
            )
        self.module = module
        self.log = log
        self._reader: threading.Thread | None = None

    def first(self) -> Line:
        """The first line; raises `Transient` when the process ends before it speaks."""
        assert self.popen.stdout
        while text := self.popen.stdout.readline():
            if (line := _parsed(text)) is not None:
                return line
        self.popen.wait()
        raise Transient(f"{self.module} did not start; see {self.log}.")

    def listen(self, hear: Callable[[Line], None]) -> None:
        def read() -> None:
            assert self.popen.stdout
            for text in self.popen.stdout:
                if (line := _parsed(text)) is not None:
                    hear(line)

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            assert self.popen.stdin
            self.popen.stdin.close()
        try:
            self.popen.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        if self._reader:
            self._reader.join(timeout=3)
        if self.popen.stdout and not (self._reader and self._reader.is_alive()):
            self.popen.stdout.close()


def _parsed(text: str) -> Line | None:
    """A line of ours; whatever else a library prints is passed over."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and "event" in line else None


def answers(url: str, seconds: float = 30) -> bool:
    """Whether something listens at that address."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=seconds).close()
    except OSError:
        return False
    return True


def leave_aws_alone() -> None:
    """Never the user's own AWS account, whatever their shell has set."""
    for name in [n for n in os.environ if n.startswith(("AWS_", "IMAGES_"))]:
        del os.environ[name]
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # A proxy of the user's has no business between parts of one machine.
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
