"""SQS → ingest. Answers which messages to try again (`ReportBatchItemFailures`).

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html: an id that is empty
or unknown fails the whole batch, so only ids that came in go out.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from chalicelib import deadline, wiring
from chalicelib.errors import InvalidRequest
from chalicelib.events import object_changes
from chalicelib.ingest import Ingest, log_outcome
from chalicelib.log import SERVICE
from chalicelib.verdicts import Outcome

logger = Logger(service=SERVICE)
metrics = Metrics(namespace="ImageIntellisense", service="embedder")

SECONDS_TO_FINISH = 10.0
"""Kept back from the function's time for embedding and writing what was decoded."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda entry point."""
    with deadline.until(deadline.of(context)):
        services = wiring.services()
        begin_until = deadline.of(context, SECONDS_TO_FINISH)
        return process(event, services.ingest, services.bucket.name, begin_until)


def process(
    event: dict[str, Any], ingest: Ingest, bucket: str, begin_until: float | None
) -> dict[str, Any]:
    """One batch of messages. A message fails when it cannot be read or any of its keys failed.

    `begin_until` is the last moment for beginning with an image."""
    keys_of: dict[str, list[str]] = {}
    failed: list[str] = []
    for message in event["Records"]:
        try:
            changes = object_changes(message["body"])
        except InvalidRequest as error:
            # Retried, then kept in the dead-letter queue: nothing is dropped silently.
            logger.error("unreadable message", message_id=message["messageId"], reason=str(error))
            failed.append(message["messageId"])
            continue
        keys_of[message["messageId"]] = [c.key for c in changes if c.bucket == bucket]
        for change in changes:
            if change.bucket != bucket:
                logger.warning("event of another bucket", bucket=change.bucket)
    outcomes = ingest.process((k for keys in keys_of.values() for k in keys), deadline=begin_until)
    for outcome in outcomes.values():
        log_outcome(outcome)
    failed += [
        message_id
        for message_id, keys in keys_of.items()
        if any(outcomes[key].result == "failed" for key in keys)
    ]
    _count(outcomes)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _count(outcomes: dict[str, Outcome]) -> None:
    results = [outcome.result for outcome in outcomes.values()]
    for result in sorted(set(results)):
        metrics.add_metric(result.title(), MetricUnit.Count, results.count(result))
    if results:
        metrics.flush_metrics()
