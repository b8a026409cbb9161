"""The API's zip: what Chalice packages of this tree, and beside it the packages of requirements.txt
for Lambda's Python, each checked against its hash."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from chalicelib.errors import ConfigurationError

ROOT = Path(__file__).resolve().parent.parent
PYTHON = "3.13"
"""Of the API and, in its Dockerfile, of the containers; supported to 2029
(https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html)."""
PLATFORM = "x86_64-manylinux_2_28"
"""Amazon Linux 2023 has glibc 2.34."""

LAMBDA_TAKES = 250 * 1024**2
"""Bytes unpacked (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""

_NEVER = shutil.ignore_patterns("__pycache__", "*.pyc")
_ALWAYS = (1980, 1, 1, 0, 0, 0)
"""The time of every file, so that what did not change makes the same zip."""


def stage_project(target: Path) -> Path:
    """A folder with what Chalice packages: application, library and settings, and no list of
    packages, as these are added afterwards."""
    shutil.rmtree(target, ignore_errors=True)
    (target / ".chalice").mkdir(parents=True)
    shutil.copy2(ROOT / "app.py", target)
    shutil.copytree(ROOT / "chalicelib", target / "chalicelib", ignore=_NEVER)
    for name in ("config.json", "policy.json"):
        shutil.copy2(ROOT / ".chalice" / name, target / ".chalice")
    (target / "requirements.txt").write_text("")
    return target


def install_packages(target: Path) -> Path:
    """`requirements.txt` for Lambda; nothing is done where it was done before. Raises
    `ConfigurationError` with what the installer said."""
    requirements = ROOT / "requirements.txt"
    wanted = mark_of(requirements.read_bytes())
    done = target.with_name(target.name + ".done")
    if done.exists() and done.read_text() == wanted:
        return target
    shutil.rmtree(target, ignore_errors=True)
    done.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(target)),
        *("--python-platform", PLATFORM, "--python-version", PYTHON, "--no-build"),
        *("--require-hashes", "-r", str(requirements)),
    ]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise ConfigurationError(f"The API's packages could not be installed: {run.stderr.strip()}")
    done.write_text(wanted)
    return target


def mark_of(requirements: bytes) -> str:
    """What packages that were installed are known by."""
    return hashlib.sha256(f"{PYTHON} {PLATFORM}".encode() + requirements).hexdigest()


def add_packages(archive: Path, packages: Path) -> None:
    """Write `archive` anew, with the files of `packages` added, in order and without times.
    Raises `ConfigurationError` where Lambda would not take it."""
    with zipfile.ZipFile(archive) as given:
        files = {name: given.read(name) for name in given.namelist()}
    for path in sorted(packages.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            files[path.relative_to(packages).as_posix()] = path.read_bytes()
    if (size := sum(map(len, files.values()))) > LAMBDA_TAKES:
        raise ConfigurationError(
            f"The API's zip would unpack to {size / 1024**2:.0f} MB; Lambda takes 250."
        )
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _ALWAYS)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            written.writestr(entry, files[name])
