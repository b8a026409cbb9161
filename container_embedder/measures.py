"""What the embedder measures, as CloudWatch's embedded metric format on standard output
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html).

Names are for alarms and dashboards: docs/operations.md lists them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from aws_lambda_powertools import Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from chalicelib.verdicts import Outcome

NAMESPACE = "ImageIntellisense"
SERVICE = "embedder"

metrics = Metrics(namespace=NAMESPACE, service=SERVICE)

_cold = True


def under(namespace: str) -> None:
    """From now on, documents are of this namespace; "": of `NAMESPACE`."""
    metrics.namespace = namespace or NAMESPACE


@contextmanager
def invocation(messages: int) -> Iterator[None]:
    """Within it one batch of `messages` is worked on; what is noted meanwhile is written at its
    end, however it ends."""
    global _cold
    metrics.add_metric("BatchSize", MetricUnit.Count, messages)
    if _cold:
        metrics.add_metric("ColdStart", MetricUnit.Count, 1)
        _cold = False
    try:
        yield
    finally:
        metrics.flush_metrics()


def note_images(outcomes: Iterable[Outcome]) -> None:
    """Images by result, and what each stage took of each; those rejected also by why."""
    seen = list(outcomes)
    for result, count in sorted(Counter(outcome.result for outcome in seen).items()):
        metrics.add_metric(result.title(), MetricUnit.Count, count)
    for outcome in seen:
        for stage, spent in outcome.timings_ms.items():
            metrics.add_metric(stage.title(), MetricUnit.Milliseconds, spent)
    _by_reason("Rejected", (o.reason_code for o in seen if o.result == "rejected"))


def note_age(milliseconds: float) -> None:
    """From an event to the answer that its image is written; clocks may differ a little."""
    metrics.add_metric("EventToIndexed", MetricUnit.Milliseconds, max(0.0, milliseconds))


def note_failed(messages: int) -> None:
    """Messages that come again."""
    metrics.add_metric("FailedMessages", MetricUnit.Count, messages)


def note_dead_letters(codes: Iterable[str]) -> None:
    sent = list(codes)
    metrics.add_metric("DeadLetters", MetricUnit.Count, len(sent))
    _by_reason("DeadLetters", sent)


def _by_reason(name: str, codes: Iterable[str]) -> None:
    """Codes are those of chalicelib/errors.py: few, so each may be a dimension."""
    for code, count in sorted(Counter(codes).items()):
        with single_metric(
            name=name,
            unit=MetricUnit.Count,
            value=count,
            namespace=metrics.namespace,
            default_dimensions={"service": SERVICE},
        ) as metric:
            metric.add_dimension(name="reason", value=code or "none")
