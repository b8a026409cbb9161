"""`python -m tests.stalls TESTS …`: run tests while their processes stall, one after the other.

A busy machine may leave any process without a turn for seconds. Here one is stopped (SIGSTOP) and
goes on after 1, 2 or 5 s, all the time: a browser's renderer, its network, a worker, a server, the
tests themselves. What fails so waits for the wrong thing, or holds a race (docs/adr/0047). Needs
/proc or `ps`; the arguments are pytest's.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict

from tests.integration.processes import descendants

_STALLS_S = (1, 2, 5)
_LONGEST_PAUSE_S = 2.5
_NOT_WORTH_IT = re.compile("crashpad|zygote")
_KINDS = ("--type=[a-z-]+", "chromedriver", "chromium", r"-m [a-z_.]+", "java")
"""What tells a kind of process in its command line, so that each is stopped as often."""


def main(arguments: list[str]) -> int:
    """Run pytest with `arguments`; returns its exit status. What was stopped goes to stderr."""
    command = [sys.executable, "-m", "pytest", "-n0", *arguments]
    with subprocess.Popen(command) as tests:
        try:
            while tests.poll() is None:
                time.sleep(random.uniform(0.3, _LONGEST_PAUSE_S))
                stall(*some_of(tests.pid))
        except KeyboardInterrupt:
            tests.send_signal(signal.SIGINT)
    return tests.returncode


def some_of(root: int) -> tuple[str, int]:
    """(kind, process id) of one process of a run, each kind as likely as the others."""
    kinds = defaultdict(list, {"the tests": [root]})
    for seen in descendants(root):
        if seen.state != "Z" and not _NOT_WORTH_IT.search(seen.command):
            kinds[kind_of(seen.command)].append(seen.pid)
    kind = random.choice(list(kinds))
    return kind, random.choice(kinds[kind])


def kind_of(command: str) -> str:
    """What the first of `_KINDS` finds in a command line; "other" where none does."""
    found = (match for kind in _KINDS if (match := re.search(kind, command)))
    return next((match.group() for match in found), "other")


def stall(kind: str, pid: int) -> None:
    """Stop a process, and have it go on."""
    seconds = random.choice(_STALLS_S)
    try:
        os.kill(pid, signal.SIGSTOP)
        try:
            print(f"{time.strftime('%X')} {kind} stalls {seconds} s", file=sys.stderr)  # noqa: T201
            time.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return  # it has ended meanwhile


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
