"""Uploads in trouble: the line pauses, says why, and goes on; what fails has a reason."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.e2e.between import Say
from tests.e2e.browser import Page
from tests.e2e.hurry import hurried
from tests.e2e.upload_room import (
    choose_folder,
    head,
    make_folder,
    picture,
    slow_line,
    states,
)
from tests.e2e.upload_way import (
    BUCKET,
    EXPIRED,
    PLACES,
    Asked,
    Cut,
    UploadWay,
    refused,
    storage_says,
    upload_way,
)
from tests.integration.local_stack import LocalStack, running
from tests.integration.processes import eventually

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("e2e")]


def first(count: int, path: str, said: Say) -> Callable[[Asked], Say | None]:
    """What the first `count` requests there are answered; the others are passed on."""
    left, lock = [count], threading.Lock()

    def judge(asked: Asked) -> Say | None:
        if asked.path != path:
            return None
        with lock:
            left[0] -= 1
            return said if left[0] >= 0 else None

    return judge


def sent_whole(page: Page, way: UploadWay, count: int) -> None:
    """Wait until all are searchable, and none had to be pressed for. After a pause that took long
    the next try may be half a minute away."""
    eventually(lambda: head(page), lambda title: title == f"{count} images searchable")
    assert set(states(page).values()) == {"ready"}
    assert not page.all("uploads-pause")


def told_of(page: Page, reason: str) -> None:
    """Wait until a pause is told of with that reason."""
    told = "return document.querySelector('.pause:not([hidden])')?.textContent ?? ''"
    page.until(lambda: reason in page.js(told), f"a pause is told of: {reason}")


def test_a_connection_that_is_lost_pauses_the_line_and_it_goes_on_by_itself(
    room: Page, way: UploadWay, tmp_path: Path
) -> None:
    lost = threading.Event()

    def judge(asked: Asked) -> Say | None:
        if asked.path == BUCKET and way.sent() >= 6:
            lost.set()
        if lost.is_set() and (asked.path == BUCKET or asked.path.startswith("/api/")):
            raise Cut
        return None

    way.judge = judge
    room.open("/?collection=lost")
    choose_folder(room, make_folder(tmp_path / "lost", 20))
    said = "The connection is lost. It goes on by itself when it is back."
    told_of(room, said)
    room.said(said)
    room.until(lambda: head(room).endswith("files wait"), "nothing is on its way any more")
    way.judge = lambda _: None
    sent_whole(room, way, 20)
    room.expected("ERR_")


def test_uploads_go_on_in_a_tab_that_nobody_looks_at(
    room: Page, way: UploadWay, quick: LocalStack, tmp_path: Path
) -> None:
    go = way.hold(after=3)
    room.run_first(
        "window.seen = []; document.addEventListener('visibilitychange',"
        " () => seen.push(document.visibilityState));"
    )
    room.open("/?collection=hidden")
    choose_folder(room, make_folder(tmp_path / "hidden", 12))
    room.until(lambda: go.waiting == 4, "four are on their way")
    first = room.driver.current_window_handle
    room.driver.switch_to.new_window("tab")
    try:
        go.set()  # the four break, and are tried again
        eventually(lambda: len(quick.get("/images", collection="hidden")["items"]) == 12)
    finally:
        room.driver.close()
        room.driver.switch_to.window(first)
    room.driver.execute_cdp_cmd("Page.bringToFront", {})
    sent_whole(room, way, 12)
    assert room.js("return seen[0]") == "hidden"
    room.expected("ERR_")


def test_a_throttle_is_waited_for_as_long_as_it_says(
    room: Page, way: UploadWay, tmp_path: Path
) -> None:
    say = refused(429, "throttled", "Too many requests at once.", retry_after="2")
    told, came = threading.Event(), list[float]()

    def judge(asked: Asked) -> Say | None:
        if asked.path != PLACES:
            return None
        came.append(time.monotonic())
        return None if told.is_set() else say

    way.judge = judge
    room.open("/?collection=throttled")
    choose_folder(room, make_folder(tmp_path / "throttled", 3))
    told_of(room, "Too many requests at once. It goes on by itself.")
    told.set()
    sent_whole(room, way, 3)
    assert min(b - a for a, b in pairwise(came)) > 1.9, "no sooner than it says"
    room.expected("429")


def test_places_that_became_too_old_in_the_line_are_asked_for_anew(
    room: Page, way: UploadWay, tmp_path: Path
) -> None:
    way.lifetimes = [1.0]
    folder = tmp_path / "old"
    folder.mkdir()
    for number in range(10):  # bytes behind the picture's end change nothing of it
        (folder / f"{number}.png").write_bytes(picture(number) + bytes(60_000))
    room.open("/?collection=old")
    with slow_line(room, 150_000):
        choose_folder(room, folder)
        room.until(lambda: way.too_old, "one was too old")
    sent_whole(room, way, 10)
    assert sum(way.sizes()) > 10
    room.expected("403")


def test_what_the_storage_says_is_a_sentence_and_what_passes_is_tried_again(
    room: Page, way: UploadWay, tmp_path: Path
) -> None:
    slow = first(3, BUCKET, storage_says(503, "SlowDown", "Please reduce your request rate."))
    way.judge = slow
    room.open("/?collection=says")
    choose_folder(room, make_folder(tmp_path / "slow", 6))
    sent_whole(room, way, 6)
    room.click("uploads-close")
    way.judge = first(2, BUCKET, storage_says(403, "AccessDenied", "Access Denied"))
    choose_folder(room, make_folder(tmp_path / "denied", 3))
    room.until(lambda: "2 failed" in room.one("uploads").text, "two were refused")
    text = room.one("uploads").text
    assert text.count("Failed: the storage said “Access Denied”") == 2
    room.click("uploads-retry")
    sent_whole(room, way, 3)
    room.click("uploads-close")
    way.judge = first(1, BUCKET, storage_says(400, "EntityTooLarge", "Your upload is too large"))
    choose_folder(room, make_folder(tmp_path / "grown", 1))
    reason = "Failed: the file is larger than it was when it was chosen, or too large"
    assert reason in room.uploaded("IMG_0000.png", "failed").text
    room.expected("503", "403", "400")


def test_a_file_that_arrived_though_its_answer_was_lost_is_not_there_twice(
    room: Page, way: UploadWay, quick: LocalStack, tmp_path: Path
) -> None:
    way.lose = 1

    def too_old(asked: Asked) -> Say | None:
        if asked.path != BUCKET or way.sent() == 1:
            return None
        eventually(lambda: quick.get("/images", collection="arrived")["items"])
        return Say(403, EXPIRED, {"Content-Type": "application/xml"})

    way.judge = too_old
    room.open("/?collection=arrived")
    choose_folder(room, make_folder(tmp_path / "arrived", 1))
    room.until(lambda: head(room) == "1 image searchable", "it is there")
    assert (way.sent(), len(way.sizes())) == (2, 2)
    assert len(quick.get("/images", collection="arrived")["items"]) == 1
    room.expected("ERR_", "403")


def test_an_expired_place_is_no_failure_but_one_that_always_is_ends_as_one(
    room: Page, way: UploadWay, tmp_path: Path
) -> None:
    way.judge = first(3, BUCKET, Say(403, EXPIRED, {"Content-Type": "application/xml"}))
    room.open("/?collection=expired")
    choose_folder(room, make_folder(tmp_path / "once", 2))
    sent_whole(room, way, 2)
    room.click("uploads-close")
    way.judge = first(99, BUCKET, Say(403, EXPIRED, {"Content-Type": "application/xml"}))
    choose_folder(room, make_folder(tmp_path / "always", 1))
    reason = "Failed: the storage said “Invalid according to Policy: Policy expired.”"
    assert reason in room.uploaded("IMG_0000.png", "failed").text
    room.expected("403")


def test_a_server_that_fails_again_and_again_is_left_alone_until_someone_presses(
    room: Page, way: UploadWay, tmp_path: Path
) -> None:
    say = refused(500, "internal", "An error on our side.")
    way.judge = first(99, PLACES, say)
    room.run_first(hurried(50))
    room.open("/?collection=faults")
    choose_folder(room, make_folder(tmp_path / "faults", 3))
    pause = room.one("uploads-pause")
    room.until(lambda: pause.text.startswith("An error on our side.\n"), "it no longer tries")
    assert len(way.sizes()) == 7
    assert set(states(room).values()) == {"queued"}
    way.judge = lambda _: None
    room.click("uploads-resume")
    sent_whole(room, way, 3)
    room.expected("500")


def test_a_file_that_is_gone_when_its_turn_comes_says_so(
    room: Page, way: UploadWay, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path / "gone", 3)
    moved = threading.Event()

    def not_yet(asked: Asked) -> None:
        if asked.path == PLACES:
            moved.wait()

    way.judge = not_yet
    room.open("/?collection=gone")
    choose_folder(room, folder)
    room.until(way.sizes, "they are in line")
    (folder / "IMG_0001.png").unlink()
    moved.set()
    row = room.uploaded("IMG_0001.png", "failed")
    assert "moved, changed or deleted since it was chosen" in row.text
    room.uploaded("IMG_0002.png")
    room.expected("ERR_FILE_NOT_FOUND")


def test_a_quota_lets_through_what_fits_and_the_rest_waits_for_a_press(
    driver: Chrome, tiny: Path, tmp_path: Path
) -> None:
    arguments = ("--quota-files", "5")
    eventually(_not_near_midnight, seconds=300)
    with (
        running(tmp_path / "data", tiny, *arguments) as stack,
        upload_way(stack.loaded().url) as way,
        Page(driver, way.url).watched() as page,
    ):
        page.open("/?collection=quota")
        choose_folder(page, make_folder(tmp_path / "quota", 9))
        told_of(page, "Your quota of uploads, 5 files a day, has room for 0 files more today.")
        assert "00:00 UTC" in page.one("uploads-pause").text
        page.until(lambda: len(_indexed(stack)) == 5, "what fitted is indexed")
        page.until(lambda: head(page) == "4 files wait", "the rest waits")
        page.expected("429")
        page.click("uploads-resume")
        again: list[str] = []
        page.until(lambda: again.extend(page.console()) or len(again) >= 3, "four, two and one")
        assert all("429" in line for line in again), again
        told_of(page, "Your quota of uploads, 5 files a day, has room for 0 files more today.")
        page.click("uploads-cancel")
        page.until(lambda: head(page) == "5 images searchable", "the rest was called off")


def _not_near_midnight() -> bool:
    """In UTC: then quotas begin anew."""
    now = datetime.now(timezone.utc)
    return (now.hour, now.minute) < (23, 56)


def _indexed(stack: LocalStack) -> list[object]:
    return list(stack.get("/images", collection="quota")["items"])
