"""`python -m local reconcile`: beside the stack that runs, or without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.local_stack import LocalStack, environment, indexed_ids, running
from tests.integration.pictures import jpeg
from tests.integration.processes import descendants, ended, eventually
from tests.unit import tiny_clip

COUNT = 40


def command(data: Path, *arguments: str | Path) -> list[str]:
    more = ["--data", str(data), *map(str, arguments)]
    return [sys.executable, "-m", "local", "reconcile", *more]


def reconcile(data: Path, *arguments: str | Path) -> tuple[int, Any, str]:
    """(exit status, what it answered, what it said)."""
    done = subprocess.run(
        command(data, *arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=240, env=environment(),
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def filled(stack: LocalStack, count: int = COUNT) -> None:
    for number in range(count):
        stack.put(f"a/{number}.jpg", jpeg(number))
    eventually(lambda: len(stack.records()), lambda seen: seen == count)
    eventually(stack.reports)
    stack.at_rest()


def lose(stack: LocalStack) -> None:
    """Objects of a stack at rest go without an event."""
    notes = sorted((stack.data / "buckets" / "photos").glob("*/*.json"))
    for note in notes[:4]:
        note.unlink()


def test_beside_a_stack_that_runs_it_repairs_the_same_index(tiny: Path, tmp_path: Path) -> None:
    with running(tmp_path / "data", tiny) as stack:
        filled(stack)
        status, report, said = reconcile(stack.data)
        assert (status, report["same"], report["total"]) == (0, COUNT, 0)
        assert f"beside the stack at {stack.url}" in said
        other = tiny_clip.build(tmp_path / "other", seed=5)
        assert reconcile(stack.data, "--model", other)[1]["results"] == {"indexed": COUNT}
        assert reconcile(stack.data, "--model", other)[1]["total"] == 0
        assert len(stack.found("anything")) == COUNT


def test_without_a_stack_it_starts_what_it_needs_and_ends_it(tiny: Path, tmp_path: Path) -> None:
    with running(tmp_path / "data", tiny) as stack:
        filled(stack)
        embedded = len(indexed_ids(stack.log("worker")))
        stack.interrupt()
        lose(stack)
        status, report, said = reconcile(stack.data, "--model", tiny, "--dry-run")
        assert (status, report["causes"]) == (0, {"gone": 4})
        status, report, said = reconcile(stack.data, "--model", tiny)
        assert (status, report["results"]) == (0, {"deleted": 4})
        assert "beside" not in said
        assert (stack.data / "lock").read_text() == ""
    with running(tmp_path / "data", tiny) as again:
        eventually(again.reports, lambda reports: len(reports) == 2)
        assert again.reports()[-1]["total"] == 0
        assert again.differences() == {}
        assert len(indexed_ids(again.log("worker"))) == embedded


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_anywhere_it_leaves_a_stack_that_starts(
    tiny: Path, tmp_path: Path, how: signal.Signals
) -> None:
    with running(tmp_path / "data", tiny) as stack:
        filled(stack)
        stack.interrupt()
    other = tiny_clip.build(tmp_path / "other", seed=5)
    errors = (tmp_path / "said").open("w+")
    job = subprocess.Popen(
        command(stack.data, "--model", other), stdout=subprocess.DEVNULL, stderr=errors,
        stdin=subprocess.DEVNULL, env=environment(), start_new_session=True,
    )  # fmt: skip
    with errors:
        eventually(lambda: "reconcile: 0 of" in Path(errors.name).read_text())
        children = descendants(job.pid)
        if how == signal.SIGINT:
            os.killpg(job.pid, how)
        else:
            job.send_signal(how)
        status = job.wait(timeout=240)
        ended(children)
    said = Path(errors.name).read_text()
    assert "Traceback" not in said
    if how != signal.SIGKILL:
        # It may have come to its end just then.
        assert (status, "again goes on from here" in said) in ((130, True), (0, False))
    status, report, _ = reconcile(stack.data, "--model", other)
    assert (status, report["listed"]) == (0, COUNT)
    with running(stack.data, other) as again:
        eventually(again.reports, lambda reports: len(reports) == 2)
        assert again.reports()[-1]["total"] == 0
        assert again.differences().keys() <= {"thumbnail of nothing"}


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    status, answer, said = reconcile(tmp_path / "typo")
    assert (status, answer) == (1, None)
    assert said.startswith(f"error: {tmp_path / 'typo'} holds no photos.")
    assert not (tmp_path / "typo").exists()
