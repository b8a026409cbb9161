"""`python -m local.opensearch.watch JSON`: runs the node, and ends it when our parent ends.

Java does not look at its standard input, so this process stands between: see `local/lifeline.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from local.lifeline import say

GRACE = 20
"""Seconds the node has for ending by itself."""


def main() -> int:
    what: dict[str, Any] = json.loads(sys.argv[1])
    # These reach the whole terminal group; the parent's end is what counts. Ignored ones stay so
    # in the node.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: None)
    with Path(what["log"]).open("ab") as log:
        node = subprocess.Popen(
            what["command"], env=what["environment"], cwd="/", stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, **what["account"],
        )  # fmt: skip
    say("started", pid=node.pid)
    orphaned = threading.Event()

    def watch() -> None:
        while os.read(0, 4096):
            pass
        orphaned.set()
        node.terminate()
        try:
            node.wait(GRACE)
        except subprocess.TimeoutExpired:
            node.kill()

    threading.Thread(target=watch, daemon=True).start()
    node.wait()
    if orphaned.is_set():
        shutil.rmtree(what["remove"], ignore_errors=True)
    # Not sys.exit: the thread may hold the lock of standard input.
    os._exit(0)


if __name__ == "__main__":
    main()
