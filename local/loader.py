"""A folder of files → the library, by presigned uploads, with progress.

Skips what the library has already (same collection, name and content), so it can be stopped and
run again at any time.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from chalicelib.errors import ConfigurationError
from chalicelib.uploads import content_type, safe_collection, sniff
from local.client import ApiClient

UPLOADS_AT_ONCE = 4
PLACES_AT_ONCE = 20
"""Places are asked for just before their use: they are good for five minutes."""

PATIENCE_SECONDS = 120.0
"""How long nothing may come out of the queue before waiting ends with a report."""

Known = tuple[str, str]
T = TypeVar("T")


@dataclass(slots=True)
class Report:
    """What became of a folder's files."""

    indexed: int = 0
    already: int = 0
    rejected: list[tuple[str, str]] = field(default_factory=list)
    not_images: Counter[str] = field(default_factory=Counter)
    waiting: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class File:
    path: Path
    name: str
    type: str
    size: int


class Loader:
    """`advance(n)` is called as files come to their end, however that looks; `expect(n)` first.
    `check` is called while waiting and raises when there is nothing more to wait for."""

    def __init__(
        self,
        api: ApiClient,
        expect: Callable[[int], None],
        advance: Callable[[int], None],
        max_bytes: int,
        check: Callable[[], None],
    ) -> None:
        self._api = api
        self._expect = expect
        self._advance = advance
        self._max_bytes = max_bytes
        self._check = check

    def load(self, folder: Path, collection: str) -> Report:
        """Raises `ConfigurationError` when there is no such folder, `Transient` when the stack
        does not answer."""
        if not folder.is_dir():
            raise ConfigurationError(f"{folder} is not a folder.")
        collection = safe_collection(collection)
        report = Report()
        files = [f for f in image_files(folder, report) if self._admissible(f, report)]
        known = self._known(collection)
        self._expect(len(files))
        with ThreadPoolExecutor(UPLOADS_AT_ONCE, thread_name_prefix="upload") as pool:
            fresh = self._fresh(files, known, report)
            pending: dict[str, str] = {}
            for batch in _batches(fresh, PLACES_AT_ONCE):
                pending |= self._upload(batch, collection, pool, report)
                self._settle(pending, report)
        self._wait(pending, report)
        return report

    def _admissible(self, file: File, report: Report) -> bool:
        if file.size == 0:
            report.rejected.append((file.name, "The file is empty."))
        elif file.size > self._max_bytes:
            limit = self._max_bytes // 1024**2
            report.rejected.append((file.name, f"The file is over the limit of {limit} MB."))
        else:
            return True
        return False

    def _known(self, collection: str) -> dict[Known, str]:
        """(name, sha256) of what the library has → why it was rejected, or ""."""
        images = self._api.images(collection=collection, state="ready,rejected,archived")
        return {(i["name"], i["sha256"]): i["reason"] for i in images}

    def _fresh(
        self, files: Iterable[File], known: dict[Known, str], report: Report
    ) -> Iterator[File]:
        names = {name for name, _ in known}
        for file in files:
            # Only a file whose name is known can be known: the others need no reading.
            try:
                reason = known.get((file.name, _sha256(file.path))) if file.name in names else None
            except OSError as error:
                self._reject_unreadable(file, error, report)
                continue
            if reason is None:
                yield file
                continue
            if reason:
                report.rejected.append((file.name, reason))
            else:
                report.already += 1
            self._advance(1)

    def _reject_unreadable(self, file: File, error: OSError, report: Report) -> None:
        report.rejected.append((file.name, f"The file cannot be read: {_said(error)}."))
        self._advance(1)

    def _upload(
        self, batch: list[File], collection: str, pool: ThreadPoolExecutor, report: Report
    ) -> dict[str, str]:
        """Returns id → name of what is on its way; a file that is gone by now is not."""
        body = {
            "collection": collection,
            "files": [{"name": f.name, "type": f.type, "size": f.size} for f in batch],
        }
        places = self._api.post("/uploads", body)["uploads"]
        sent = {}
        for place, file, error in zip(
            places, batch, pool.map(self._send, places, batch), strict=True
        ):
            if error is None:
                sent[place["id"]] = place["name"]
            else:
                self._reject_unreadable(file, error, report)
        return sent

    def _send(self, place: dict[str, Any], file: File) -> OSError | None:
        """Returns why the file could not be read; raises `Transient` where it was not taken."""
        try:
            self._api.send(place["post"], file.path)
        except OSError as error:
            return error
        return None

    def _settle(self, pending: dict[str, str], report: Report) -> int:
        """Take out of `pending` what is indexed or rejected by now; returns how many that were."""
        settled = 0
        for ids in _batches(list(pending), 100):
            for image in self._api.get("/images", ids=",".join(ids))["items"]:
                name = pending.pop(image["id"])
                settled += 1
                if image["state"] == "ready":
                    report.indexed += 1
                else:
                    report.rejected.append((name, image["reason"]))
        self._advance(settled)
        return settled

    def _wait(self, pending: dict[str, str], report: Report) -> None:
        last = time.monotonic()
        while pending and time.monotonic() - last < PATIENCE_SECONDS:
            if self._settle(pending, report):
                last = time.monotonic()
            else:
                self._check()
                time.sleep(0.2)
        report.waiting = sorted(pending.values())


def image_files(folder: Path, report: Report) -> Iterator[File]:
    """The files below `folder` that are images by ending or by their first bytes, in order;
    the others are counted in `report.not_images` by ending. Hidden ones are passed over."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            path = Path(root, name)
            if name.startswith(".") or not path.is_file():
                continue
            kind = content_type("", name) or _sniffed(path)
            if kind is None:
                report.not_images[path.suffix.lower() or "no ending"] += 1
                continue
            size = path.stat().st_size
            shown = os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace")
            yield File(path, shown, kind, size)


def _said(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _sniffed(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return sniff(file.read(16))
    except OSError:
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
