"""A worker that cannot live ends the stack with a sentence, and does not start for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from local.processes import ROOT

SCRIPT = """
import sys
from pathlib import Path
from chalicelib.errors import Transient
from local.processes import Process
from local.stack import Stack

class Short(Stack):
    starts = 0

    def _start_worker(self):
        self.starts += 1
        self._worker = Process("this", [], self.data.path / "logs" / "worker.log")

stack = Short(Path(sys.argv[1]), Path(sys.argv[2]))
stack.start()
try:
    stack.wait_repaired(lambda _: None)
except Transient as error:
    print(stack.starts, error.message)
finally:
    stack.stop()
"""


def test_a_worker_that_ends_at_every_start_ends_the_stack(tiny: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "data"), str(tiny)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    log = tmp_path / "data" / "logs" / "worker.log"
    assert done.stdout == f"3 The worker ended; see {log}.\n", done.stderr
