"""How many processors this process may keep busy."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path


def available_cpus(root: Path = Path("/")) -> int:
    """The smaller of the processors that it may run on and those whose time it is granted.

    A container with `--cpus 1.5` may run on every processor, but is stopped when it has used
    that much of their time; `root` is where /proc and /sys are. AWS Lambda shows a function as
    many processors as its memory buys, and no quota.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # macOS has none
    seen = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min([seen, *(math.ceil(quota) for quota in _quotas(root))]))


def _quotas(root: Path) -> Iterator[float]:
    """Processors granted to this process' control groups and those above them
    (https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files,
    https://docs.kernel.org/scheduler/sched-bwc.html)."""
    for line in _words(root / "proc/self/cgroup", "\n"):
        number, controllers, group = [*line.split(":", 2), "", ""][:3]
        version_1 = "cpu" in controllers.split(",")
        if not version_1 and (number, controllers) != ("0", ""):
            continue
        tops = ("cpu", "cpu,cpuacct") if version_1 else ("", "unified")
        for top in tops:
            for folder in _upwards(root / "sys/fs/cgroup" / top, group):
                quota = _version_1(folder) if version_1 else _version_2(folder)
                if quota is not None and quota > 0:
                    yield quota


def _upwards(top: Path, group: str) -> Iterator[Path]:
    """The folders of `group` and the groups above it. One that lies outside of what this
    container sees (`/..`) or is known by another name there leaves its top."""
    parts = [part for part in group.split("/") if part not in ("", "..")]
    for count in range(len(parts), -1, -1):
        yield top.joinpath(*parts[:count])


def _version_2(folder: Path) -> float | None:
    """ "150000 100000": microseconds of quota and period; "max" where there is none."""
    return _ratio(_words(folder / "cpu.max"))


def _version_1(folder: Path) -> float | None:
    """A quota of -1 is none."""
    files = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    return _ratio([word for name in files for word in _words(folder / name)])


def _ratio(words: list[str]) -> float | None:
    try:
        quota, period = map(int, words)
        return quota / period
    except (ValueError, ZeroDivisionError):
        return None


def _words(file: Path, separator: str | None = None) -> list[str]:
    try:
        return file.read_text(encoding="ascii", errors="replace").split(separator)
    except OSError:
        return []
