"""`python -m local` whose load comes to a stop after so many files: whoever ends it then has ended
it in mid-load, however late they come.

`python -m tests.integration.held_local COUNT …`, the rest as `python -m local` takes it.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from local import __main__ as program
from local.client import ApiClient


def hold_after(count: int) -> None:
    """Files beyond so many wait until Ctrl-C, as slow ones do."""
    left, ended, send = iter(range(count)), threading.Event(), ApiClient.send

    def sent(self: ApiClient, post: dict[str, Any], file: Path) -> None:
        if next(left, None) is None:
            ended.wait()
        send(self, post, file)

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        ended.set()
        raise KeyboardInterrupt

    ApiClient.send = sent  # type: ignore[method-assign]
    signal.signal(signal.SIGINT, interrupted)


if __name__ == "__main__":
    hold_after(int(sys.argv[1]))
    sys.exit(program.main(sys.argv[2:]))
