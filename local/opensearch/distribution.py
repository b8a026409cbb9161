"""OpenSearch with its k-NN plugin, and the Java it runs on: made once, shared by all nodes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from chalicelib.errors import ConfigurationError
from local.opensearch.account import Account, within_reach
from local.opensearch.files import Archive, fetch, open_up, unpack
from local.opensearch.java import Java, find_java, get_java

SERVER = Archive(
    "org/opensearch/distribution/integ-test-zip/opensearch/3.6.0/opensearch-3.6.0.zip",
    "a91faa1dc1cadc78cb278b4f63847e19e1627a4e9de698e14e7efc14ee37b286",
)
KNN = Archive(
    "org/opensearch/plugin/opensearch-knn/3.6.0.0/opensearch-knn-3.6.0.0.zip",
    "ac392ca28a39b3bf290648a422ef30cb149dda2963a9d7feb26060e932341c9a",
)

_VERSIONED = SERVER.name.removesuffix(".zip")
_JRE = "jre"
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
    name = f"{_VERSIONED}-{both}{'' if java else '-with-java'}"
    home = within_reach(downloads, account) / name
    if not home.is_dir():
        _make(home, downloads, java)
    return Distribution(home, java or _own_java(home))


def _own_java(home: Path) -> Java:
    return Java(25, home / _JRE)


def _make(home: Path, downloads: Path, java: Java | None) -> None:
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=home.parent))
    try:
        unpack(fetch(SERVER, downloads), making)
        made = making / _VERSIONED
        if java is None:
            get_java(downloads, made / _JRE)
            shutil.rmtree(made / _NEEDS_MORE_JAVA)
        _add_plugin(made, fetch(KNN, downloads), java or _own_java(made))
        open_up(made)
        _rename(made, home)
    except OSError as error:
        raise ConfigurationError(f"OpenSearch cannot be unpacked: {error}") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _rename(made: Path, home: Path) -> None:
    """Someone else's may have come about in the meantime: the same."""
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
