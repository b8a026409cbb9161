"""AWS Batch entry point: `python -m container_embedder.batch_job reconcile`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict

from chalicelib import wiring
from chalicelib.errors import IntellisenseError
from chalicelib.reconcile import Report, reconcile


def run(services: wiring.Services, progress: Callable[[Report], None]) -> Report:
    """Reconcile with the services of this process."""
    return reconcile(
        bucket=services.bucket,
        thumbnails=services.thumbnails,
        index=services.index,
        ingest=services.ingest,
        fingerprint=services.clip.fingerprint,
        progress=progress,
    )


def _tell(report: Report) -> None:
    print(f"reconcile: {report.done} of {report.total}", file=sys.stderr)  # noqa: T201


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m container_embedder.batch_job")
    commands = parser.add_subparsers(required=True)
    commands.add_parser("reconcile", help="compare bucket and index and repair both ways")
    parser.parse_args(arguments)
    try:
        report = run(wiring.services(), _tell)
    except IntellisenseError as error:
        print(f"error: {error.message}", file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps(asdict(report)))  # noqa: T201
    return 1 if report.results.get("failed") else 0


if __name__ == "__main__":
    sys.exit(main())
