"""One OpenSearch node: started, stopped, killed, started again."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from chalicelib.errors import ConfigurationError, Transient
from local.opensearch.account import hand_over, node_account, scratch, within_reach
from local.opensearch.distribution import Distribution, prepare
from local.processes import Process
from models.cache import cache_folder

START_SECONDS = 240
_VECTORS = "jdk.incubator.vector"
_OUTPUT, _PORTS = "node.log", "http.ports"


class OpenSearchNode:
    """A node on 127.0.0.1 that ends with this process, however that ends.

    `folder` keeps its data from one start to the next; without it they go with the node. `port` 0
    is any that is free, the same from start to start. The k-NN plugin lacks its native library, so
    the engine is lucene, and searching vectors compressed 32x ends the node.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int = 0,
        heap: str = "1g",
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.port = port
        self._heap = heap
        self._settings = settings or {}
        self._account = node_account()
        self._kept = within_reach(folder, self._account) if folder else None
        self.scratch: Path | None = None
        """Its temporary files, while there are any."""
        self._process: Process | None = None
        self._pid = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- its life -----------------------------------------------------------------------------

    def start(self) -> None:
        """Returns once it answers. Raises Transient where it ends instead, with its last words."""
        if self._runs():
            return
        self._forget()
        distribution = prepare(cache_folder(), self._account)
        print("Starting OpenSearch …", file=sys.stderr)
        self.scratch = self.scratch or scratch(self._account)
        folder = self._kept or self.scratch
        try:
            what = self._configure(distribution, self.scratch, folder)
            self._process = Process("local.opensearch.watch", [json.dumps(what)], Path(what["log"]))
            self._pid = self._process.first()["pid"]
            self._await(folder / "logs" / _PORTS)
        except OSError as error:
            self.stop()
            raise ConfigurationError(f"OpenSearch cannot be started: {error}") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Let it end by itself; its temporary files go."""
        if self._process:
            assert self._process.popen.stdin
            with contextlib.suppress(OSError):
                self._process.popen.stdin.close()
            try:
                self._process.popen.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.kill()
        self._forget()
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch = None

    def kill(self) -> None:
        """`kill -9`; `start` goes on with the same port and data."""
        if self._process and self._runs():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._process.popen.wait()
        self._forget()

    def wait(self) -> None:
        """Returns when it has ended. Raises Transient, as it was not told to."""
        assert self._process
        self._process.popen.wait()
        raise Transient(f"OpenSearch has ended. Its last words:\n{self._last_words()}")

    def _runs(self) -> bool:
        return self._process is not None and self._process.popen.poll() is None

    def _forget(self) -> None:
        if self._process:
            for pipe in (self._process.popen.stdin, self._process.popen.stdout):
                assert pipe
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process = None

    # --- starting -----------------------------------------------------------------------------

    def _configure(self, distribution: Distribution, scratch: Path, folder: Path) -> dict[str, Any]:
        """Write what it reads at its start; returns what `watch` is to run. The configuration is a
        folder of its own, as the node writes there too."""
        made = {name: scratch / name for name in ("config", "tmp")}
        made |= {name: folder / name for name in ("data", "logs")}
        for path in made.values():
            path.mkdir(exist_ok=True)
            hand_over(path, self._account)
        (made["logs"] / _PORTS).unlink(missing_ok=True)
        settings = {
            "cluster.name": "image-intellisense",
            "node.name": "local",
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "http.port": self.port,
            "transport.port": 0,
            "path.data": str(made["data"]),
            "path.logs": str(made["logs"]),
            # It takes a port itself and writes down which: nobody can take it in between.
            "node.portsfile": True,
            "cluster.routing.allocation.disk.threshold_enabled": False,
            "action.auto_create_index": False,
            **self._settings,
        }
        # YAML reads JSON.
        (made["config"] / "opensearch.yml").write_text(json.dumps(settings))
        given = distribution.home / "config"
        shutil.copyfile(given / "log4j2.properties", made["config"] / "log4j2.properties")
        vectors = distribution.java.has(_VECTORS)
        (made["config"] / "jvm.options").write_text(
            jvm_options((given / "jvm.options").read_text(), vectors=vectors)
        )
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "OPENSEARCH_JAVA_HOME": str(distribution.java.home),
            "OPENSEARCH_PATH_CONF": str(made["config"]),
            "OPENSEARCH_TMPDIR": str(made["tmp"]),
            # Memory it does not use is left to others.
            "OPENSEARCH_JAVA_OPTS": f"-Xms{self._heap} -Xmx{self._heap} -XX:-AlwaysPreTouch",
        }
        return {
            "command": [str(distribution.home / "bin" / "opensearch")],
            "environment": environment,
            "account": self._account.options if self._account else {},
            "log": str(scratch / _OUTPUT),
            "remove": str(scratch),
        }

    def _await(self, ports: Path) -> None:
        """Until it answers that its data are there."""
        assert self._process
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process.popen.poll() is not None:
                raise Transient(f"OpenSearch did not start. Its last words:\n{self._last_words()}")
            if match := re.search(r":(\d+)\n", ports.read_text() if ports.exists() else ""):
                self.port = int(match[1])
                with contextlib.suppress(requests.RequestException):
                    health = f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=10s"
                    if requests.get(health, timeout=60).ok:
                        return
            time.sleep(0.1)
        raise Transient(
            f"OpenSearch did not answer within {START_SECONDS} s. Its last words:\n"
            f"{self._last_words()}"
        )

    def _last_words(self) -> str:
        assert self.scratch
        lines = (self.scratch / _OUTPUT).read_text(errors="replace").splitlines()
        # Java's traces are set in.
        return "\n".join([line for line in lines if line and not line[0].isspace()][-10:])


def jvm_options(given: str, *, vectors: bool) -> str:
    """The distribution's, with the vector module where there is one, and without what would write
    below its home: the log of the garbage collector, a dump of the heap, a report of a crash."""
    unwanted = ["Xlog:gc", "Xloggc", "HeapDump", "ErrorFile"]
    unwanted += [] if vectors else [f"add-modules={_VECTORS}"]
    lines = given.splitlines()
    lines = [line for line in lines if not any(option in line for option in unwanted)]
    return "\n".join([*lines, "-XX:ErrorFile=${OPENSEARCH_TMPDIR}/crash.log", ""])
