"""Threads are as many as the processors that this process is granted the time of."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.clip import cpus
from chalicelib.clip.cpus import available_cpus

SEEN = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
V2, V1 = "0::/a/b\n", "4:cpu,cpuacct:/docker/x\n1:memory:/docker/x\n0::/\n"


def machine(root: Path, groups: str, files: dict[str, str]) -> Path:
    """A root folder with /proc/self/cgroup, and `files` by path."""
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_quotas_it_is_what_the_process_may_run_on(tmp_path: Path) -> None:
    assert available_cpus(tmp_path) == SEEN
    assert 1 <= available_cpus() <= SEEN


CASES: dict[str, tuple[str, dict[str, str], float | None]] = {
    "v2 own": (V2, {"sys/fs/cgroup/a/b/cpu.max": "50000 100000\n"}, 0.5),
    "v2 above": (V2, {"sys/fs/cgroup/a/cpu.max": "150000 100000"}, 1.5),
    "v2 smallest": (
        V2,
        {"sys/fs/cgroup/cpu.max": "300000 100000", "sys/fs/cgroup/a/b/cpu.max": "200000 100000"},
        2.0,
    ),
    "v2 in a container": ("0::/\n", {"sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1.0),
    "v2 outside of what is seen": ("0::/../x\n", {"sys/fs/cgroup/cpu.max": "100000 100000"}, 1.0),
    "v2 none": (V2, {"sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, None),
    "v1 own": (
        V1,
        {
            "sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us": "120000\n",
            "sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us": "100000\n",
        },
        1.2,
    ),
    "v1 in a container": (
        V1,
        {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
        0.5,
    ),
    "v1 none": (
        V1,
        {
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        None,
    ),
    "broken": (V2, {"sys/fs/cgroup/a/b/cpu.max": "lots", "sys/fs/cgroup/cpu.max": "1 0"}, None),
    "no lines": ("\n::\nx\n", {"sys/fs/cgroup/cpu.max": "100000 100000"}, None),
}


@pytest.mark.parametrize("case", CASES)
def test_the_smallest_quota_of_the_control_groups_counts(tmp_path: Path, case: str) -> None:
    groups, files, quota = CASES[case]
    root = machine(tmp_path, groups, files)
    assert list(cpus._quotas(root)) == [] if quota is None else min(cpus._quotas(root)) == quota
    assert available_cpus(root) == (SEEN if quota is None else min(SEEN, math.ceil(quota)))


@given(quota=st.integers(1, 10**9), period=st.integers(1000, 10**6))
def test_a_quota_never_gives_less_than_one_or_more_than_there_are(
    tmp_path_factory: pytest.TempPathFactory, quota: int, period: int
) -> None:
    root = machine(tmp_path_factory.mktemp("root"), "0::/\n", {})
    (root / "sys/fs/cgroup").mkdir(parents=True)
    (root / "sys/fs/cgroup/cpu.max").write_text(f"{quota} {period}\n")
    assert available_cpus(root) == max(1, min(SEEN, math.ceil(quota / period)))
