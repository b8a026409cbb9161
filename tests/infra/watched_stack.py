"""The construct of what watches a deployment, alone in a stack, with names that can be read."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from infra import node

node.choose()

import aws_cdk as cdk  # noqa: E402
from cdk_nag import AwsSolutionsChecks  # noqa: E402

from infra.config import Config  # noqa: E402
from infra.parts.measured import Watched  # noqa: E402
from infra.parts.monitoring import Monitoring  # noqa: E402

WATCHED = Watched(
    namespace="our-photos",
    queue="ingest",
    dead_letters="letters",
    functions={"embedder": "f-embedder", "search": "f-search", "api": "f-api"},
    memory_mb={"embedder": 3008, "search": 1769, "api": 512},
    api="our-photos",
    stage="api",
    domain="our-photos",
    photos="photos",
)
LOGS = ("log-embedder", "log-search", "log-api", "log-batch")
QUEUE = "arn:aws:batch:eu-west-1:123456789012:job-queue/cpu"


class Asked(NamedTuple):
    """A metric that something asks for."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


@functools.cache
def folder(config: Config, ours: bool = True) -> Path:
    """The cloud assembly. The domain is `ours`, or somebody else's."""
    app = cdk.App(outdir=tempfile.mkdtemp(prefix="watched-"), analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    stack = cdk.Stack(
        app, "watched", env=cdk.Environment(account="123456789012", region="eu-west-1")
    )
    known = replace(WATCHED, domain=WATCHED.domain if ours else None)
    Monitoring(
        stack, "Monitoring", config=config, watched=known, log_groups=LOGS, job_queues=[QUEUE]
    )
    return Path(app.synth().directory)


def template(config: Config, ours: bool = True) -> dict[str, Any]:
    text = (folder(config, ours) / "watched.template.json").read_text()
    made: dict[str, Any] = json.loads(text)
    return made


def of_kind(made: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The properties of all resources of a type."""
    return [r["Properties"] for r in made["Resources"].values() if r["Type"] == kind]


def alarms(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By what they are called after the deployment's name."""
    found = of_kind(made, "AWS::CloudWatch::Alarm")
    return {alarm["AlarmName"].partition(": ")[2]: alarm for alarm in found}


def metrics_of(alarm: dict[str, Any]) -> Iterator[tuple[Asked, str]]:
    """(metric, statistic) of all that an alarm looks at."""
    if "MetricName" in alarm:
        yield _asked(alarm), alarm.get("Statistic") or alarm["ExtendedStatistic"]
    for part in alarm.get("Metrics", []):
        if "MetricStat" in part:
            yield _asked(part["MetricStat"]["Metric"]), part["MetricStat"]["Stat"]


def period_of(alarm: dict[str, Any]) -> int:
    """In seconds."""
    return int(
        alarm["Period"] if "Period" in alarm else alarm["Metrics"][0]["MetricStat"]["Period"]
    )


def _asked(about: dict[str, Any]) -> Asked:
    dimensions = sorted((d["Name"], str(d["Value"])) for d in about.get("Dimensions", []))
    return Asked(about["Namespace"], about["MetricName"], tuple(dimensions))


def page(made: dict[str, Any]) -> list[dict[str, Any]]:
    """The dashboard's widgets."""
    (found,) = of_kind(made, "AWS::CloudWatch::Dashboard")
    body = found["DashboardBody"]
    if isinstance(body, dict):
        parts = body["Fn::Join"][1]
        body = "".join(part if isinstance(part, str) else "REFERENCE" for part in parts)
    widgets: list[dict[str, Any]] = json.loads(body)["widgets"]
    return widgets


def metrics_on(widget: dict[str, Any]) -> Iterator[Asked]:
    """As the page's own notation has them, "." for what stands in the same place a row before
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html)."""
    before: list[str] = []
    for row in widget.get("properties", {}).get("metrics", []):
        names = [part for part in row if isinstance(part, str)]
        if not names:
            continue
        names = [before[n] if name == "." else name for n, name in enumerate(names)]
        before = names
        pairs = sorted(zip(names[2::2], names[3::2], strict=True))
        yield Asked(names[0], names[1], tuple(pairs))


def searches_on(widget: dict[str, Any]) -> Iterator[str]:
    for row in widget.get("properties", {}).get("metrics", []):
        for part in row:
            if isinstance(part, dict) and "SEARCH" in part.get("expression", ""):
                yield part["expression"]
