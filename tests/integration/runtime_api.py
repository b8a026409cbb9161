"""The Runtime API that Lambda puts beside a function, and a function that is fed by it."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any, NamedTuple

NEXT = "/2018-06-01/runtime/invocation/next"
ANSWERS = "/2018-06-01/runtime/invocation/"


class Answer(NamedTuple):
    kind: str
    body: Any


class RuntimeApi:
    """What Lambda puts beside a function.

    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
    """

    def __init__(self) -> None:
        self.events: queue.Queue[tuple[str, dict[str, Any], float]] = queue.Queue()
        self.answers: queue.Queue[Answer] = queue.Queue()
        self.trace = f"Root=1-00000000-{'0' * 24}"
        """The tracing header of what is invoked next."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.path == NEXT
                id_, event, seconds = api.events.get()
                body = json.dumps(event).encode()
                deadline = int((time.time() + seconds) * 1000)
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", id_)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(deadline))
                self.send_header(
                    "Lambda-Runtime-Invoked-Function-Arn",
                    "arn:aws:lambda:us-east-1:123456789012:function:embedder",
                )
                self.send_header("Lambda-Runtime-Trace-Id", api.trace)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kind = self.path.rpartition("/")[2]
                if self.path == "/2018-06-01/runtime/init/error":
                    kind = "init error"
                api.answers.put(Answer(kind, json.loads(body)))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_port}"
        self.pid = 0
        """Of the function's process, where there is one."""
        self._number = 0

    def invoke(self, event: dict[str, Any], seconds: float = 300) -> Answer:
        self._number += 1
        self.events.put((f"request-{self._number}", event, seconds))
        return self.answers.get(timeout=400)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def lambda_environment(api: RuntimeApi) -> dict[str, str]:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""
    return {
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_NAME": "embedder",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
        "AWS_LAMBDA_LOG_GROUP_NAME": "group",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }


@contextmanager
def function(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    cwd: Path | None = None,
    said: IO[bytes] | None = None,
) -> Iterator[RuntimeApi]:
    """The process `command`, with Lambda's variables beside those of `environment`, and what it
    is invoked by. Its output goes to `said`."""
    api = RuntimeApi()
    out = said or subprocess.DEVNULL
    process = subprocess.Popen(
        list(command), env={**environment, **lambda_environment(api)}, cwd=cwd,
        stdout=out, stderr=out,
    )  # fmt: skip
    api.pid = process.pid
    with process:
        try:
            yield api
        finally:
            process.kill()
            api.close()
