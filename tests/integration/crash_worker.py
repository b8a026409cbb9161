"""A worker that is killed at the n-th of its calls to queue, bucket and index.

`python -m tests.integration.crash_worker`: settings from the environment. Each line in is a number,
"" for none; for each a fork takes one poll's messages through the real handler, and a line out says
how it ended: 0, or the signal's number with a minus. The tripwire is here, not in the product: it
hangs on botocore's events before a request is sent and after it was answered, and on each statement
of SQLite. Pictures are decoded in the fork itself: a decoding child costs half a second to start,
and calls nobody.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import Any

from chalicelib import wiring
from chalicelib.config import Settings
from chalicelib.decoding import Prepared, child
from chalicelib.decoding.pool import _prepared
from chalicelib.decoding.textstage import TextStage
from chalicelib.index.database import Database
from local.worker import poll_once


class Tripwire:
    """Once `left` is set, the call after so many more is the process's last."""

    def __init__(self) -> None:
        self.left: int | None = None

    def step(self, *_: object, **__: object) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()


class Inline:
    """In place of a `DecoderPool`."""

    size = 1

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def prepare(self, data: bytes, spec: Any, *, exact: bool, **_: Any) -> Prepared:
        asked = {"spec": spec.to_json(), "exact": exact, "thumbnail": True, "max_pixels": 10**6}
        asked |= {"region": None, "read_text": False}
        return _prepared(*child._prepare(data, asked, TextStage()))


def hang(tripwire: Tripwire) -> None:
    made: dict[str, Any] = {}
    make, connect = wiring.client, Database._connect

    def client(service: str, settings: Settings) -> Any:
        if service not in made:
            made[service] = make(service, settings)
            for moment in ("before-send", "after-call"):
                made[service].meta.events.register(moment, tripwire.step)
        return made[service]

    def connected(self: Database, mode: str) -> Any:
        db = connect(self, mode)
        db.set_trace_callback(tripwire.step)
        return db

    wiring.client = client
    Database._connect = connected  # type: ignore[method-assign]
    wiring.DecoderPool = Inline  # type: ignore[misc, assignment]


def say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main() -> None:
    import numpy
    import onnxruntime
    from PIL import Image

    assert numpy, onnxruntime
    Image.init()
    tripwire, settings = Tripwire(), Settings.load()
    hang(tripwire)
    sqs = wiring.client("sqs", settings)
    wiring.client("s3", settings)
    say("ready")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.dup2(2, 1)
            status = 1
            try:
                tripwire.left = int(line) if line.strip() else None
                poll_once(sqs, settings.queue_url, settings.region, 0)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    main()
