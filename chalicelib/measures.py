"""What API and search measure, as CloudWatch's embedded metric format on standard output
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).

Each document is written at once: requests may be answered by several threads. Nothing is written
where the deployment names no namespace, as on one machine. docs/operations.md lists the names.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping

from chalicelib.records import Page

SERVICE = "api"
UNITS = {
    "SearchEmbed": "Milliseconds",
    "SearchIndex": "Milliseconds",
    "SearchTotal": "Milliseconds",
    "NoAnswer": "Count",
    "Uploads": "Count",
    "Errors": "Count",
}
"""Every metric costs by the hour in which it is written: nothing is here that no alarm, widget or
question of docs/operations.md needs."""

_namespace = ""


def under(namespace: str) -> None:
    """From now on, documents are of this namespace; "": none are written."""
    global _namespace
    _namespace = namespace


def note_search(page: Page) -> None:
    """How long its parts took, and whether it found nothing: the first page of such a search."""
    spent = page.timings_ms
    times = {f"Search{part.title()}": spent[part] for part in ("embed", "index", "total")}
    _write(times | ({} if page.total else {"NoAnswer": 1}))


def note_uploads(files: int) -> None:
    """Places handed out, or pictures taken in."""
    _write({"Uploads": files})


def note_error(code: str) -> None:
    """A request that failed by our doing; codes are those of chalicelib/errors.py, so few that
    each may be a dimension."""
    _write({"Errors": 1}, code=code)


def _write(values: Mapping[str, float], **dimensions: str) -> None:
    if not _namespace:
        return
    dimensions = {"service": SERVICE, **dimensions}
    metrics = {
        "Namespace": _namespace,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in values],
    }
    about = {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [metrics]}
    sys.stdout.write(json.dumps({"_aws": about, **dimensions, **values}) + "\n")
