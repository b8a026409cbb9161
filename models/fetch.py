"""Fetching a model from the hub: one pinned revision, only the files needed, whole or not at all.

    python -m models fetch Xenova/clip-vit-base-patch32

The first fetch asks the hub which commit the revision is, decides from its list of files, checks
what comes by the hashes the hub lists, and notes commit and sha256 of each file in models.lock.
After that only those very bytes are accepted, from whatever mirror, and a folder that is whole
needs no network. docs/models.md says it for users.
"""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from chalicelib.clip.folder import read_folder
from chalicelib.clip.onnxfile import external_locations
from chalicelib.clip.spec import read_json
from chalicelib.errors import ConfigurationError, IntellisenseError, ModelError
from models.fetch_file import Download, Patience, disk_error, download, patiently
from models.fetch_folder import (
    Staging,
    alone,
    check_place,
    is_whole,
    read_record,
    write_record,
)
from models.fetch_hub import Hub
from models.fetch_lock import LOCK, Pin, Pinned, check_writable, read_pin, write_pin
from models.fetch_plan import Listing, Remote, plan, weights_beside
from models.fetch_progress import Progress, size_words

DEFAULT_REVISION = "main"
CONFIG = "config.json"


@dataclass(frozen=True, slots=True)
class Request:
    """What to fetch, and where to. `revision` None is what is pinned, else the main branch;
    `endpoint` None is HF_ENDPOINT's."""

    repo: str
    out: Path
    form: str = "fp32"
    revision: str | None = None
    update: bool = False
    lock: Path = LOCK
    endpoint: str | None = None


def folder_name(repo: str, form: str) -> str:
    """The name of a model's folder, unless told otherwise: the repository's, and its form."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", repo.rpartition("/")[2]).strip(".-") or "model"
    return name if form == "fp32" else f"{name}-{form}"


def fetch(request: Request, patience: Patience | None = None) -> Pin:
    """Have the model in `request.out`; returns what it is.

    Raises ConfigurationError where the model, revision or form is not to be had or the place is
    taken or full, ModelError where the files are not those pinned or no model, Transient where the
    network or the hub gives out.
    """
    hub = Hub(request.repo, request.endpoint)
    pin = None if request.update else _pinned(request)
    if pin and is_whole(request.out, pin):
        _say(f"{request.repo} at {pin.commit[:12]} ({pin.form}) is there already")
        return pin
    check_place(request.out, request.repo)
    if pin is None:
        check_writable(request.lock)
    try:
        with alone(request.out):
            made = _make(request, hub, pin, patience or Patience())
    except OSError as error:
        raise disk_error(error, request.out) from error
    if pin is None:
        write_pin(request.lock, made)
        _say(f"pinned in {request.lock}: commit it, and everyone gets these very files")
    return made


def _pinned(request: Request) -> Pin | None:
    """The lock's pin; where it has none, that of a whole folder fetched before, put into it."""
    pin = read_pin(request.lock, request.repo, request.form)
    if pin is not None:
        if not pin.is_of(request.revision):
            raise ConfigurationError(
                f"{request.lock} pins {request.repo} ({request.form}) at {pin.revision}, commit "
                f"{pin.commit}, not at {request.revision}: leave --revision out, or pin the other "
                "one with --update.",
                field="revision",
            )
        return pin
    record = read_record(request.out)
    wanted = (request.repo, request.form)
    if record is None or (record.repo, record.form) != wanted or not record.is_of(request.revision):
        return None
    if not is_whole(request.out, record):
        return None
    check_writable(request.lock)
    write_pin(request.lock, record)
    return record


def _make(request: Request, hub: Hub, pin: Pin | None, patience: Patience) -> Pin:
    """Download what is missing, check it, and put the folder into its place."""
    if pin is not None:
        staging = Staging(request.out, pin.commit, request.form)
        _say(f"{request.repo} at {pin.commit[:12]} ({request.form}) from {hub.endpoint}")
        files = tuple(Remote(path, f.size, f.sha256) for path, f in pin.files.items())
        _Load(hub, pin.commit, staging, patience, pinned=True).files(files)
        return _finish(request, staging, pin)
    revision = request.revision or DEFAULT_REVISION
    commit, listing = patiently(lambda: hub.list_files(revision), patience, _say)
    staging = Staging(request.out, commit, request.form)
    _say(f"{request.repo} at {commit[:12]} ({request.form}) from {hub.endpoint}")
    hashes = _first(request, _Load(hub, commit, staging, patience, pinned=False), listing)
    return _finish(request, staging, Pin(request.repo, request.form, revision, commit, hashes))


def _first(request: Request, load: _Load, listing: Listing) -> dict[str, Pinned]:
    """Decide what is needed and have it: config.json says the kind, the graphs their weights."""
    folder, what = load.staging.folder, f"{request.repo} at {load.commit[:12]}"
    hashes, kind = {}, None
    if CONFIG in listing:
        hashes = load.files((listing[CONFIG],))
        kind = read_json(folder / CONFIG).get("model_type")
    try:
        planned = plan(listing, request.form, kind, what)
    except IntellisenseError:
        load.staging.drop()
        raise
    hashes |= load.files(tuple(file for file in planned.files if file.path not in hashes))
    for graph in planned.graphs:
        beside = weights_beside(graph, external_locations(folder / graph, folder), listing)
        hashes |= load.files(tuple(file for file in beside if file.path not in hashes))
    return hashes


def _finish(request: Request, staging: Staging, pin: Pin) -> Pin:
    staging.keep_own(pin)
    _validate(staging.folder, request)
    write_record(staging.folder, pin)
    staging.put()
    return pin


def _validate(folder: Path, request: Request) -> None:
    try:
        read_folder(folder)
    except ModelError as error:
        raise ModelError(
            f"{request.repo} was fetched, but is no model that can be loaded: {error.message}. "
            f"What came is in {folder}; remove it when you are done with it.",
            field=error.field,
        ) from error


@dataclass(frozen=True, slots=True)
class _Load:
    """The downloading of one commit's files into a staging folder."""

    hub: Hub
    commit: str
    staging: Staging
    patience: Patience
    pinned: bool

    def files(self, files: tuple[Remote, ...]) -> dict[str, Pinned]:
        """Have these files in the folder; returns size and sha256 of each."""
        if not files:
            return {}
        missing = sum(self.staging.missing(remote) for remote in files)
        self._check_room(missing)
        total = sum(remote.size for remote in files)
        hashes = {}
        with Progress(total, total - missing) as progress:
            for remote in files:
                progress.begin(remote)
                hashes[remote.path] = Pinned(remote.size, self._one(remote, progress))
                progress.end(remote)
        return hashes

    def _one(self, remote: Remote, progress: Progress) -> str:
        before = self.staging.missing(remote)
        known = self.staging.have(remote)
        if known is not None:
            progress.advance(before)
            return known
        progress.advance(before - self.staging.missing(remote))
        job = Download(self.hub, self.commit, remote, self.staging.parts / remote.path, self.pinned)
        return download(job, self.staging.folder / remote.path, progress, self.patience)

    def _check_room(self, missing: int) -> None:
        free = shutil.disk_usage(self.staging.path).free
        if missing > free:
            raise ConfigurationError(
                f"{size_words(missing)} are to be fetched, but {self.staging.path.parent} has room "
                f"for {size_words(free)}: free some, or name another place with --out.",
                code="disk_full",
                field="out",
            )


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
