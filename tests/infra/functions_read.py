"""The functions of a template, and processes that run them with the environment it gives."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.infra.stacks_read import Resource, Stacks

ROOT = Path(__file__).resolve().parents[2]

DOCKERFILE = ROOT / "container_embedder" / "Dockerfile"

KINDS = ("AWS::Lambda::Function", "AWS::Serverless::Function")


@dataclass(frozen=True)
class Function:
    resource: Resource
    handler: str
    """As "module.name"."""
    environment: dict[str, str]
    role: str
    """Its name or ARN."""

    @property
    def seconds(self) -> int:
        return int(self.resource.properties["Timeout"])


def function_of(resource: Resource) -> Function:
    p = resource.properties
    return Function(
        resource,
        handler=_handler(p),
        environment=dict(p.get("Environment", {}).get("Variables", {})),
        role=p["Role"],
    )


def _handler(properties: Mapping[str, Any]) -> str:
    """Of a container image: what the function says, else the image's own command
    (https://docs.aws.amazon.com/lambda/latest/dg/images-create.html)."""
    if properties.get("PackageType") != "Image":
        return str(properties["Handler"])
    (command,) = properties.get("ImageConfig", {}).get("Command") or image_command()
    return str(command)


def image_command() -> list[str]:
    """The CMD of the Dockerfile's last stage."""
    lines = re.findall(r"^CMD (\[.*\])$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    command: list[str] = json.loads(lines[-1])
    return command


def functions(stacks: Stacks) -> list[Function]:
    """Those of the product: the custom resources' have code of their own."""
    found = [function_of(r) for r in stacks.of_type(*KINDS) if "Role" in r.properties]
    return [f for f in found if "IMAGES_BUCKET" in f.environment]


@dataclass(frozen=True)
class Job:
    """A definition of bulk work."""

    resource: Resource
    environment: dict[str, str]
    role: str
    command: list[str]


def jobs(stacks: Stacks) -> list[Job]:
    """That of Fargate first."""
    found = []
    for resource in stacks.of_type("AWS::Batch::JobDefinition"):
        container = resource.properties["ContainerProperties"]
        environment = {row["Name"]: row["Value"] for row in container["Environment"]}
        command = container["Command"]
        found.append(Job(resource, environment, container["JobRoleArn"], command))
    return sorted(found, key=lambda job: "IMAGES_DEVICE" in job.environment)


# --- processes --------------------------------------------------------------------------------


class Failed(AssertionError):
    """The handler raised."""


class Running:
    """A function's process; `invoke` gives the handler's answer."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def invoke(self, event: Mapping[str, Any]) -> Any:
        to, back = self._process.stdin, self._process.stdout
        assert to
        assert back
        to.write(json.dumps(event) + "\n")
        to.flush()
        line = back.readline()
        if not line:
            raise Failed(f"the process ended: {self._log.read_text()[-3000:]}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["answer"]


def base_environment(region: str) -> dict[str, str]:
    """What any process needs here, whatever the template says."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    credentials = {"AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up"}
    return {**kept, **credentials, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}


def of_lambda(function: Function) -> dict[str, str]:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, and two for
    `invoked`."""
    return {
        "AWS_LAMBDA_FUNCTION_NAME": function.resource.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.resource.properties["MemorySize"]),
        "INVOKED_FUNCTION_ARN": function.resource.arn,
        "INVOKED_SECONDS": str(function.seconds),
    }


@contextmanager
def running(
    function: Function, instead: Mapping[str, str], log: Path, **more: str
) -> Iterator[Running]:
    """With the function's own environment but for `instead`; `more` are not settings."""
    environment = {
        **base_environment(function.resource.stacks.region),
        **of_lambda(function),
        **function.environment,
        **instead,
        **more,
    }
    with log.open("w") as file:
        yield from _process(function.handler, environment, file, log)


def _process(
    handler: str, environment: Mapping[str, str], file: IO[str], log: Path
) -> Iterator[Running]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.infra.invoked", handler],
        cwd=ROOT, env=dict(environment), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file,
    )  # fmt: skip
    with process:
        try:
            yield Running(process, log)
        finally:
            process.kill()
