"""Compare bucket and index and repair both ways; the index can always be made from the bucket.

Every repair goes through `Ingest`, under the same rule of order as events, so it may run while
they flow, be killed anywhere and be run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from aws_lambda_powertools import Logger

from chalicelib.decoding import DECODER_VERSION
from chalicelib.index.base import Index, Summary
from chalicelib.ingest import Ingest, log_outcome
from chalicelib.log import SERVICE
from chalicelib.records import image_id
from chalicelib.storage import Bucket, ListedObject
from chalicelib.thumbnails import thumbnail_folder
from chalicelib.verdicts import Outcome

logger = Logger(service=SERVICE, child=True)

TOMBSTONES_KEPT = timedelta(days=2)
"""Longer than any worker can hold on to an object it read."""

ORPHANS_KEPT = timedelta(days=1)
"""A thumbnail younger than this may belong to a write that is under way."""


@dataclass(slots=True)
class Report:
    """What one run did."""

    total: int = 0
    done: int = 0
    results: dict[str, int] = field(default_factory=dict)
    purged: int = 0
    orphans: int = 0


def reconcile(
    *,
    bucket: Bucket,
    thumbnails: Bucket,
    index: Index,
    ingest: Ingest,
    fingerprint: str,
    batch: int = 16,
    progress: Callable[[Report], None] | None = None,
) -> Report:
    """Make the index say what the bucket says, for the model with `fingerprint`.

    `progress` is called after each batch. Keys that fail are counted under "failed" and logged;
    another run tries them again.
    """
    keys = list(differences(bucket, index, fingerprint))
    report = Report(total=len(keys))
    tell = progress or (lambda _: None)
    tell(report)
    with closing(ingest.stream(keys, batch=batch)) as outcomes:
        for outcome in outcomes:
            log_outcome(outcome)
            _count(report, outcome)
            if report.done % batch == 0 or report.done == report.total:
                tell(report)
    report.purged = index.purge(datetime.now(timezone.utc) - TOMBSTONES_KEPT)
    report.orphans = sweep_thumbnails(thumbnails, index, fingerprint)
    logger.info("reconciled", total=report.total, results=report.results, purged=report.purged)
    return report


def differences(bucket: Bucket, index: Index, fingerprint: str) -> Iterator[str]:
    """The keys whose record does not say what the bucket says."""
    known = {summary.id: summary for summary in index.scan()}
    for listed in bucket.list():
        summary = known.pop(image_id(bucket.name, listed.key), None)
        if summary is None or not _says(summary, listed, fingerprint):
            yield listed.key
    for summary in known.values():
        if summary.state != "deleted":
            yield summary.key


def _says(summary: Summary, listed: ListedObject, fingerprint: str) -> bool:
    if summary.etag != listed.etag or summary.model != fingerprint:
        return False
    if summary.state == "rejected":
        return summary.decoder_version == DECODER_VERSION
    return summary.state in ("ready", "archived")


def sweep_thumbnails(thumbnails: Bucket, index: Index, fingerprint: str) -> int:
    """Delete thumbnails of this model that no record names; returns how many went. Those of other
    models are named by their own indexes."""
    border = datetime.now(timezone.utc) - ORPHANS_KEPT
    named = {summary.thumbnail_key for summary in index.scan()}
    orphans = [
        listed.key
        for listed in thumbnails.list(thumbnail_folder(fingerprint))
        if listed.key not in named and listed.uploaded_at < border
    ]
    for key in orphans:
        thumbnails.delete(key)
    return len(orphans)


def _count(report: Report, outcome: Outcome) -> None:
    report.done += 1
    report.results[outcome.result] = report.results.get(outcome.result, 0) + 1
