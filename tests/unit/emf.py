"""Reads CloudWatch's embedded metric format, and holds it to its specification
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

MOST_METRICS = 100
MOST_DIMENSIONS = 30
UNITS = {"Count", "Milliseconds"}
"""Those of CloudWatch that we use."""


class Metric(NamedTuple):
    namespace: str
    dimensions: tuple[tuple[str, str], ...]
    name: str
    unit: str
    values: tuple[float, ...]


def metrics_in(text: str) -> list[Metric]:
    """The metrics in all lines of a log that are such documents."""
    found: list[Metric] = []
    for line in text.splitlines():
        if line.startswith("{") and "_aws" in (document := json.loads(line)):
            found += read(document)
    return found


def read(document: dict[str, Any]) -> Iterator[Metric]:
    moment = document["_aws"]["Timestamp"]
    assert isinstance(moment, int)
    assert abs(moment / 1000 - time.time()) < 24 * 3600
    for about in document["_aws"]["CloudWatchMetrics"]:
        assert 0 < len(about["Metrics"]) <= MOST_METRICS
        for names in about["Dimensions"]:
            assert len(names) <= MOST_DIMENSIONS
            assert all(isinstance(document[name], str) and document[name] for name in names)
            dimensions = tuple(sorted((name, document[name]) for name in names))
            for metric in about["Metrics"]:
                values = document[metric["Name"]]
                values = values if isinstance(values, list) else [values]
                assert all(type(value) in (int, float) for value in values)
                assert metric["Unit"] in UNITS
                yield Metric(
                    about["Namespace"], dimensions, metric["Name"], metric["Unit"], tuple(values)
                )
