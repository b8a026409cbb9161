"""The worker's reconcile: at its start, and then every so many hours."""

from __future__ import annotations

import threading
from dataclasses import asdict

from aws_lambda_powertools import Logger

from chalicelib.log import SERVICE
from chalicelib.reconcile import Report
from chalicelib.wiring import Services
from container_embedder.reconciling import run
from local.lifeline import say

RETRY_SECONDS = 600
"""After a run that failed, as where OpenSearch was away, the next comes sooner."""

logger = Logger(service=SERVICE, child=True)


def keep_repaired(services: Services, stopping: threading.Event) -> None:
    """Reconcile now, and again every `reconcile_hours` until `stopping` is set."""
    pause = services.settings.reconcile_hours * 3600
    while True:
        good = repair(services)
        if not pause or stopping.wait(pause if good else min(pause, RETRY_SECONDS)):
            return


def repair(services: Services) -> bool:
    """One run, told to the parent; whether it came to its end."""

    def tell(report: Report) -> None:
        say("reconcile", done=report.done, total=report.total)

    try:
        report = run(services, tell)
    except Exception as error:
        logger.exception("reconcile failed")
        say("reconciled", error=str(error))
        return False
    say("reconciled", **asdict(report))
    return True
