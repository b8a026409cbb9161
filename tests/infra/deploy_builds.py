"""CodeBuild and the repository that its images go to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from infra.commands.account import Account


def put(account: Account, repository: str, tag: str) -> None:
    """An image in the repository; its manifest is all that there is of it."""
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": kind, "config": {}, "layers": [], "tag": tag}
    )
    account.client("ecr").put_image(repositoryName=repository, imageManifest=manifest, imageTag=tag)


class Builds:
    """CodeBuild as it answers, with the fields that are read; a build goes one phase further
    each time it is looked at. moto's are done as soon as they are started."""

    def __init__(self) -> None:
        self.end = "SUCCEEDED"
        self.builds: dict[str, dict[str, Any]] = {}
        self.started: list[dict[str, Any]] = []
        self.on_end: Callable[[str], None] = lambda _image: None

    def answer(self, target: str, _method: str, given: dict[str, Any]) -> Any:
        return getattr(self, target.split(".")[1])(given)

    def StartBuild(self, given: dict[str, Any]) -> Any:
        self.started.append(given)
        build = {
            "id": f"mine-images:{len(self.builds)}",
            "buildStatus": "IN_PROGRESS",
            "currentPhase": "SUBMITTED",
            "environment": {"environmentVariables": given["environmentVariablesOverride"]},
            "logs": {"deepLink": "https://console"},
        }
        self.builds[build["id"]] = build
        return {"build": build}

    def ListBuildsForProject(self, _given: dict[str, Any]) -> Any:
        return {"ids": list(self.builds)[::-1]}

    def BatchGetBuilds(self, given: dict[str, Any]) -> Any:
        for build in (self.builds[name] for name in given["ids"]):
            if build["currentPhase"] == "SUBMITTED":
                build["currentPhase"] = "BUILD"
                build["logs"] |= {"groupName": "builds", "streamName": "1"}
            elif build["currentPhase"] == "BUILD":
                build |= {"currentPhase": "COMPLETED", "buildStatus": self.end}
                self.on_end(_image_of(build))
        return {"builds": [self.builds[name] for name in given["ids"]]}


def _image_of(build: dict[str, Any]) -> str:
    variables = build["environment"]["environmentVariables"]
    return next(str(v["value"]) for v in variables if v["name"] == "IMAGE")
