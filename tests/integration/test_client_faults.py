"""Uploads while something fails: afterwards everything is there, and nothing twice."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.client_runs import (
    Held,
    Machine,
    Way,
    asks_for_places,
    is_form,
    on_disk,
    once,
    photos,
    there,
)
from tests.integration.days import in_one_day
from tests.integration.local_stack import LocalStack, running
from tests.integration.pictures import jpeg
from tests.integration.processes import eventually
from tests.integration.proxy import Alter, Cut, Lose, Say
from tests.ports import free_port

pytestmark = pytest.mark.xdist_group("client")

EXPIRED = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AccessDenied</Code><Message>Invalid according to Policy: Policy expired.</Message>
</Error>"""
"""As S3 has it."""

SLOW_DOWN = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


@pytest.fixture
def user(way: Way, machine: Machine) -> Machine:
    """Whose way to the stack leads through proxies."""
    return Machine(machine.state, way.url)


def _flipped(body: bytes) -> bytes:
    """One bit of the picture, which stands before the last boundary."""
    at = body.rindex(b"\r\n--") - 20
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


FAULTS: dict[str, Callable[[Way], None]] = {
    "connections to the API break": lambda way: setattr(
        way.api, "fault", once(Cut(), asks_for_places, 4)
    ),
    "answers of the API are lost": lambda way: setattr(
        way.api, "fault", once(Lose(), asks_for_places, 3)
    ),
    "the API is overloaded": lambda way: setattr(
        way.api, "fault", once(Say(503), asks_for_places, 4)
    ),
    "connections to the store break": lambda way: setattr(
        way.store, "fault", once(Cut(), is_form, 4)
    ),
    "answers of the store are lost": lambda way: setattr(
        way.store, "fault", once(Lose(), is_form, 4)
    ),
    "the store is overloaded": lambda way: setattr(
        way.store, "fault", once(Say(503, SLOW_DOWN), is_form, 4)
    ),
    "bytes change on the way": lambda way: setattr(
        way.store, "fault", once(Alter(_flipped), is_form, 2)
    ),
    "places expire": lambda way: setattr(way.store, "fault", once(Say(403, EXPIRED), is_form, 2)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_fails_for_a_while_is_tried_until_all_is_there_once(
    open_stack: LocalStack, way: Way, user: Machine, tmp_path: Path, fault: str
) -> None:
    folder = photos(tmp_path / "pictures", 12)
    collection = f"fault-{list(FAULTS).index(fault)}"
    FAULTS[fault](way)
    told = user.told("upload", folder, "--collection", collection)
    assert (told["sent"], told["failed"]) == (12, [])
    assert there(open_stack, collection) == on_disk(folder)


def test_a_changed_byte_is_refused_by_the_store_and_sent_again(
    way: Way, user: Machine, tmp_path: Path
) -> None:
    way.store.fault = once(Alter(_flipped), is_form)
    folder = photos(tmp_path / "pictures", 1)
    assert user.told("upload", folder, "--collection", "spoilt")["sent"] == 1
    assert (way.uploads(), way.posts(400), way.posts(204)) == (1, 1, 1)


def test_an_expired_place_is_asked_for_anew(way: Way, user: Machine, tmp_path: Path) -> None:
    way.store.fault = once(Say(403, EXPIRED), is_form)
    folder = photos(tmp_path / "pictures", 1)
    assert user.told("upload", folder, "--collection", "expired")["sent"] == 1
    assert (way.uploads(), way.posts()) == (2, 2)


def test_what_arrived_at_a_place_that_is_said_to_have_expired_is_not_sent_again(
    open_stack: LocalStack, way: Way, user: Machine, tmp_path: Path
) -> None:
    faults = iter([Lose(), Say(403, EXPIRED)])
    way.store.fault = lambda asked: next(faults, None) if is_form(asked) else None
    folder = photos(tmp_path / "pictures", 1)
    assert user.told("upload", folder, "--collection", "late")["sent"] == 1
    assert there(open_stack, "late") == on_disk(folder)
    assert way.uploads() == 1


def test_a_place_is_asked_for_again_after_the_time_that_is_said(
    way: Way, user: Machine, tmp_path: Path
) -> None:
    limited = Say(429, b'{"message": "Too Many Requests"}', {"Retry-After": "2"})
    way.api.fault = once(limited, asks_for_places)
    begun = time.monotonic()
    told = user.told("upload", photos(tmp_path / "pictures", 1), "--collection", "limited")
    assert told["sent"] == 1
    assert time.monotonic() - begun >= 2


def test_a_used_up_quota_ends_the_run_and_the_next_one_goes_on(
    open_stack: LocalStack, way: Way, user: Machine, tmp_path: Path
) -> None:
    sentence = "Your quota of uploads is used up. It begins anew at 00:00 UTC."
    error = {"code": "quota_exceeded", "message": sentence, "field": "files", "request_id": "r-1"}
    used_up = Say(429, json.dumps({"error": error}).encode(), {"Retry-After": "30000"})
    left = iter([None] * 5)
    way.api.fault = lambda a: next(left, used_up) if asks_for_places(a) else None
    folder = photos(tmp_path / "pictures", 30)
    told = user.told("upload", folder, "--collection", "quota", "--jobs", "2", status=1)
    assert (told["sent"], len(told["not_tried"]), told["failed"]) == (5, 25, [])
    assert told["stopped_by"] == sentence
    assert way.uploads() <= 5 + 2
    way.api.fault = lambda _: None
    told = user.told("upload", folder, "--collection", "quota")
    assert (told["sent"], told["already"]) == (25, 5)
    assert there(open_stack, "quota") == on_disk(folder)


def test_the_quota_of_a_stack_is_told_in_its_own_words(tiny: Path, tmp_path: Path) -> None:
    def used_up(place: Path) -> None:
        with running(place / "data", tiny, "--quota-files", "5") as stack:
            machine = Machine(place / "state", stack.url)
            folder = photos(place / "pictures", 8)
            told = machine.told("upload", folder, "--jobs", "1", status=1)
            assert (told["sent"], len(told["not_tried"])) == (5, 3)
            assert "quota of uploads" in told["stopped_by"]
            assert stack.stored() == 5

    in_one_day(used_up, tmp_path)


def test_what_the_api_refuses_is_told_with_its_reason_and_holds_up_no_other(
    way: Way, user: Machine, tmp_path: Path
) -> None:
    error = {"code": "too_large", "message": "The file is over the limit of 64 MB.", "field": "x"}
    way.api.fault = once(Say(413, json.dumps({"error": error}).encode()), asks_for_places)
    folder = photos(tmp_path / "pictures", 5)
    told = user.told("upload", folder, "--collection", "refused", "--jobs", "1", status=1)
    assert told["sent"] == 4
    assert told["failed"] == [
        {"path": str(folder / "0000.jpg"), "code": "too_large", "reason": error["message"]}
    ]


def test_a_server_that_stays_away_is_given_up_after_some_patience(
    way: Way, user: Machine, tmp_path: Path
) -> None:
    way.api.fault = lambda asked: Cut() if asks_for_places(asked) else None
    folder = photos(tmp_path / "pictures", 8)
    done = user.run("upload", folder, "--collection", "away", "--patience", "1")
    assert done.returncode == 1
    assert "Stopped: " in done.stdout
    assert "8 not sent yet." in done.stdout
    assert "To go on: python -m client upload" in done.stdout


# --- the client's end -------------------------------------------------------------------------


def test_killed_in_mid_upload_the_next_run_sends_the_rest_and_nothing_twice(
    open_stack: LocalStack, way: Way, user: Machine, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "pictures", 250)
    command = ("upload", folder, "--collection", "killed", "--jobs", "4")
    for after in (40, 60):
        forms = Held(way, after)
        running = user.start(*command)
        # Four are in the proxy's hands, and the client will not know what becomes of them.
        eventually(lambda forms=forms: forms.held == 4)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        forms.going.set()
    way.store.fault = lambda _: None
    told = user.told(*command, "--wait")
    assert (told["complete"], told["ready"]) == (True, 250)
    assert told["sent"] + told["already"] == 250
    assert told["already"] >= 100
    assert there(open_stack, "killed") == on_disk(folder)
    assert len(open_stack.images(collection="killed")) == 250


def test_interrupted_it_says_how_to_go_on_and_does(
    open_stack: LocalStack, way: Way, user: Machine, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "pictures", 60)
    forms = Held(way, 20)
    running = user.start("upload", folder, "--collection", "interrupted", "--jobs", "2")
    eventually(lambda: forms.held == 2)
    running.send_signal(signal.SIGINT)
    forms.going.set()
    said, complaints = running.communicate(timeout=240)
    assert running.returncode == 130
    assert "Traceback" not in complaints
    assert "not sent yet." in said
    assert "What is sent stays. To go on: python -m client upload" in said
    told = user.told("upload", folder, "--collection", "interrupted")
    assert told["complete"]
    assert there(open_stack, "interrupted") == on_disk(folder)


def test_a_file_that_changes_while_it_is_sent_is_noticed(
    open_stack: LocalStack, way: Way, user: Machine, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "pictures", 1)
    forms = Held(way, 0)
    running = user.start("upload", folder, "--collection", "changes", "--json")
    eventually(lambda: forms.held == 1)
    (folder / "0000.jpg").write_bytes(jpeg(60_000))
    forms.going.set()
    told = json.loads(running.communicate(timeout=240)[0])
    assert running.returncode == 1
    assert [failed["code"] for failed in told["failed"]] == ["file_changed"]
    assert user.told("upload", folder, "--collection", "changes")["sent"] == 1
    assert jpeg(60_000) in there(open_stack, "changes")


def test_a_stack_that_is_started_again_in_mid_upload_gets_the_rest(
    tiny: Path, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "pictures", 80)
    data = tmp_path / "data"
    # The page's, and the next of the bucket: places lead to the same address after the restart.
    port = str(free_port(2))
    with running(data, tiny, "--port", port) as stack:
        url, machine = stack.url, Machine(tmp_path / "state", stack.url)
        sending = machine.start("upload", folder, "--json", "--jobs", "2")
        stack.await_stored(20)
        stack.interrupt()
    with running(data, tiny, "--port", port) as stack:
        assert stack.url == url
        told = json.loads(sending.communicate(timeout=240)[0])
        assert (sending.returncode, told["sent"], told["failed"]) == (0, 80, [])
        assert there(stack, "uploads") == on_disk(folder)
