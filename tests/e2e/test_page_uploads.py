"""Uploads by the hundred: folders, and what the panel says of each file."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.e2e.between import Say
from tests.e2e.browser import Page
from tests.e2e.upload_room import (
    choose_folder,
    copy_of,
    drop,
    head,
    make_folder,
    picture,
    slow_line,
    states,
)
from tests.e2e.upload_way import BUCKET, Asked, UploadWay
from tests.integration.local_stack import LocalStack
from tests.integration.processes import eventually

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("e2e")]

HOSTILE = "<img src=x onerror=alert(1)>"
CLOCK_STANDS = "const start = Date.now(); Date.now = () => start;"
"""How many places are asked for at once follows how fast they are used up: here at once."""

BEFORE_LEAVING = """
const event = new Event("beforeunload", {cancelable: true});
dispatchEvent(event);
return event.defaultPrevented;
"""


@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_a_folder_is_dropped_and_what_is_no_image_in_it_is_counted_not_failed(
    room: Page, quick: LocalStack, tmp_path: Path, size: str
) -> None:
    trip = make_folder(tmp_path / f"Norway {size}", 3)
    make_folder(trip / "deeper", 1, first=70)
    make_folder(trip / ".thumbnails", 2)
    (trip / ".DS_Store").write_bytes(b"x")
    (trip / "notes.txt").write_text("words")
    (trip / "plan.svg").write_text("<svg/>")
    (trip / "empty.png").touch()
    room.of_size("phone" if size == "phone" else "desktop")
    room.open()
    drop(room, trip)
    assert f"Upload 4 images of the folder “Norway {size}”?" in room.one("uploads-question").text
    assert room.one("uploads-collection").get_attribute("value") == f"norway-{size}"
    left = room.one("uploads-left")
    assert left.text == "5 files left out: 2 are not images, 2 hidden, 1 empty"
    room.until(lambda: room.focused().get("testid") == "uploads-go", "the focus is in the question")
    assert room.js(BEFORE_LEAVING), "leaving would lose the choice"
    assert room.axe() == []
    left.find_element(By.TAG_NAME, "summary").click()
    room.until(lambda: f"Norway {size}/notes.txt" in left.text, "the names are shown")
    room.one("uploads-collection").clear()
    room.one("uploads-collection").send_keys(f"Fjørds {size}", Keys.ENTER)
    room.until(lambda: head(room) == "4 images searchable", "all are searchable")
    assert not room.js(BEFORE_LEAVING)
    items = quick.get("/images", collection=f"fjrds-{size}")["items"]
    names = ["IMG_0000.png", "IMG_0001.png", "IMG_0002.png", "IMG_0070.png"]
    assert sorted(item["name"] for item in items) == names
    assert room.axe() == []


def test_a_folder_need_not_be_sent_and_one_without_images_says_so(
    room: Page, tmp_path: Path
) -> None:
    room.open()
    hostile = make_folder(tmp_path / HOSTILE, 2)
    (hostile / ".hidden").write_text("words")
    drop(room, hostile)
    assert f"“{HOSTILE}”" in room.one("uploads-question").text
    assert room.one("uploads-collection").get_attribute("value") == "img-src-x-onerror-alert-1"
    loose = make_folder(tmp_path / "loose", 1, first=900) / "IMG_0900.png"
    room.choose(loose)  # it has nothing to wait for
    room.uploaded("IMG_0900.png")
    room.one("uploads-question")
    room.click("uploads-dont")
    room.click("uploads-close")
    room.until(lambda: not room.all("uploads"), "nothing is left of it")
    words = tmp_path / "words"
    words.mkdir()
    (words / f"{HOSTILE}.txt").write_text("words")
    drop(room, words)
    room.until(lambda: head(room) == "No images in that folder", "it is said")
    room.one("uploads-left").find_element(By.TAG_NAME, "summary").click()
    room.until(lambda: HOSTILE in room.one("uploads-left").text, "its name is shown")
    room.said("No images in that folder")
    room.click("uploads-close")
    room.until(lambda: not room.all("uploads"), "and closed")
    assert room.js("return document.querySelectorAll('img[src=x], [onerror]').length") == 0


def test_two_hundred_files_of_a_folder_keep_the_panel_light(
    room: Page, way: UploadWay, quick: LocalStack, tmp_path: Path
) -> None:
    seen = threading.Event()

    def in_the_middle(asked: Asked) -> Say | None:
        if asked.path == BUCKET and way.sent() > 100:
            seen.wait()
        return None

    way.judge = in_the_middle
    room.run_first(CLOCK_STANDS)
    room.open("/?collection=many")
    choose_folder(room, make_folder(tmp_path / "many", 200))
    rows = "return document.querySelectorAll('#uploads li').length"
    drawn = []
    for some in range(20, 201, 20):
        room.until(lambda some=some: way.sent() >= some, f"{some} are sent")
        drawn.append(room.until(lambda: room.js(rows), "some are drawn"))
        if some == 100:
            room.until(lambda: " % · " in room.driver.title, "the title says how far it is")
            seen.set()
    room.until(lambda: not room.all("uploads-cancel"), "all are sent")
    assert room.driver.title == "Image Intellisense"
    assert max(drawn) <= 50
    assert sum(way.sizes()) == 200
    assert len(way.sizes()) <= 8, way.sizes()

    def looks_at() -> list[str]:
        return [asked.path for asked in way.all if asked.path.startswith("/api/images?ids=")]

    looks = room.until(looks_at, "it is asked what has become of them")
    assert all(look.count("%2C") < 100 for look in looks)
    room.until(lambda: "ready" in states(room).values(), "the first is searchable")
    room.js("document.querySelector('[data-state=ready] [data-testid=upload-open]').click()")
    room.one("viewer")
    room.click("viewer-close")
    # The next tests' files would stand behind them in the queue.
    eventually(lambda: not any(quick.get("/stats")["queue"].values()))


def test_cancelling_in_the_middle_keeps_what_is_sent_and_each_can_be_tried_again(
    room: Page, way: UploadWay, quick: LocalStack, tmp_path: Path
) -> None:
    def drawn(*kinds: str) -> int:
        return sum(state in kinds for state in states(room).values())

    go = way.hold(after=6)
    room.open("/?collection=half")
    choose_folder(room, make_folder(tmp_path / "half", 30))
    room.until(lambda: go.waiting == 4, "four are on their way behind six")
    room.until(lambda: drawn("uploading") == 4 and drawn("waiting", "ready") == 6, "so it is drawn")
    one = room.one("upload-cancel")
    room.js("arguments[0].focus()", one)
    room.press(Keys.ENTER)
    room.until(lambda: drawn("cancelled") == 1, "one is cancelled")
    assert room.js("return document.activeElement.closest('#uploads') !== null")
    room.until(lambda: go.waiting == 5, "the next one has its lane")
    room.click("uploads-cancel")
    go.set()
    room.until(lambda: head(room) == "6 images searchable", "six are")
    assert len(quick.get("/images", collection="half")["items"]) == 6
    assert "Cancelled · 24" in room.one("uploads").text
    assert drawn("cancelled") == 6
    room.click("uploads-more-cancelled")
    room.until(lambda: drawn("cancelled") == 24, "all are shown")
    room.click("upload-retry")
    room.until(lambda: head(room) == "7 images searchable", "it was tried again")


def test_the_same_file_twice_at_once_is_told_and_sent_once(
    room: Page, quick: LocalStack, tmp_path: Path
) -> None:
    first = make_folder(tmp_path / "a", 3)
    second = tmp_path / "b"
    second.mkdir()
    for file in first.iterdir():
        copy_of(file, second / file.name, picture(93) if file.stem == "IMG_0002" else b"")
    room.open("/?collection=twice")
    drop(room, first, second)
    left = room.one("uploads-left")
    assert left.text == "2 files left out: 2 the same as another, sent once"
    room.until(lambda: head(room) == "4 images searchable", "the others are sent")
    assert len(quick.get("/images", collection="twice")["items"]) == 4


def test_a_file_that_was_in_the_library_before_is_told(room: Page, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "before", 2, first=800)
    room.open("/?collection=before")
    room.choose(folder / "IMG_0800.png")
    room.uploaded("IMG_0800.png")
    assert "here already" not in room.one("uploads").text
    room.click("uploads-close")
    room.choose(folder / "IMG_0800.png", folder / "IMG_0801.png")
    room.until(lambda: "1 here already" in room.one("uploads").text, "it is counted")
    assert "the same file was here already" in room.uploaded("IMG_0800.png").text
    assert "the same file" not in room.uploaded("IMG_0801.png").text
    room.said("2 images searchable · 1 here already")


def test_files_dropped_before_the_page_knows_what_to_do_with_them_are_not_lost(
    room: Page, way: UploadWay, tmp_path: Path
) -> None:
    known = threading.Event()

    def late(asked: Asked) -> Say | None:
        return Say(503) if asked.path == "/js/uploads/desk.js" and not known.is_set() else None

    way.judge = late
    room.open("/?collection=late")
    drop(room, make_folder(tmp_path / "late", 2))
    room.said("The page does not answer. The files wait, and go as soon as it does")
    assert room.js(BEFORE_LEAVING)
    known.set()
    room.until(lambda: room.all("uploads") and head(room) == "2 images searchable", "they are sent")
    room.expected("503")


def test_a_type_that_is_refused_once_is_not_asked_for_again(
    room: Page, way: UploadWay, tmp_path: Path
) -> None:
    files = [tmp_path / f"{n}.svg" for n in range(12)]
    for file in files:
        file.write_text("<svg/>")
    good = tmp_path / "good.png"
    good.write_bytes(picture(5))
    room.open("/?collection=kinds")
    room.choose(*files, good)
    room.until(lambda: head(room) == "1 image searchable", "the good one is")
    room.until(lambda: "12 rejected" in room.one("uploads").text, "the others are told apart")
    assert "not an image of a kind we read" in room.uploaded("0.svg", "rejected").text
    assert len(way.sizes()) == 2
    room.expected("415")


def test_how_far_it_is_and_how_long_it_takes_is_told_in_words(room: Page, tmp_path: Path) -> None:
    said = """
      const {texts} = await import("/js/texts.js");
      return [20, 70, 300, 5400, 9000].map(texts.timeLeft);
    """
    room.open("/?collection=words")
    assert room.driver.execute_async_script(
        f"const done = arguments[0]; (async () => {{ {said} }})().then(done)"
    ) == [
        "less than a minute left", "about 1 minute left", "about 5 minutes left",
        "about 2 hours left", "about 3 hours left",
    ]  # fmt: skip
    with slow_line(room, 60_000):
        big = tmp_path / "big.bmp"
        big.write_bytes(b"BM" + bytes(3_000_000))
        room.choose(big)
        room.until(lambda: " left" in room.one("uploads").text, "the time left is shown")
        room.until(lambda: "% uploaded" in room.js("return announce.textContent"), "and said")
        room.click("uploads-cancel")
