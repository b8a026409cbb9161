"""AWS Batch entry point, and a person's: `python -m container_embedder.batch_job --help`.

Each command prints one JSON object on stdout, and on stderr how far it is.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path

from aws_lambda_powertools import Logger

from chalicelib.config import Settings
from chalicelib.log import SERVICE
from container_embedder import indexes, reconciling
from container_embedder.telling import guarded


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m container_embedder.batch_job")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("reconcile", help="compare bucket and index, repair both ways")
    reconciling.add_options(command)
    command.set_defaults(run=lambda options: reconciling.command(options, Settings.load()))

    command = commands.add_parser("compare", help="compare the indexes of two models")
    command.add_argument("old", metavar="OLD", help="model folder")
    command.add_argument("new", metavar="NEW", help="model folder")
    command.add_argument("--queries", metavar="FILE", type=Path, help="words to ask, one a line")
    command.add_argument(
        "--sample", metavar="N", type=_count, default=200, help="images to ask by (200)"
    )
    command.set_defaults(run=indexes.compare_models)

    command = commands.add_parser("list-indexes", help="the indexes there are")
    command.set_defaults(run=indexes.list_all)

    command = commands.add_parser("drop-index", help="delete the index of a model not in use")
    command.add_argument("name", metavar="NAME", help="as list-indexes has it")
    command.add_argument("--anyway", action="store_true", help="also one used within a day")
    command.set_defaults(run=indexes.drop)
    return parser


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    return guarded(lambda: options.run(options))


def log_failures() -> None:
    """To stderr: stdout is the answer alone."""
    handler = logging.StreamHandler(sys.stderr)
    # The rooms' loggers have a level of their own, so the handler is what tells less.
    handler.setLevel(logging.WARNING)
    Logger(service=SERVICE, logger_handler=handler)


if __name__ == "__main__":
    # AWS Batch ends jobs so, with half a minute to spare.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    log_failures()
    sys.exit(main())
