"""The commands about indexes and the models they belong to: compare, list-indexes, drop-index."""

from __future__ import annotations

import argparse
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from chalicelib import wiring
from chalicelib.compare import WORDS, Comparison, Side, compare
from chalicelib.config import Settings
from chalicelib.dropping import drop_index
from chalicelib.errors import ConfigurationError, InvalidRequest, NotFound
from chalicelib.index.naming import index_name
from chalicelib.storage import S3Bucket
from container_embedder.progress import Progress
from container_embedder.telling import answer, say


def compare_models(options: argparse.Namespace) -> int:
    words = _lines(options.queries) if options.queries else WORDS
    settings = Settings.load()
    with ExitStack() as opened:
        old, new = (_side(settings, folder, opened) for folder in (options.old, options.new))
        if old.name == new.name:
            raise InvalidRequest(f"Both folders hold the same model: they share {old.name}.")
        progress = opened.enter_context(closing(Progress("compare")))
        found = compare(old, new, words=words, sample=options.sample, progress=progress)
    answer(asdict(found))
    say(_in_words(found))
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


def drop(options: argparse.Namespace) -> int:
    settings = Settings.load()
    gone = drop_index(
        wiring.shelf_of(settings),
        options.name,
        in_use=_in_use(settings),
        thumbnails=S3Bucket(wiring.client("s3", settings), settings.thumbnails_bucket),
        anyway=options.anyway,
    )
    answer({"dropped": options.name, "thumbnails": gone})
    return 0


def list_all(_options: argparse.Namespace) -> int:
    settings = Settings.load()
    shelf, in_use = wiring.shelf_of(settings), _in_use(settings)
    rows: list[dict[str, Any]] = []
    for name in shelf.names():
        used = shelf.last_used(name)
        when = used.isoformat(timespec="seconds") if used else None
        rows.append({"name": name, "in_use": name == in_use, "last_used": when})
    answer({"indexes": rows})
    return 0


def _in_use(settings: Settings) -> str:
    """The index of the model that this process' settings name."""
    clip = wiring.clip_of(settings)
    return index_name(clip.name, clip.fingerprint)
