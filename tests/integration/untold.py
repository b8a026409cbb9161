"""A library whose photos no event told of: what a reconcile finds at first."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from chalicelib import wiring
from local.stack import Stack
from tests.integration.local_stack import environment
from tests.integration.pictures import jpeg


@contextmanager
def untold_photos(data: Path, model: Path, count: int) -> Iterator[wiring.Services]:
    """Over the S3 server of the one-machine stack, with photos "a/0.jpg" and on."""
    stack = Stack(data, model)
    services = wiring.build(stack.start_storage())
    for number in range(count):
        services.bucket.put(f"a/{number}.jpg", jpeg(number), "image/jpeg")
    yield services
    services.close()
    stack.stop()


def start(services: wiring.Services, *arguments: str, endpoint: str = "") -> subprocess.Popen[str]:
    """A job that reconciles, with S3 at `endpoint` where one is given."""
    settings = replace(services.settings, endpoint=endpoint or services.settings.endpoint)
    command = [sys.executable, "-m", "container_embedder.batch_job", "reconcile", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(**settings.environment()),
    )  # fmt: skip


def finished(job: subprocess.Popen[str]) -> dict[str, Any]:
    """What a job reports at its end."""
    answer, said = job.communicate(timeout=240)
    assert job.returncode == 0, said
    report: dict[str, Any] = json.loads(answer)
    return report
