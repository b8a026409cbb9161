"""Starts and stops the processes of the one-machine stack and keeps them running."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from werkzeug.serving import BaseWSGIServer, make_server

from chalicelib.config import Settings, origins_of
from chalicelib.errors import ConfigurationError, Transient
from chalicelib.quota import NO_LIMIT, Allowance
from local.data import DataFolder
from local.processes import ROOT, Line, Process, leave_aws_alone
from local.sign_in import SignIn

REGION = "us-east-1"
PHOTOS, THUMBNAILS = "photos", "thumbnails"
QUEUE, DEAD_LETTERS = "ingest", "ingest-dead-letters"

VISIBILITY_SECONDS = 6 * 60
"""Six times the function's time (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html)."""

RECEIVES = 5

TAKEN = ("IMAGES_ORIGINS", "IMAGES_RECONCILE_HOURS")
"""Settings that may be given from outside; the others are the stack's own."""

LONGEST_LOG = 16 * 1024 * 1024
"""A log over so many bytes is put aside at the next start; one such is kept of each."""

WORKER_STARTS = 3
"""A worker that ends so often before it has compared bucket and index will not get better."""


@dataclass(slots=True)
class Repair:
    """How far the reconcile at start is."""

    done: int = 0
    total: int | None = None
    report: Line | None = None


class Stack:
    """`start`, use `url`, `stop`."""

    def __init__(
        self,
        data: Path,
        model: Path,
        port: int = 0,
        *,
        decoders: int = 2,
        log_queries: bool = True,
        opensearch: str = "",
        sign_in: SignIn | None = None,
        ocr: bool = True,
        quota: Allowance = NO_LIMIT,
    ) -> None:
        """`opensearch`: the address of one, in place of the embedded index. `sign_in`: whoever
        asks must be signed in there; without it nobody need be. `ocr`: read the text in pictures.
        `quota`: of uploads, a day and owner.
        """
        self.data = DataFolder(data)
        self.url = ""
        self.s3_url = ""
        self.restored = 0
        self.repair = Repair()
        self.broken = threading.Event()
        """Set when a part has ended for good."""
        self._ended = ""
        self._origins: frozenset[str] = frozenset()
        self._model = model
        self._port = port
        self._decoders = decoders
        self._log_queries = log_queries
        self._ocr = ocr
        self._quota = quota
        self.opensearch = opensearch
        self.sign_in = sign_in
        self._server: Process | None = None
        self._worker: Process | None = None
        self._front: BaseWSGIServer | None = None
        self._serving = False
        self._stopping = threading.Event()

    @property
    def worker_pid(self) -> int:
        """The process that embeds; another one where it has been started again."""
        assert self._worker
        return self._worker.popen.pid

    def start(self) -> None:
        """Raises `AlreadyRunning`, `ConfigurationError` (port in use), `Transient`."""
        self.data.take()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        taken = {name: os.environ[name] for name in TAKEN if name in os.environ}
        leave_aws_alone()
        logs = self._logs()
        self._front = _bind(self._port)
        port = self._front.server_port
        self.url = f"http://127.0.0.1:{port}"
        self._origins = origins_of(taken.get("IMAGES_ORIGINS", ""))
        self._start_server(logs, port)
        settings = self._settings()
        settings = Settings.load(settings.environment() | taken)
        os.environ |= settings.environment()
        _make_resources(settings)
        self._start_worker()
        self._start_front()
        self.data.announce(self.url, settings)
        threading.Thread(target=self._supervise, daemon=True, name="supervise").start()

    def start_storage(self) -> Settings:
        """Only the S3 server, for work on what is kept: no page, no worker, no queue. Raises
        `AlreadyRunning`, `Transient`."""
        self.data.take()
        try:
            self._start_server(self._logs(), 0)
        except BaseException:
            self.stop()
            raise
        return self._settings()

    def _logs(self) -> Path:
        logs = self.data.path / "logs"
        logs.mkdir(exist_ok=True)
        _put_aside_long_logs(logs)
        return logs

    def _start_server(self, logs: Path, port: int) -> None:
        arguments = ["--data", str(self.data.path / "buckets"), "--region", REGION]
        for bucket in (PHOTOS, THUMBNAILS):
            arguments += ["--bucket", bucket]
        for host in ("127.0.0.1", "localhost"):
            arguments += ["--origin", f"http://{host}:{port}"]
        for origin in sorted(self._origins):
            arguments += ["--origin", origin]
        wanted = port + 1 if 0 < self._port < 65535 else 0
        arguments += ["--port", str(wanted)]
        self._server = Process("local.server", arguments, logs / "s3.log")
        ready = self._server.first()
        self.s3_url = f"http://127.0.0.1:{ready['port']}"
        self.restored = int(ready["restored"])

    def _settings(self) -> Settings:
        queues = f"{self.s3_url}/123456789012"
        return Settings(
            bucket=PHOTOS,
            thumbnails_bucket=THUMBNAILS,
            queue_url=f"{queues}/{QUEUE}",
            dead_letter_queue_url=f"{queues}/{DEAD_LETTERS}",
            max_receives=RECEIVES,
            region=REGION,
            endpoint=self.s3_url,
            index="opensearch" if self.opensearch else "embedded",
            index_folder=str(self.data.path / "index"),
            opensearch_url=self.opensearch,
            opensearch_auth="none",
            opensearch_patience=10,
            model_folder=str(self._model.resolve()),
            decoders=self._decoders,
            ocr=self._ocr,
            log_queries=self._log_queries,
            quota_files=self._quota.files,
            quota_bytes=self._quota.bytes,
            quota_file=str(self.data.path / "quota.sqlite"),
            auth="cognito" if self.sign_in else "none",
            token_issuer=self.sign_in.issuer if self.sign_in else "",
            token_clients=self.sign_in.client_id if self.sign_in else "",
        )

    def _start_worker(self) -> None:
        log = self.data.path / "logs" / "worker.log"
        self._worker = Process("local.worker", [], log)
        self._worker.listen(self._hear)

    def _hear(self, line: Line) -> None:
        if line["event"] == "reconcile":
            self.repair.done, self.repair.total = line["done"], line["total"]
        elif line["event"] == "reconciled":
            self.repair.report = line

    def _start_front(self) -> None:
        import logging

        from aws_lambda_powertools import Logger

        from chalicelib.log import SERVICE

        assert self._front
        handler = logging.FileHandler(self.data.path / "logs" / "api.log")
        # Before the rooms are imported: whoever makes it first chooses where the logs go.
        Logger(service=SERVICE, logger_handler=handler)

        import app
        from chalicelib import wiring
        from local.front import Front

        services = wiring.services()
        self._front.app = Front(app.app, ROOT / "web", self.s3_url, self.sign_in, self._origins)
        threading.Thread(target=self._front.serve_forever, daemon=True, name="front").start()
        self._serving = True
        warm = threading.Thread(target=services.clip.embed_texts, args=(["warm"],), daemon=True)
        warm.start()

    def _supervise(self) -> None:
        """Start the worker again when it ends; its first act is to repair what was lost.

        Not before the dead one's long poll has ended: what that takes is hidden from the next, and
        only what is there by then is seen by the repair."""
        pause, starts = 2.0, 1
        while not self._stopping.wait(0.5):
            if self._server and self._server.popen.poll() is not None:
                return self._break("The S3 server", "s3.log")
            if self._worker and self._worker.popen.poll() is not None:
                if self.repair.report is None and starts >= WORKER_STARTS:
                    return self._break("The worker", "worker.log")
                if self._stopping.wait(pause):
                    return None
                pause, starts = min(pause * 2, 30.0), starts + 1
                self._start_worker()
        return None

    def _break(self, part: str, log: str) -> None:
        self._ended = f"{part} ended; see {self.data.path / 'logs' / log}."
        self.broken.set()

    def wait_repaired(self, progress: Callable[[Repair], None]) -> Line:
        """Wait until the reconcile at start is done; raises `Transient` when the stack breaks."""
        while self.repair.report is None:
            self.check()
            progress(self.repair)
            time.sleep(0.05)
        progress(self.repair)
        return self.repair.report

    def check(self) -> None:
        """Raises `Transient` when a part has ended for good."""
        if self.broken.is_set():
            raise Transient(self._ended)

    def stop(self) -> None:
        self._stopping.set()
        if self._front:
            if self._serving:
                self._front.shutdown()
            self._front.server_close()
        for process in (self._worker, self._server):
            if process:
                process.stop()
        self.data.give_back()


