"""OpenSearch and its k-NN plugin from Maven Central: fetched, checked, unpacked once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import requests
from tqdm import tqdm

from chalicelib.errors import ConfigurationError, Transient
from local.opensearch.account import Account, within_reach
from local.opensearch.java import Java, find_java, get_java

MAVEN = "https://repo1.maven.org/maven2"
"""Where from, unless MAVEN_MIRROR names another repository of the same layout."""


class Archive(NamedTuple):
    """One file of a Maven repository, pinned."""

    path: str
    sha256: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


SERVER = Archive(
    "org/opensearch/distribution/integ-test-zip/opensearch/3.6.0/opensearch-3.6.0.zip",
    "a91faa1dc1cadc78cb278b4f63847e19e1627a4e9de698e14e7efc14ee37b286",
)
KNN = Archive(
    "org/opensearch/plugin/opensearch-knn/3.6.0.0/opensearch-knn-3.6.0.0.zip",
    "ac392ca28a39b3bf290648a422ef30cb149dda2963a9d7feb26060e932341c9a",
)

_NEEDS_MORE_JAVA = "modules/analysis-common"
"""Makes an analyzer of each language it knows with every index, of Thai too, for which the Java
from PyPI lacks the words. Without it indexes keep the built-in analyzers and normalizers."""


class Distribution(NamedTuple):
    """The server with the plugin in it, and what it runs on. Nodes share it and write nothing."""

    home: Path
    java: Java


def prepare(cache: Path, account: Account | None) -> Distribution:
    """The distribution, made where the cache lacks it.

    Raises ConfigurationError or Transient, saying what to do.
    """
    if shutil.which("bash") is None:
        raise ConfigurationError("OpenSearch's scripts need bash; install it.")
    downloads = cache / "opensearch"
    java = find_java(account)
    both = hashlib.sha256((SERVER.sha256 + KNN.sha256).encode()).hexdigest()[:8]
    name = f"{SERVER.name.removesuffix('.zip')}-{both}{'' if java else '-with-java'}"
    home = within_reach(downloads, account) / name
    if not home.is_dir():
        _make(home, downloads, java)
    return Distribution(home, java or _own_java(home))


def _own_java(home: Path) -> Java:
    return Java(25, home / "jre")


def _make(home: Path, downloads: Path, java: Java | None) -> None:
    server, plugin = fetch(SERVER, downloads), fetch(KNN, downloads)
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=home.parent))
    try:
        making.chmod(0o755)
        made = making / home.name
        unpack(server, made, only=f"{SERVER.name.removesuffix('.zip')}/")
        if java is None:
            get_java(downloads, made / "jre")
            shutil.rmtree(made / _NEEDS_MORE_JAVA)
        _add_plugin(made, plugin, java or _own_java(made))
        # Someone else's has come about in the meantime: the same.
        with contextlib.suppress(FileExistsError):
            _rename(made, home)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _rename(made: Path, home: Path) -> None:
    try:
        made.rename(home)
    except OSError:
        if not home.is_dir():
            raise


def _add_plugin(home: Path, plugin: Path, java: Java) -> None:
    program = home / "bin" / "opensearch-plugin"
    done = subprocess.run(
        [program, "install", "--batch", plugin.absolute().as_uri()],
        env={"PATH": os.environ.get("PATH", os.defpath), "OPENSEARCH_JAVA_HOME": str(java.home)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise ConfigurationError(
            f"OpenSearch did not take the k-NN plugin: {(done.stderr or done.stdout)[-500:]}"
        )
    open_up(home)


def open_up(folder: Path) -> None:
    """Let every account read what is below, whatever our umask is, as another's node may run it."""
    for path in folder.rglob("*"):
        mode = path.stat().st_mode
        path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))


def unpack(archive: Path, to: Path, *, only: str) -> None:
    """What is below `only` in the archive, as the folder `to`, programs as programs."""
    to.mkdir(mode=0o755)
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            name = entry.filename.removeprefix(only)
            if not entry.filename.startswith(only) or not name or ".." in Path(name).parts:
                continue
            target = to / name
            if entry.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with packed.open(entry) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
            target.chmod(0o755 if entry.external_attr >> 16 & 0o100 else 0o644)
    open_up(to)


# --- downloads ------------------------------------------------------------------------------


def fetch(archive: Archive, folder: Path) -> Path:
    """The archive's file in `folder`, downloaded where it is not there."""
    path = folder / archive.name
    if path.is_file() and _sha256(path) == archive.sha256:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    mirror = os.environ.get("MAVEN_MIRROR") or MAVEN
    url = f"{mirror.rstrip('/')}/{archive.path}"
    handle, name = tempfile.mkstemp(prefix=f".{archive.name}-", dir=folder)
    os.close(handle)
    part = Path(name)
    try:
        _download(url, part, path)
        if _sha256(part) != archive.sha256:
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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
