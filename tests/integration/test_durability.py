"""What survives: kills of the whole stack and of its parts, restarts, a change of model."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.local_stack import LocalStack, indexed_ids, run_local, running
from tests.integration.pictures import folder_of, jpeg
from tests.integration.processes import ended, eventually
from tests.unit import tiny_clip

COUNT = 100
HELD = 60
"""Where a load stops that is to be ended before its end."""


# A write that was cut off may leave its thumbnail behind, for the daily sweep.
SPARED = {"thumbnail of nothing"}


def loaded_whole(stack: LocalStack, count: int = COUNT) -> None:
    """Each file is one object and one record, and they agree."""
    eventually(lambda: stack.get("/stats")["images"]["ready"], lambda n: n == count)
    names = Counter(image["name"] for image in stack.images())
    assert set(names.values()) == {1}
    assert len(names) == len(stack.objects()) == count
    assert stack.differences().keys() <= SPARED


@pytest.mark.parametrize("moment", [1, 99])
def test_a_load_that_is_killed_goes_on_where_it_was_and_loads_each_file_once(
    tiny: Path, tmp_path: Path, moment: int
) -> None:
    photos = folder_of(tmp_path / "photos", COUNT)
    data = tmp_path / "data"
    held = HELD if moment < HELD else None
    with running(data, tiny, "--photos", photos, held_after=held) as first:
        first.await_stored(moment)
        first.kill()
        assert first.stored() < COUNT or held is None
    with running(data, tiny, "--photos", photos) as second:
        second.loaded()
        loaded_whole(second)
        second.at_rest()
    embedded = len(indexed_ids(second.log("worker")))
    with running(data, tiny, "--photos", photos) as third:
        third.loaded()
        assert f"0 indexed, {COUNT} there already" in third.said
        loaded_whole(third)
        assert third.reports()[-1]["total"] == 0
        assert third.reports()[-1]["results"] == {}
        assert len(indexed_ids(third.log("worker"))) == embedded


def test_a_stack_killed_over_and_over_loads_everything_in_the_end(
    tiny: Path, tmp_path: Path
) -> None:
    photos = folder_of(tmp_path / "photos", COUNT)
    data = tmp_path / "data"
    stored = 0
    for _ in range(3):
        with running(data, tiny, "--photos", photos) as stack:
            assert stack.url
            stack.await_stored(min(COUNT, stored + 15))
            stack.kill()
            stored = stack.stored()
    with running(data, tiny, "--photos", photos) as stack:
        stack.loaded()
        loaded_whole(stack)


def test_a_worker_that_is_killed_comes_back_and_everything_ends_indexed(
    tiny: Path, tmp_path: Path
) -> None:
    photos = folder_of(tmp_path / "photos", COUNT)
    with running(tmp_path / "data", tiny, "--photos", photos) as stack:
        assert stack.url
        killed = []
        for moment in (20, 60):
            stack.await_stored(moment)
            worker = eventually(
                lambda: [c for c in stack.children() if "local.worker" in c.command]
            )
            os.kill(worker[0].pid, signal.SIGKILL)
            killed += worker
            ended(worker)
        stack.loaded()
        loaded_whole(stack)
        # It is started some seconds after its predecessor's end, which may have come last of all.
        eventually(lambda: [c for c in stack.children() if "local.worker" in c.command])
        assert stack.child("local.worker").pid not in {w.pid for w in killed}
        assert f"{COUNT} indexed" in stack.said


def test_what_comes_while_the_worker_is_down_does_not_wait_for_a_time_out(
    tiny: Path, tmp_path: Path
) -> None:
    """The long poll of a worker that died may take messages with it, for six minutes; what it
    took must have been repaired by the next one's first look."""
    with running(tmp_path / "data", tiny) as stack:
        eventually(stack.reports, lambda reports: len(reports) == 1)
        stop = threading.Event()
        put: list[int] = []

        def drip() -> None:
            while not stop.wait(0.05):
                stack.put(f"drip/{len(put)}.jpg", jpeg(len(put)))
                put.append(1)

        thread = threading.Thread(target=drip)
        assert stack.s3 is not None
        thread.start()
        eventually(lambda: len(put), lambda count: count >= 5)
        os.kill(stack.child("local.worker").pid, signal.SIGKILL)
        eventually(stack.reports, lambda reports: len(reports) == 2)
        so_far = len(put)
        eventually(lambda: len(put), lambda count: count >= so_far + 20)
        stop.set()
        thread.join()
        eventually(stack.differences, lambda faults: faults.keys() <= SPARED)
        assert len(stack.records()) == len(put)


