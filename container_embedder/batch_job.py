"""AWS Batch entry point, and a person's: `python -m container_embedder.batch_job --help`.

Each command prints one JSON object on stdout, and on stderr how far it is.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger

from chalicelib import wiring
from chalicelib.compare import WORDS, Comparison, Side, compare
from chalicelib.config import Settings
from chalicelib.dropping import drop_index
from chalicelib.errors import ConfigurationError, IntellisenseError, InvalidRequest, NotFound
from chalicelib.index.naming import index_name
from chalicelib.log import SERVICE
from chalicelib.reconcile import Report, reconcile
from chalicelib.storage import S3Bucket

TELL_EVERY_S = 2.0

BATCH = {"cpu": 16, "cuda": 64}
"""Images embedded and written at once: one writing costs a fast device as much as many images."""


def run(services: wiring.Services, progress: Callable[[Report], None]) -> Report:
    """Reconcile with these services."""
    return reconcile(
        bucket=services.bucket,
        thumbnails=services.thumbnails,
        index=services.index,
        ingest=services.ingest,
        fingerprint=services.clip.fingerprint,
        batch=BATCH[services.clip.device],
        progress=progress,
    )


class Progress:
    """Tells how far a job is: when it begins, when it ends, and every other second."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._started = self._told = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done == 0:
            self._started = now
        elif done < total and now - self._told < TELL_EVERY_S:
            return
        self._told = now
        line = f"{self._what}: {done} of {total}"
        if done and now > self._started:
            rate = done / (now - self._started)
            line += f", {rate:.1f} a second"
            if done < total:
                line += f", {_spoken((total - done) / rate)} left"
        _say(line)


def _spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _reconcile(options: argparse.Namespace) -> int:
    settings = Settings.load()
    if options.model:
        settings = replace(settings, model_folder=options.model)
    progress = Progress("reconcile")
    with closing(wiring.build(settings)) as services:
        report = run(services, lambda report: progress(report.done, report.total))
    _answer(asdict(report))
    return 1 if report.results.get("failed") else 0


def _compare(options: argparse.Namespace) -> int:
    words = _lines(options.queries) if options.queries else WORDS
    settings = Settings.load()
    with ExitStack() as opened:
        old, new = (_side(settings, folder, opened) for folder in (options.old, options.new))
        if old.name == new.name:
            raise InvalidRequest(f"Both folders hold the same model: they share {old.name}.")
        found = compare(old, new, words=words, sample=options.sample, progress=Progress("compare"))
    _answer(asdict(found))
    _say(_in_words(found))
    return 0


def _side(settings: Settings, folder: str, opened: ExitStack) -> Side:
    settings = replace(settings, model_folder=folder)
    clip = wiring.clip_of(settings)
    name = index_name(clip.name, clip.fingerprint)
    if name not in wiring.shelf_of(settings).names():
        raise NotFound(
            f"The model in {folder} has no index yet ({name}); reconcile --model {folder} makes it."
        )
    return Side(name, opened.enter_context(closing(wiring.index_of(settings, clip))), clip)


def _lines(file: Path) -> list[str]:
    """The queries in `file`, one a line."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}.") from error
    queries = [line.strip() for line in text.splitlines() if line.strip()]
    if not queries:
        raise ConfigurationError(f"{file} holds no queries; write one a line.")
    return list(dict.fromkeys(queries))


def _in_words(found: Comparison) -> str:
    seen = found.coverage
    words, images = (
        "nothing to ask" if o.mean is None else f"{o.mean:.0%} over {o.queries}"
        for o in (found.overlap_by_words, found.overlap_by_images)
    )
    return (
        f"coverage: of {seen.ready_in_old} images ready in the old index {seen.in_both} are ready"
        f" in the new one, {seen.rejected_in_new} rejected; {seen.only_in_new} are only in the new"
        f"\nthe same among the best ten: by words {words}, by images {images}"
    )


def _drop_index(options: argparse.Namespace) -> int:
    settings = Settings.load()
    gone = drop_index(
        wiring.shelf_of(settings),
        options.name,
        in_use=_in_use(settings),
        thumbnails=S3Bucket(wiring.client("s3", settings), settings.thumbnails_bucket),
        anyway=options.anyway,
    )
    _answer({"dropped": options.name, "thumbnails": gone})
    return 0


def _list_indexes(_options: argparse.Namespace) -> int:
    settings = Settings.load()
    shelf, in_use = wiring.shelf_of(settings), _in_use(settings)
    rows: list[dict[str, Any]] = []
    for name in shelf.names():
        used = shelf.last_used(name)
        when = used.isoformat(timespec="seconds") if used else None
        rows.append({"name": name, "in_use": name == in_use, "last_used": when})
    _answer({"indexes": rows})
    return 0


def _in_use(settings: Settings) -> str:
    """The index of the model that this process' settings name."""
    clip = wiring.clip_of(settings)
    return index_name(clip.name, clip.fingerprint)


def _answer(body: dict[str, Any]) -> None:
    print(json.dumps(body, ensure_ascii=False), flush=True)  # noqa: T201


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m container_embedder.batch_job")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("reconcile", help="compare bucket and index, repair both ways")
    command.add_argument("--model", metavar="FOLDER", help="for this model, not the one in use")
    command.set_defaults(run=_reconcile)

    command = commands.add_parser("compare", help="compare the indexes of two models")
    command.add_argument("old", metavar="OLD", help="model folder")
    command.add_argument("new", metavar="NEW", help="model folder")
    command.add_argument("--queries", metavar="FILE", type=Path, help="words to ask, one a line")
    command.add_argument(
        "--sample", metavar="N", type=_count, default=200, help="images to ask by (200)"
    )
    command.set_defaults(run=_compare)

    command = commands.add_parser("list-indexes", help="the indexes there are")
    command.set_defaults(run=_list_indexes)

    command = commands.add_parser("drop-index", help="delete the index of a model not in use")
    command.add_argument("name", metavar="NAME", help="as list-indexes has it")
    command.add_argument("--anyway", action="store_true", help="also one used within a day")
    command.set_defaults(run=_drop_index)
    return parser


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        return status
    except IntellisenseError as error:
        _say(f"error: {error.message}")
        return 1
    except KeyboardInterrupt:
        _say("stopped; the same command again goes on from here")
        return 130


def _log_failures() -> None:
    """To stderr: stdout is the answer alone."""
    Logger(service=SERVICE, level="WARNING", logger_handler=logging.StreamHandler(sys.stderr))


if __name__ == "__main__":
    _log_failures()
    sys.exit(main())
