"""The command `reconcile`: its options, its run, its report in figures and in words."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from chalicelib import wiring
from chalicelib.config import Settings
from chalicelib.differences import CAUSES
from chalicelib.errors import ConfigurationError, InvalidRequest
from chalicelib.reconcile import Report, Task, reconcile
from chalicelib.sharding import WHOLE, Shard
from chalicelib.storage import S3Bucket
from container_embedder.inventories import S3, inventory, s3_place
from container_embedder.progress import Progress
from container_embedder.telling import answer, dollars, say, spoken

BATCH = {"cpu": 16, "cuda": 64}
"""Images embedded and written at once: one writing costs a fast device as much as many images."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", metavar="FOLDER", help="for this model, not the one in use")
    add(
        "--inventory",
        metavar="MANIFEST",
        help="manifest.json of an S3 Inventory, a path or s3://…, in place of listing the bucket",
    )
    add("--prefix", default="", help="only keys that begin so; nothing is cleared away then")
    add("--shard", metavar="I/N", help="only share I, counted from 0, of N (IMAGES_SHARD)")
    add("--shards", metavar="N", type=int,
        help="N shares, of which AWS_BATCH_JOB_ARRAY_INDEX says which")  # fmt: skip
    add("--dry-run", action="store_true", help="only say what would be done")
    add("--price-per-hour", metavar="USD", type=_price,
        help="of this machine, to tell the cost (IMAGES_PRICE_PER_HOUR)")  # fmt: skip
    add("--report", metavar="FILE", help="write the report there too, a path or s3://…")


def _price(text: str) -> float:
    price = float(text)
    if not 0 <= price < math.inf:
        raise ValueError
    return price


def run(
    services: wiring.Services,
    progress: Callable[[Report], None] | None = None,
    task: Task | None = None,
) -> Report:
    """Reconcile with these services, and measure the library's thresholds anew.

    Of a sharded run the first shard measures, and any that changed something. A run that was
    killed in between is made good by the next, which measures whatever there is left to do.
    """
    task = task or Task()
    report = reconcile(
        bucket=services.bucket,
        thumbnails=services.thumbnails,
        index=services.index,
        ingest=services.ingest,
        now=services.ingest.made_with,
        task=task,
        batch=BATCH[services.clip.device],
        progress=progress,
    )
    if not task.dry_run and (report.done or task.shard.number == 0):
        services.thresholds.refresh(anyway=True)
    return report


def command(options: argparse.Namespace, settings: Settings) -> int:
    """Run it as `options` say; returns the exit status."""
    if options.model:
        settings = replace(settings, model_folder=str(options.model))
    price = options.price_per_hour
    price = settings.price_per_hour if price is None else price
    task = Task(
        shard=shard_of(options, settings),
        prefix=options.prefix,
        listing=inventory(options.inventory, settings) if options.inventory else None,
        dry_run=options.dry_run,
    )
    with closing(Progress("reconcile", price_per_hour=price)) as progress:

        def tell(report: Report) -> None:
            if report.stage == "comparing":
                progress.compared(report.listed)
            elif report.stage == "repairing":
                progress(report.done, report.total)

        with closing(wiring.build(settings)) as services:
            report = run(services, tell, task)
            model = services.clip.fingerprint
    body = figures(report, task, model=model, cost=progress.cost)
    answer(body)
    for line in in_words(report, task, progress.cost):
        say(line)
    if options.report:
        _keep(body, options.report, settings)
    return 1 if report.results.get("failed") else 0


def shard_of(options: argparse.Namespace, settings: Settings) -> Shard:
    """Raises `InvalidRequest` where it cannot be told which share this is."""
    text = options.shard or settings.shard
    if options.shards is not None:
        if options.shard:
            raise InvalidRequest("--shard I/N says it all; leave --shards out.", field="shard")
        number = settings.shard.partition("/")[0]
        if not number:
            raise InvalidRequest(
                "--shards N takes the number of the share from AWS_BATCH_JOB_ARRAY_INDEX, which "
                "array jobs have; name the share: --shard I/N.",
                field="shard",
            )
        text = f"{number}/{options.shards}"
    return Shard.parse(text) if text else WHOLE


def figures(report: Report, task: Task, *, model: str, cost: float | None) -> dict[str, Any]:
    body: dict[str, Any] = asdict(report)
    body["failures"] = [failure._asdict() for failure in report.failures]
    as_of = task.listing.as_of if task.listing else None
    return body | {
        "model": model,
        "shard": str(task.shard),
        "prefix": task.prefix,
        "inventory_as_of": as_of.isoformat(timespec="seconds") if as_of else None,
        "dry_run": task.dry_run,
        "cost_usd": None if cost is None else round(cost, 4),
    }


def in_words(report: Report, task: Task, cost: float | None) -> list[str]:
    share = "" if task.shard == WHOLE else f" of shard {task.shard}"
    causes = [f"{n:,} {CAUSES[cause]}" for cause, n in report.causes.items()]  # type: ignore[index]
    found = ", ".join([f"{report.same:,} the same", *causes])
    lines = [f"compared {report.listed:,} objects{share} with the index: {found}"]
    if task.dry_run:
        return [*lines, f"{report.total:,} images would be looked at; nothing was changed"]
    if report.total:
        ends = [f"{n:,} {result}{_reasons(report, result)}" for result, n in report.results.items()]
        lines.append(
            f"looked at {report.done:,}, {report.images_per_second} a second: {', '.join(ends)}"
        )
    lines += [f"failed: {failure.key}: {failure.error}" for failure in report.failures]
    if report.purged or report.orphans:
        lines.append(
            f"cleared away {report.purged:,} old tombstones and {report.orphans:,} thumbnails "
            "that no record names"
        )
    spent = "" if cost is None else f", {dollars(cost)}"
    return [*lines, f"took {spoken(report.seconds)}{spent}"]


def _reasons(report: Report, result: str) -> str:
    if result != "rejected":
        return ""
    return f" ({', '.join(f'{code} {n:,}' for code, n in report.rejected.items())})"


def _keep(body: dict[str, Any], where: str, settings: Settings) -> None:
    data = (json.dumps(body, ensure_ascii=False, indent=1) + "\n").encode()
    if where.startswith(S3):
        bucket, key = s3_place(where)
        S3Bucket(wiring.client("s3", settings), bucket).put(key, data, "application/json")
        return
    try:
        Path(where).write_bytes(data)
    except OSError as error:
        raise ConfigurationError(f"The report cannot be written: {error}.") from error
