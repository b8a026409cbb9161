"""Processes seen from outside: children, memory, open files."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")

PROC = Path("/proc")


class Seen(NamedTuple):
    pid: int
    parent: int
    state: str
    command: str


def eventually(
    look: Callable[[], T], wanted: Callable[[T], bool] = bool, *, seconds: float = 240
) -> T:
    """What `look` gives once it is `wanted`. The time is a net for what hangs, not a measure."""
    end = time.monotonic() + seconds
    while not wanted(seen := look()):
        assert time.monotonic() < end, f"never came about; last seen: {str(seen)[:2000]}"
        time.sleep(0.05)
    return seen


def table() -> list[Seen]:
    """Every process there is."""
    if not (PROC / "self" / "stat").exists():
        lines = subprocess.run(
            ["ps", "-axo", "pid=,ppid=,stat=,command="], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        return [Seen(int(p), int(q), s[0], c) for p, q, s, c in (x.split(None, 3) for x in lines)]
    found = []
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text(errors="replace")
                command = (
                    (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
            except OSError:
                continue
            state, parent = stat.rpartition(")")[2].split()[:2]
            found.append(Seen(int(folder.name), int(parent), state, command))
    return found


def descendants(pid: int) -> list[Seen]:
    """The children of `pid`, theirs, and so on."""
    seen, wanted, found = table(), [pid], []
    while wanted:
        parent = wanted.pop()
        children = [s for s in seen if s.parent == parent]
        found += children
        wanted += [s.pid for s in children]
    return found


def alive(processes: list[Seen]) -> list[Seen]:
    """Those of `processes` that still run; one that has ended but was not yet waited for, or whose
    number is another's by now, does not."""
    now = {s.pid: s for s in table() if s.state != "Z"}
    return [s for s in processes if s.pid in now and now[s.pid].command == s.command]


def ended(processes: list[Seen]) -> None:
    """Waits until none of `processes` runs."""
    eventually(lambda: alive(processes), lambda left: not left)


def memory(pid: int) -> int:
    """Bytes of memory that `pid` holds (RSS)."""
    if (status := PROC / str(pid) / "status").exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmRSS"))
    else:
        command = ["ps", "-o", "rss=", "-p", str(pid)]
        line = "RSS " + subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(line.split()[1]) * 1024


def open_files(pid: int) -> int:
    """How many descriptors `pid` holds."""
    if (folder := PROC / str(pid) / "fd").exists():
        return len(os.listdir(folder))  # noqa: PTH208
    command = ["lsof", "-p", str(pid)]
    return len(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    )
