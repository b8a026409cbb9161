"""`python -m local reconcile`: bucket against index on one machine, beside a stack or alone."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from chalicelib.config import Settings
from chalicelib.errors import ConfigurationError
from container_embedder import reconciling
from container_embedder.batch_job import log_failures
from container_embedder.telling import guarded, say
from local.data import AlreadyRunning
from local.processes import ROOT, leave_aws_alone
from local.stack import Stack
from models.cache import cache_folder
from models.starter import build_starter


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    log_failures()
    return guarded(lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local reconcile",
        description="Compare bucket and index and repair both ways. Beside the stack that runs on "
        "--data, or without one; it may be stopped at any time and run again.",
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", default=ROOT / ".local", help="of the stack (.local)"
    )
    parser.add_argument(
        "--opensearch", metavar="URL", default="",
        help="where no stack runs: the index is there, not in --data",
    )  # fmt: skip
    parser.add_argument(
        "--no-ocr", action="store_true",
        help="where no stack runs: do not read the text in pictures",
    )  # fmt: skip
    reconciling.add_options(parser)
    return parser


def _run(options: argparse.Namespace) -> int:
    if not (options.data / "buckets").is_dir():
        raise ConfigurationError(
            f"{options.data} holds no photos. Load some (make demo), or name their folder: --data."
        )
    price, shard = os.environ.get("IMAGES_PRICE_PER_HOUR"), os.environ.get("IMAGES_SHARD")
    leave_aws_alone()
    mine = {"IMAGES_PRICE_PER_HOUR": price, "IMAGES_SHARD": shard}
    with _storage(options) as settings:
        given = {name: value for name, value in mine.items() if value}
        return reconciling.command(options, Settings.load(settings.environment() | given))


@contextmanager
def _storage(options: argparse.Namespace) -> Iterator[Settings]:
    """Those of the stack that runs; where none does, its S3 server runs meanwhile."""
    stack = Stack(options.data, Path(), opensearch=options.opensearch, ocr=not options.no_ocr)
    try:
        settings = stack.start_storage()
    except AlreadyRunning as running:
        if not running.url:
            raise
        say(f"beside the stack at {running.url}")
        yield running.settings()
        return
    try:
        if not options.model:
            cache = cache_folder()
            model = build_starter(cache / "models" / "starter", cache)
            settings = replace(settings, model_folder=str(model.resolve()))
        yield settings
    finally:
        stack.stop()
