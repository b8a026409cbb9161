"""Tests can be run while their processes stall."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from tests import stalls
from tests.integration.processes import eventually, table


def test_a_process_is_stopped_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalls, "_STALLS_S", (1,))
    lasting = "import time\nwhile True: time.sleep(0.01)"
    with subprocess.Popen([sys.executable, "-c", lasting]) as child:
        stalling = threading.Thread(target=stalls.stall, args=("child", child.pid))

        def stopped() -> bool:
            return next(seen.state for seen in table() if seen.pid == child.pid) == "T"

        stalling.start()
        eventually(stopped)
        stalling.join()
        eventually(lambda: not stopped())
        child.kill()
    stalls.stall("one that has ended", child.pid)


def test_processes_are_told_apart_by_what_they_do() -> None:
    assert stalls.kind_of("/usr/lib/chromium/chromium --type=renderer --x") == "--type=renderer"
    assert stalls.kind_of("/usr/lib/chromium/chromium --headless=new") == "chromium"
    assert stalls.kind_of("/usr/bin/chromedriver --port=1") == "chromedriver"
    assert stalls.kind_of("/v/bin/python -m local.worker") == "-m local.worker"
    assert stalls.kind_of("ls") == "other"


def test_any_process_of_a_run_may_be_next(monkeypatch: pytest.MonkeyPatch) -> None:
    lasting = "import time; time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", lasting]) as child:
        monkeypatch.setattr(
            stalls, "descendants", lambda _: [s for s in table() if s.pid == child.pid]
        )
        seen = {stalls.some_of(1)[1] for _ in range(200)}
        child.kill()
    assert seen == {1, child.pid}
