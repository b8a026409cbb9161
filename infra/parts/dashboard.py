"""One page that an operator reads from top to bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Aws
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.parts.measured import FIVE_MINUTES, Watched

WIDTH = 24
"""Columns of a dashboard."""

BY_THE_DAY = "-P14D"
"""Over how long those are drawn that are measured a few times a day."""

STAGES = ("Fetch", "Decode", "Thumbnail", "Embed", "Write")
ENDS = ("Indexed", "Rejected", "Failed", "Archived", "Deleted", "Unchanged")


def dashboard(
    scope: Construct,
    id: str,
    *,
    name: str,
    watched: Watched,
    alarms: Sequence[cloudwatch.IAlarm],
) -> cloudwatch.Dashboard:
    page = cloudwatch.Dashboard(scope, id, dashboard_name=name)
    page.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=alarms, width=WIDTH))
    for title, row in (
        ("Is it up?", _up(watched)),
        ("Is work waiting?", _waiting(watched)),
        ("Is it fast?", _fast(watched)),
        ("What failed?", _failed(watched)),
        ("What does it cost?", _costs(watched)),
    ):
        page.add_widgets(cloudwatch.TextWidget(markdown=f"## {title}", width=WIDTH, height=1))
        width = WIDTH // len(row)
        page.add_widgets(*(_graph(what, lines, width) for what, lines in row.items()))
    slow = _slowly(watched)
    page.add_widgets(
        *(_graph(what, lines, WIDTH // len(slow), BY_THE_DAY) for what, lines in slow.items())
    )
    return page


Row = Mapping[str, Sequence[cloudwatch.IMetric]]


def _graph(
    title: str, lines: Sequence[cloudwatch.IMetric], width: int, since: str | None = None
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=title,
        start=since,
        left=lines,
        width=width,
        left_y_axis=cloudwatch.YAxisProps(min=0, show_units=False),
    )


def _up(watched: Watched) -> Row:
    row: dict[str, Sequence[cloudwatch.IMetric]] = {
        "requests, and those refused or failed": [
            watched.gateway(name, "Sum") for name in ("Count", "4XXError", "5XXError")
        ],
        "invocations that ended early": [
            watched.function(which, "Errors", "Sum") for which in watched.functions
        ],
    }
    if watched.domain:
        row["index: red, yellow, writes refused (1 is yes)"] = [
            watched.cluster(name, "Maximum")
            for name in ("ClusterStatus.red", "ClusterStatus.yellow", "ClusterIndexWritesBlocked")
        ]
    return row


def _waiting(watched: Watched) -> Row:
    return {
        "messages": [
            watched.sqs("ApproximateNumberOfMessagesVisible").with_(label="waiting"),
            watched.sqs("ApproximateNumberOfMessagesNotVisible").with_(label="in work"),
            watched.sqs("ApproximateNumberOfMessagesVisible", of_dead_letters=True).with_(
                label="dead letters"
            ),
        ],
        "seconds the oldest has waited": [watched.sqs("ApproximateAgeOfOldestMessage")],
        "functions at a time": [
            watched.function(which, "ConcurrentExecutions", "Maximum")
            for which in watched.functions
        ],
    }


def _fast(watched: Watched) -> Row:
    arrival = [
        watched.own("embedder", "EventToIndexed", part).with_(label=part) for part in ("p50", "p95")
    ]
    return {
        "milliseconds from the bucket to the index (half, 95 %)": arrival,
        "an image's stages, milliseconds (95 %)": [
            watched.own("embedder", stage, "p95") for stage in STAGES
        ],
        "searches, milliseconds (95 %)": [
            watched.own("api", part, "p95")
            for part in ("SearchEmbed", "SearchIndex", "SearchTotal")
        ],
        "requests, milliseconds (95 %)": [watched.gateway("Latency", "p95")],
    }


def _failed(watched: Watched) -> Row:
    return {
        "images by how they ended": [watched.own("embedder", end, "Sum") for end in ENDS],
        "rejected, by reason": [_by(watched, "Rejected", "reason", "embedder")],
        "messages that come again, letters": [
            watched.own("embedder", name, "Sum") for name in ("FailedMessages", "DeadLetters")
        ],
        "failed requests, by code": [_by(watched, "Errors", "code", "api")],
    }


def _by(watched: Watched, name: str, dimension: str, service: str) -> cloudwatch.MathExpression:
    """One line for each value of a dimension that there was
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html)."""
    known = f'{{"{watched.namespace}","{dimension}","service"}}'
    return cloudwatch.MathExpression(
        expression=f"SEARCH('{known} MetricName=\"{name}\" service=\"{service}\"', 'Sum', 300)",
        using_metrics={},
        label="",
        period=FIVE_MINUTES,
        search_region=Aws.REGION,
    )


def _costs(watched: Watched) -> Row:
    row: dict[str, Sequence[cloudwatch.IMetric]] = {
        "what functions are paid by: GB-seconds": [
            cloudwatch.MathExpression(
                expression=f"{which}_ms / 1000 * {memory / 1024:g}",
                using_metrics={f"{which}_ms": watched.function(which, "Duration", "Sum")},
                label=which,
                period=FIVE_MINUTES,
            )
            for which, memory in watched.memory_mb.items()
        ],
    }
    if watched.domain:
        row["index: MB of disk left"] = [watched.cluster("FreeStorageSpace", "Minimum")]
    return row


def _slowly(watched: Watched) -> Row:
    """What changes slowly, and is measured so."""
    return {
        "photos, bytes": [watched.bucket("BucketSizeBytes", "StandardStorage")],
        "photos, number": [watched.bucket("NumberOfObjects", "AllStorageTypes")],
        "US dollars": [watched.charges()],
    }