def _put_aside_long_logs(logs: Path) -> None:
    for log in logs.glob("*.log"):
        if log.stat().st_size > LONGEST_LOG:
            log.replace(log.with_suffix(".log.1"))


def _bind(port: int) -> BaseWSGIServer:
    import logging

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    if not 0 <= port <= 65535:
        raise ConfigurationError(f"There is no port {port}: ports go to 65535.", field="port")
    try:
        return make_server("127.0.0.1", port, None, threaded=True)  # type: ignore[arg-type]
    except (OSError, SystemExit) as error:
        raise ConfigurationError(
            f"Port {port} is in use; choose another with --port.", field="port"
        ) from error


def _make_resources(settings: Settings) -> None:
    """Queues, and the bucket's notifications to them: what `infra/` makes in AWS."""
    from chalicelib import wiring

    s3, sqs = wiring.client("s3", settings), wiring.client("sqs", settings)
    sqs.create_queue(QueueName=DEAD_LETTERS)
    arn = f"arn:aws:sqs:{REGION}:123456789012:"
    redrive = {"deadLetterTargetArn": arn + DEAD_LETTERS, "maxReceiveCount": RECEIVES}
    sqs.create_queue(
        QueueName=QUEUE,
        Attributes={
            "VisibilityTimeout": str(VISIBILITY_SECONDS),
            "RedrivePolicy": json.dumps(redrive),
        },
    )
    s3.put_bucket_notification_configuration(
        Bucket=settings.bucket,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": arn + QUEUE,
                    "Events": [
                        "s3:ObjectCreated:*",
                        "s3:ObjectRemoved:*",
                        "s3:LifecycleExpiration:*",
                        "s3:ObjectRestore:*",
                    ],
                }
            ]
        },
    )
