"""S3 and SQS on one machine: moto's server, made to keep what it is given.

`python -m local.server --data DIR --port N --origin URL`. moto holds everything in memory and
tells the queue of a new object before its metadata is set. Here each request's events are held
back until the objects it touched are files, synced; only then are they let through, and only
after that is the request answered. So what was answered is kept, and what is told is there.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs

from moto import backends
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3 import notifications
from moto.s3.models import FakeBucket, FakeKey, s3_backends
from werkzeug.serving import BaseWSGIServer, make_server

from local import checksums, queues
from local.lifeline import end_with_parent, say
from local.objects import FileBuffer, Note, ObjectFiles

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

_STRIPES = 64


class KeptObjects:
    """Holds events back, keeps the objects they speak of, lets them through."""

    def __init__(self, folder: Path, send: Callable[..., None]) -> None:
        self._folder = folder
        self._send = send
        self._held = threading.local()
        self._locks = [threading.Lock() for _ in range(_STRIPES)]

    def hold(self, account: str, event: Any, bucket: FakeBucket, key: Any) -> None:
        """In place of moto's `send_event`."""
        events = getattr(self._held, "events", None)
        if events is None:
            self._release(account, event, bucket, key)
        else:
            events.append((account, event, bucket, key))

    def wrap(self, application: Application) -> Application:
        """WSGI: the application's answer goes out after what it changed is kept."""

        def wrapped(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            self._held.events = []
            begun: list[Any] = []

            def start(*arguments: Any) -> None:
                begun[:] = arguments

            try:
                body = application(environ, start)
                for held in self._held.events:
                    self._release(*held)
            except OSError as error:
                logging.getLogger(__name__).error("an object could not be kept: %s", error)
                return _refuse(start_response, "503 Service Unavailable", "SlowDown")
            finally:
                self._held.events = None
            start_response(*begun)
            return body

        return wrapped

    def restore(self, bucket: FakeBucket) -> int:
        """Put back what is kept, without events; returns how many objects."""
        count = 0
        for note, path in self._files(bucket).all():
            key = FakeKey(
                name=note.key,
                value=b"",
                account_id=DEFAULT_ACCOUNT_ID,
                region_name=bucket.region_name,
                etag=note.etag,
                bucket_name=bucket.name,
            )
            key.contentsize = note.size
            key.last_modified = datetime.datetime.fromtimestamp(
                note.modified, datetime.timezone.utc
            )
            key.last_modified = key.last_modified.replace(tzinfo=None)
            key.set_metadata(dict(note.metadata))
            _back_by_file(key, path)
            bucket.keys.setlist(note.key, [key])
            count += 1
        return count

    def _release(self, account: str, event: Any, bucket: FakeBucket, key: Any) -> None:
        self._keep(bucket, key.name)
        self._send(account, event, bucket, key)

    def _keep(self, bucket: FakeBucket, name: str) -> None:
        """Make the files say what the bucket says now, whichever request changed it."""
        with self._locks[hash((bucket.name, name)) % _STRIPES]:
            now = bucket.keys.get(name)
            if now is None:
                self._files(bucket).remove(name)
            elif not isinstance(now._value_buffer, FileBuffer):
                etag = now.etag.strip('"')
                now._etag = etag
                path = self._files(bucket).save(
                    lambda file: Note(
                        key=name,
                        etag=etag,
                        size=now.contentsize,
                        modified=now.last_modified.replace(
                            tzinfo=datetime.timezone.utc
                        ).timestamp(),
                        metadata={str(k): str(v) for k, v in now.metadata.items()},
                        file=file,
                    ),
                    now.value,
                )
                _back_by_file(now, path)

    def _files(self, bucket: FakeBucket) -> ObjectFiles:
        return ObjectFiles(self._folder / bucket.name)


def _back_by_file(key: FakeKey, path: Path) -> None:
    buffer = key._value_buffer
    key._value_buffer = cast(Any, FileBuffer(path))
    buffer.close()


def admit(application: Application, origins: frozenset[str], hosts: frozenset[str]) -> Application:
    """WSGI: nothing for other web pages. moto answers any origin, and a page on the internet may
    send requests to this machine; browsers name that page's origin, and the host they asked."""

    def wrapped(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        origin = environ.get("HTTP_ORIGIN")
        host = str(environ.get("HTTP_HOST", "")).rsplit(":", 1)[0]
        if (origin and origin not in origins) or (host and host not in hosts):
            return _refuse(start_response, "403 Forbidden", "AccessDenied")
        return application(environ, start_response)

    return wrapped


def in_time(application: Application) -> Application:
    """WSGI: presigned addresses end here as at S3, which moto leaves out
    (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html)."""

    def wrapped(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        said = parse_qs(str(environ.get("QUERY_STRING", "")))
        made, seconds = said.get("X-Amz-Date", [""])[0], said.get("X-Amz-Expires", [""])[0]
        if made and seconds.isdigit() and _ended(made, int(seconds)):
            return _refuse(start_response, "403 Forbidden", "AccessDenied")
        return application(environ, start_response)

    return wrapped


def _ended(made: str, seconds: int) -> bool:
    try:
        begun = datetime.datetime.strptime(made + "+0000", "%Y%m%dT%H%M%SZ%z")
    except ValueError:
        return True
    return datetime.datetime.now(datetime.timezone.utc) - begun > datetime.timedelta(0, seconds)


def _refuse(start_response: Any, status: str, code: str) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "application/xml")])
    return [f"<Error><Code>{code}</Code></Error>".encode()]


def _bind(port: int, application: Application) -> BaseWSGIServer:
    """On `port`, or on any where that one is taken."""
    try:
        return make_server(
            "127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler
        )
    except (OSError, SystemExit):
        return make_server(
            "127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--region", required=True)
    parser.add_argument("--bucket", action="append", default=[])
    parser.add_argument("--origin", action="append", default=[])
    options = parser.parse_args()
    end_with_parent()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    queues.mend()
    checksums.mend()
    # moto lists its own folder at every request, which is two fifths of what a GET costs.
    modules = frozenset(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: modules
    kept = KeptObjects(options.data, notifications.send_event)
    notifications.send_event = kept.hold  # type: ignore[assignment]
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    restored = 0
    for name in options.bucket:
        restored += kept.restore(backend.create_bucket(name, options.region))

    application = kept.wrap(DomainDispatcherApplication(create_backend_app))
    hosts = frozenset({"127.0.0.1", "localhost"})
    application = admit(in_time(application), frozenset(options.origin), hosts)
    server = _bind(options.port, application)
    say("ready", port=server.server_port, restored=restored)
    server.serve_forever()


if __name__ == "__main__":
    main()
