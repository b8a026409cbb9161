"""Files from a Maven repository: fetched, checked, unpacked."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import requests
from tqdm import tqdm

from chalicelib.errors import ConfigurationError, Transient

MAVEN = "https://repo1.maven.org/maven2"
"""Where from, unless MAVEN_MIRROR names another repository of the same layout."""


class Archive(NamedTuple):
    """One file of a Maven repository, pinned."""

    path: str
    sha256: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def fetch(archive: Archive, folder: Path) -> Path:
    """The archive's file in `folder`, downloaded where it is not there."""
    path = folder / archive.name
    if path.is_file() and sha256(path) == archive.sha256:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    mirror = os.environ.get("MAVEN_MIRROR") or MAVEN
    url = f"{mirror.rstrip('/')}/{archive.path}"
    handle, name = tempfile.mkstemp(prefix=f".{archive.name}-", dir=folder)
    os.close(handle)
    part = Path(name)
    try:
        _download(url, part, path)
        if sha256(part) != archive.sha256:
            raise ConfigurationError(
                f"What {url} gave is not the file that is pinned (its sha256 differs), so it was "
                "thrown away. A proxy may have put something else there: try again, or name "
                "another repository with MAVEN_MIRROR."
            )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _download(url: str, part: Path, path: Path) -> None:
    by_hand = f"or put the file there yourself: {path}"
    print(f"Downloading {path.name} …", file=sys.stderr)
    try:
        with requests.get(url, stream=True, timeout=60) as answer, part.open("wb") as file:
            if not answer.ok:
                raise ConfigurationError(
                    f"{url} answered {answer.status_code}. Name a Maven repository that has it "
                    f"with MAVEN_MIRROR, {by_hand}"
                )
            size = int(answer.headers.get("Content-Length", 0)) or None
            # None: only where a person watches.
            with tqdm(total=size, unit="B", unit_scale=True, disable=None, leave=False) as bar:
                for chunk in answer.iter_content(1 << 20):
                    file.write(chunk)
                    bar.update(len(chunk))
    except requests.RequestException as error:
        raise Transient(
            f"{url} could not be downloaded ({type(error).__name__}). Check the network, name "
            f"another repository with MAVEN_MIRROR, {by_hand}",
            code="download_failed",
        ) from error


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(archive: Path, to: Path, below: str = "") -> None:
    """What has names that start with `below`, into the folder `to`, programs as programs."""
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            if entry.filename.startswith(below):
                path = Path(packed.extract(entry, to))
                if entry.external_attr >> 16 & stat.S_IXUSR and not entry.is_dir():
                    path.chmod(0o755)


def open_up(folder: Path) -> None:
    """Let every account read what is in `folder`, whatever our umask is, and run its programs."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
