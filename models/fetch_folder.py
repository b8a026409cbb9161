"""A fetched model's folder: what it says of itself, and how it comes into its place whole.

Beside the folder `NAME` lie, while it is made, `.fetching-NAME-COMMIT-FORM` (`parts` that are
under way, the `folder` of those that are done) and `.NAME.lock`, so that one process makes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chalicelib.clip.identity import IDENTITY_FILE
from chalicelib.clip.spec import read_json
from chalicelib.errors import ConfigurationError, ModelError
from models.fetch_hashes import hashes_of, is_remote
from models.fetch_lock import Pin, pin_from, pin_json
from models.fetch_plan import Remote

RECORD = "fetched.json"
"""Which model the folder holds, at which commit, with its files' hashes and times."""


def write_record(folder: Path, pin: Pin) -> None:
    """Note in the folder what it holds."""
    times = {path: (folder / path).stat().st_mtime_ns for path in pin.files}
    value = {"repo": pin.repo, "form": pin.form, **pin_json(pin), "mtime_ns": times}
    (folder / RECORD).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def read_record(folder: Path) -> Pin | None:
    """What the folder says it holds; None where it says nothing that can be understood."""
    try:
        value = read_json(folder / RECORD)
        return pin_from(value, str(value["repo"]), str(value["form"]), folder / RECORD)
    except (ModelError, ConfigurationError, KeyError):
        return None


def is_whole(folder: Path, pin: Pin) -> bool:
    """Whether the folder holds every file of `pin`, and each is the pinned one.

    A file whose size and time are those noted when it was checked is not read again.
    """
    record = read_record(folder)
    if record is None or (record.repo, record.form) != (pin.repo, pin.form):
        return False
    if record.files != pin.files or record.commit != pin.commit:
        return False
    times = read_json(folder / RECORD).get("mtime_ns")
    return all(_is_file(folder, path, pin, times) for path in pin.files)


def _is_file(folder: Path, path: str, pin: Pin, times: Any) -> bool:
    try:
        stat = (folder / path).stat()
    except OSError:
        return False
    if stat.st_size != pin.files[path].size:
        return False
    noted = times.get(path) if isinstance(times, dict) else None
    return noted == stat.st_mtime_ns or hashes_of(folder / path).sha256 == pin.files[path].sha256


def check_place(out: Path, repo: str) -> None:
    """Raises ConfigurationError where `out` is something that a fetch must not replace."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    record = read_record(out) if out.is_dir() else None
    if record is None:
        raise ConfigurationError(
            f"{out} holds something that was not fetched: name another place with --out, or move "
            "it away.",
            field="out",
        )
    if record.repo != repo:
        raise ConfigurationError(
            f"{out} holds {record.repo}, not {repo}: name another place with --out.", field="out"
        )


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
    """One process at a time makes a folder. Raises ConfigurationError where another does."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with (out.parent / f".{out.name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"Another process is fetching into {out}: wait until it is done.", field="out"
            ) from error
        yield


class Staging:
    """Where a folder is made before it is moved into its place."""

    def __init__(self, out: Path, commit: str, form: str) -> None:
        self._out = out
        self.path = out.parent / f".fetching-{out.name}-{commit[:12]}-{form}"
        self.folder, self.parts = self.path / "folder", self.path / "parts"
        self.folder.mkdir(parents=True, exist_ok=True)

    def missing(self, remote: Remote) -> int:
        """How many bytes of a file are still to be downloaded, going by sizes."""
        for path in (self.folder / remote.path, self._out / remote.path):
            if path.is_file() and path.stat().st_size == remote.size:
                return 0
        part = self.parts / remote.path
        return max(remote.size - part.stat().st_size, 0) if part.is_file() else remote.size

    def have(self, remote: Remote) -> str | None:
        """The sha256 of a file that is here already, from a run before or in the old folder."""
        here, old = self.folder / remote.path, self._out / remote.path
        if (sha256 := is_remote(here, remote)) is not None:
            return sha256
        here.unlink(missing_ok=True)
        if (sha256 := is_remote(old, remote)) is not None:
            _link(old, here)
        return sha256

    def keep_own(self, pin: Pin) -> None:
        """Take along what its owner has put into the old folder, as a search_config.json."""
        record = read_record(self._out)
        if record is None:
            return
        not_own = {RECORD, IDENTITY_FILE, *record.files, *pin.files}
        for path in self._out.rglob("*"):
            name = path.relative_to(self._out).as_posix()
            if path.is_file() and name not in not_own:
                (self.folder / name).unlink(missing_ok=True)
                _link(path, self.folder / name)

    def drop(self) -> None:
        """Remove it, where nothing in it will be wanted again."""
        shutil.rmtree(self.path, ignore_errors=True)

    def put(self) -> None:
        """Move the folder into its place, what was there before out of it; then tidy up."""
        old = self.path / "old"
        if self._out.exists():
            shutil.rmtree(old, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            self._out.rename(old)
        self.folder.rename(self._out)
        pattern = re.escape(f".fetching-{self._out.name}-") + "[0-9a-f]{12}-[a-z0-9]+"
        for path in self._out.parent.iterdir():
            if re.fullmatch(pattern, path.name):
                shutil.rmtree(path, ignore_errors=True)


def _link(old: Path, new: Path) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(old, new)
    except OSError:
        shutil.copy2(old, new)
