"""One file of a model, downloaded: gone on with where it broke off, and checked when it is whole.

huggingface_hub's own download begins anew in each process (since 2.x its partial files have names
of chance, and are removed), which a model of gigabytes cannot afford. So the bytes are kept in a
`part` beside the folder; what is there already is asked for no more.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, TypeVar

from chalicelib.errors import ConfigurationError, ModelError, Transient
from models.fetch_hashes import hashes_of
from models.fetch_hub import Hub, reason, wait_asked_for
from models.fetch_plan import Remote

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")


class Watcher(Protocol):
    """Whoever shows how it goes."""

    def advance(self, size: int) -> object:
        """So many more bytes are there; fewer than none where a part had to be begun anew."""

    def note(self, what: str) -> object:
        """Something to say, in one line."""


WORTH_GOING_ON = 2**20
"""Bytes between two breaks that show that a connection is slow rather than dead."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait before each further try; they count anew after `WORTH_GOING_ON` bytes."""

    waits: tuple[float, ...] = (0.5, 1, 2, 4, 8)

    def of(self, failures: int) -> float:
        return self.waits[max(failures, 1) - 1] if self.waits else 0.0


@dataclass(frozen=True, slots=True)
class Download:
    """One file on its way: from where, of which commit, and the part it gathers in."""

    hub: Hub
    commit: str
    remote: Remote
    part: Path
    pinned: bool


def patiently(call: Callable[[], T], patience: Patience, note: Callable[[str], object]) -> T:
    """`call`'s answer, asked for again while the hub is busy or breaks off, but not while there is
    no way to it: then waiting seconds does not help, and the caller should hear of it at once."""
    for wait in patience.waits:
        try:
            return call()
        except Transient as error:
            if error.code not in ("hub_busy", "broken_off"):
                raise
            _wait(wait, error, note)
    return call()


def _wait(seconds: float, error: Transient, note: Callable[[str], object]) -> None:
    seconds = max(seconds, wait_asked_for(error))
    note(f"{reason(error)}; trying again in {seconds:g} s")
    time.sleep(seconds)


def download(job: Download, into: Path, watcher: Watcher, patience: Patience) -> str:
    """Fetch the file into `into`; returns its sha256.

    Raises Transient where the hub gives out, ModelError where the bytes are not the expected ones,
    ConfigurationError where the disk is full. The part stays for the next time, unless it is wrong.
    """
    for folder in (job.part.parent, into.parent):
        folder.mkdir(parents=True, exist_ok=True)
    failures = 0
    while (had := _size(job.part)) != job.remote.size or not job.part.exists():
        try:
            _transfer(job, watcher)
        except Transient as error:
            failures = 0 if _size(job.part) - had >= WORTH_GOING_ON else failures + 1
            if failures > len(patience.waits):
                raise _gave_up(job, error, failures) from error
            _wait(patience.of(failures), error, watcher.note)
        except OSError as error:
            raise disk_error(error, into) from error
    sha256 = _check(job)
    job.part.replace(into)
    return sha256


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _transfer(job: Download, watcher: Watcher) -> None:
    """One request for what is missing. Returns at the end of the file, raises before it."""
    remote = job.remote
    with job.part.open("ab") as file:
        at = file.seek(0, os.SEEK_END)
        if at > remote.size:
            at = _begin_anew(file, at, watcher)
        if at == remote.size:
            return
        with job.hub.open(job.commit, remote.path, at) as response:
            if at and not _goes_on(response, at):
                at = _begin_anew(file, at, watcher)
            for chunk in response.iter_bytes():
                at += len(chunk)
                if at > remote.size:
                    file.truncate(0)
                    raise _wrong(job, "size", str(remote.size), "more")
                file.write(chunk)
                watcher.advance(len(chunk))
        file.flush()
        os.fsync(file.fileno())
    if at < remote.size:
        raise Transient(f"{remote.path} ended after {at} of {remote.size} bytes", code="broken_off")


def _goes_on(response: httpx2.Response, at: int) -> bool:
    """Whether the answer begins where the part ends; a server may send the whole file instead."""
    begins = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return response.status_code == 206 and begins is not None and int(begins[1]) == at


def _begin_anew(file: IO[bytes], had: int, watcher: Watcher) -> int:
    file.truncate(0)
    watcher.advance(-had)
    return 0


def _gave_up(job: Download, error: Transient, tries: int) -> Transient:
    had, size = _size(job.part), job.remote.size
    return Transient(
        f"{job.remote.path} of {job.hub.repo} came to {had:,} of {size:,} bytes in {tries} tries "
        f"({reason(error)}). What is here is kept: the same command goes on from "
        "there.",
        code=error.code,
    )


def disk_error(error: OSError, at: Path) -> ConfigurationError:
    """What to say of a file that could not be written."""
    if error.errno in NO_ROOM:
        return ConfigurationError(
            f"There is no room for {at.name} in {at.parent} ({error.strerror}): free some and run "
            "the same command again (it goes on where it stopped), or name another place with "
            "--out.",
            code="disk_full",
            field="out",
        )
    return ConfigurationError(
        f"{at} cannot be written ({error.strerror or error}): name another place with --out.",
        field="out",
    )


def _check(job: Download) -> str:
    """The part's sha256, which is the expected one; a wrong part is removed."""
    hashes = hashes_of(job.part)
    remote = job.remote
    for what, expected, got in (
        ("sha256", remote.sha256, hashes.sha256),
        ("git hash", remote.blob, hashes.blob),
    ):
        if expected and got != expected:
            job.part.unlink()
            raise _wrong(job, what, expected, got)
    return hashes.sha256


def _wrong(job: Download, what: str, expected: str, got: str) -> ModelError:
    who = "models.lock pins" if job.pinned else f"{job.hub.endpoint} lists"
    anew = " If the model is meant to be another now, pin it with --update." if job.pinned else ""
    return ModelError(
        f"hash differs: {job.remote.path} of {job.hub.repo} at {job.commit[:12]} came with {what} "
        f"{got}, but {who} {expected}. It was thrown away: run the same command again, and if it "
        f"differs again, do not use this source (HF_ENDPOINT is {job.hub.endpoint}).{anew}",
        code="hash_differs",
        field=job.remote.path,
    )
