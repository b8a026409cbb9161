"""How the stack's processes live and speak: lines of JSON up, and an end when the parent ends."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any


def end_with_parent() -> None:
    """End this process when its standard input closes, which happens however the parent ends,
    `kill -9` included. Ctrl-C is the parent's business: it reaches the whole terminal group."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        # Not sys.stdin: its lock would be held while the interpreter ends.
        while os.read(0, 4096):
            pass
        os._exit(0)

    threading.Thread(target=watch, daemon=True, name="lifeline").start()


def say(event: str, **facts: Any) -> None:
    """One line to the parent, whatever else is printed to."""
    assert sys.__stdout__
    sys.__stdout__.write(json.dumps({"event": event, **facts}) + "\n")
    sys.__stdout__.flush()