def test_a_decoder_that_is_killed_costs_nothing(tiny: Path, tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos", COUNT)
    with running(tmp_path / "data", tiny, "--photos", photos) as stack:
        assert stack.url
        stack.await_stored(20)
        decoders = eventually(
            lambda: [c for c in stack.children() if "chalicelib.decoding.child" in c.command]
        )
        os.kill(decoders[0].pid, signal.SIGKILL)
        stack.loaded()
        eventually(lambda: len(stack.records()), lambda count: count == COUNT)
        # The picture it held in hand may be taken for the cause and rejected, no other.
        assert stack.get("/stats")["images"]["rejected"] <= 1


@pytest.mark.parametrize("moment", ["in mid-load", "at rest"])
def test_a_stack_whose_s3_server_ends_says_so_and_ends(
    tiny: Path, tmp_path: Path, moment: str
) -> None:
    photos = folder_of(tmp_path / "photos", COUNT)
    with running(tmp_path / "data", tiny, "--photos", photos) as stack:
        if moment == "at rest":
            stack.loaded()
        else:
            stack.await_stored(30)
        children = stack.children()
        os.kill(stack.child("local.server").pid, signal.SIGKILL)
        assert stack.process.wait(timeout=240) == 1
        assert "error: The S3 server ended; see " in stack.said
        assert "Traceback" not in stack.said
        ended(children)


def test_ctrl_c_in_mid_load_ends_with_a_sentence_and_the_next_run_goes_on(
    tiny: Path, tmp_path: Path
) -> None:
    photos = folder_of(tmp_path / "photos", COUNT)
    data = tmp_path / "data"
    with running(data, tiny, "--photos", photos, held_after=HELD) as first:
        first.await_stored(10)
        assert first.interrupt() == 130
        assert first.said.endswith("Stopped. What was loaded stays; run it again to go on.\n")
        assert "Traceback" not in first.said
        assert (data / "lock").read_text() == ""
    assert first.stored() < COUNT
    with running(data, tiny, "--photos", photos) as second:
        second.loaded()
        loaded_whole(second)


def test_a_terminated_stack_ends_as_by_ctrl_c(tiny: Path, tmp_path: Path) -> None:
    with running(tmp_path / "data", tiny) as stack:
        children = [] if not stack.loaded() else stack.children()
        stack.process.terminate()
        assert stack.process.wait(timeout=240) == 130
        assert "Stopped." in stack.said
        ended(children)


def test_what_changed_while_the_stack_was_down_is_repaired_at_start(
    tiny: Path, tmp_path: Path
) -> None:
    """Objects without records and records without objects, as a lost queue leaves them."""
    data = tmp_path / "data"
    with running(data, tiny) as stack:
        for number in range(12):
            stack.known(stack.put(f"kept/{number}.jpg", jpeg(number)))
        stack.interrupt()
    kept = sorted((data / "buckets" / "photos").glob("*/*.json"))
    for note in kept[:4]:
        note.unlink()
    with running(data, tiny) as stack:
        eventually(stack.reports, lambda reports: len(reports) == 2)
        assert stack.reports()[-1]["results"] == {"deleted": 4}
        assert len(stack.objects()) == len(stack.images()) == 8
        stack.interrupt()
    for file in (data / "index").iterdir():
        file.unlink()
    with running(data, tiny) as stack:
        eventually(stack.reports, lambda reports: len(reports) == 3)
        assert stack.reports()[-1]["results"] == {"indexed": 8}
        assert len(stack.found("anything")) == 8


def test_a_change_of_model_embeds_everything_anew_and_a_change_back_nothing(
    tiny: Path, tmp_path: Path
) -> None:
    other = tiny_clip.build(tmp_path / "other", seed=7)
    photos = folder_of(tmp_path / "photos", 10)
    data = tmp_path / "data"
    totals = []
    fingerprints = []
    for model in (tiny, tiny, other, other, tiny):
        with running(data, model, "--photos", photos) as stack:
            stack.loaded()
            loaded_whole(stack, 10)
            stack.at_rest()
            totals.append(stack.reports()[-1]["total"])
            fingerprints.append(stack.get("/stats")["model"]["fingerprint"])
    assert totals == [0, 0, 10, 0, 0]
    assert len(set(fingerprints)) == 2
    # Ten by events, ten by the other model's repair.
    assert set(Counter(indexed_ids(stack.log("worker"))).values()) == {2}


def test_a_model_that_cannot_be_loaded_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run_local(tmp_path / "data", tmp_path / "empty", "--once", "a cat")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
