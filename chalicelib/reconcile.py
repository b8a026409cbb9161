"""Compare bucket and index and repair both ways; the index can always be made from the bucket.

Every repair goes through `Ingest`, under the same rule of order as events, so it may run while
they flow, be killed anywhere and be run again. What is compared may be old: it only says where
to look.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Literal, NamedTuple

from aws_lambda_powertools import Logger

from chalicelib.differences import Listed, Scope, Tally, differences, remembered
from chalicelib.errors import Transient
from chalicelib.index.base import Index
from chalicelib.ingest import Ingest, log_outcome
from chalicelib.log import SERVICE
from chalicelib.packed import Packed
from chalicelib.sharding import WHOLE, Shard
from chalicelib.spool import Spool
from chalicelib.storage import Bucket
from chalicelib.sweeping import sweep_thumbnails
from chalicelib.verdicts import MadeWith, Outcome

logger = Logger(service=SERVICE, child=True)

TOMBSTONES_KEPT = timedelta(days=2)
"""Longer than any worker can hold on to an object it read."""

FAILURES_SHOWN = 10
FAILURES_IN_A_ROW = 1000
"""So many mean that something is down; the rest would only fail too."""

_TOLD_EVERY = 10_000
"""Objects compared between two calls of `progress`."""


class Failure(NamedTuple):
    key: str
    error: str


Stage = Literal["comparing", "repairing", "clearing", "done"]


@dataclass(slots=True)
class Report:
    """What one run did, and while it runs, how far it is."""

    stage: Stage = "comparing"
    listed: int = 0
    same: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    total: int = 0
    """Keys to be looked at; known when everything is compared."""
    done: int = 0
    results: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    """How many by reason, as its code."""
    failures: list[Failure] = field(default_factory=list)
    """The first few."""
    purged: int = 0
    orphans: int = 0
    seconds: float = 0.0
    images_per_second: float = 0.0
    """Of the keys looked at, in the time that took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What the bucket has; or had, at `as_of`."""

    objects: Iterable[Listed]
    as_of: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a run is to do. Old tombstones and thumbnails are cleared away by the first shard, and
    only where no prefix is given."""

    shard: Shard = WHOLE
    prefix: str = ""
    listing: Listing | None = None
    """None: the bucket is asked."""
    dry_run: bool = False
    """Compare only."""


def reconcile(
    *,
    bucket: Bucket,
    thumbnails: Bucket,
    index: Index,
    ingest: Ingest,
    now: MadeWith,
    task: Task | None = None,
    batch: int = 16,
    progress: Callable[[Report], None] | None = None,
) -> Report:
    """Make the index say what the bucket says, in records made with `now`.

    `progress` is called now and then, and after each `batch`. Keys that fail are counted under
    "failed" and logged; another run tries them again. Raises `Transient` when so many fail in a
    row that something must be down.
    """
    task, started = task or Task(), time.monotonic()
    run = _Run(progress or (lambda _: None))
    scope = Scope(bucket.name, task.shard, task.prefix)
    said = remembered(index, scope, now)
    with closing(Spool()) as keys:
        run.compare(keys, said, index, scope, task.listing or _live(bucket, task.prefix))
        if not task.dry_run:
            run.repair(keys, ingest, batch)
    report = run.report
    if not task.dry_run and task.shard.number == 0 and not task.prefix:
        run.enter("clearing")
        report.purged = index.purge(datetime.now(timezone.utc) - TOMBSTONES_KEPT)
        report.orphans = sweep_thumbnails(thumbnails, index, said, now.model)
    report.seconds = round(time.monotonic() - started, 3)
    run.enter("done")
    facts = {name: value for name, value in asdict(report).items() if name != "failures"}
    logger.info("reconciled", **facts)
    return report


def _live(bucket: Bucket, prefix: str) -> Listing:
    return Listing(objects=(Listed(o.key, o.etag) for o in bucket.list(prefix)), as_of=None)


class _Run:
    """The steps of one run, which fill `report`."""

    def __init__(self, tell: Callable[[Report], None]) -> None:
        self.report = Report()
        self._tell = tell

    def enter(self, stage: Stage) -> None:
        self.report.stage = stage
        self._tell(self.report)

    def compare(
        self, keys: Spool, said: Packed, index: Index, scope: Scope, listing: Listing
    ) -> None:
        """Fill `keys` with those to be looked at."""
        tally = Tally()

        def told() -> Iterator[Listed]:
            for number, one in enumerate(listing.objects, 1):
                if number % _TOLD_EVERY == 0:
                    self.report.listed = tally.listed
                    self._tell(self.report)
                yield one

        for key, _ in differences(told(), said, index, scope, tally, as_of=listing.as_of):
            keys.add(key)
        self.report.listed, self.report.same = tally.listed, tally.same
        self.report.causes = {str(cause): count for cause, count in tally.causes.most_common()}
        self.report.total = len(keys)

    def repair(self, keys: Spool, ingest: Ingest, batch: int) -> None:
        report, started, in_a_row = self.report, time.monotonic(), 0
        self.enter("repairing")
        with closing(ingest.stream(keys, batch=batch)) as outcomes:
            for outcome in outcomes:
                log_outcome(outcome)
                self._count(outcome)
                report.images_per_second = round(
                    report.done / max(time.monotonic() - started, 1e-6), 1
                )
                if report.done % batch == 0 or report.done == report.total:
                    self._tell(report)
                in_a_row = in_a_row + 1 if outcome.result == "failed" else 0
                if in_a_row == FAILURES_IN_A_ROW:
                    raise Transient(
                        f"The last {in_a_row:,} images failed, so this run ends here; run it "
                        f"again when this is mended: {_reason(outcome)}"
                    )

    def _count(self, outcome: Outcome) -> None:
        report = self.report
        report.done += 1
        report.results[outcome.result] = report.results.get(outcome.result, 0) + 1
        if outcome.result == "rejected":
            code = outcome.reason_code
            report.rejected[code] = report.rejected.get(code, 0) + 1
        elif outcome.result == "failed" and len(report.failures) < FAILURES_SHOWN:
            report.failures.append(Failure(outcome.key, _reason(outcome)))


def _reason(outcome: Outcome) -> str:
    return outcome.error.message if outcome.error else ""
