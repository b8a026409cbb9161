"""Uploads by the hundred: folders, trouble on the way, and what the panel says of each file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import Page
from tests.e2e.upload_way import UploadWay, upload_way
from tests.integration.local_stack import LocalStack

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]

Photo = Callable[..., Path]


def tiny(number: int) -> bytes:
    """A picture of 16 x 16 pixels that no other number has."""
    picture = Image.new("RGB", (16, 16), (number % 256, number // 256 * 40, 90))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str, int], Path]:
    """Makes a folder of so many pictures."""

    def make(name: str, count: int) -> Path:
        made = tmp_path / name
        made.mkdir()
        for number in range(count):
            (made / f"IMG_{number:04}.png").write_bytes(tiny(number))
        return made

    return make


@pytest.fixture
def way(site: LocalStack, page: Page) -> Iterator[UploadWay]:
    """What lies between the page and its stack; the page is opened through it."""
    with upload_way(site.url) as server:
        page.url = server.url
        yield server
        page.driver.get("about:blank")


def drop(page: Page, *paths: Path) -> None:
    """A real drop of what lies there, folders too."""
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": 640, "y": 500, "data": data}
        page.driver.execute_cdp_cmd("Input.dispatchDragEvent", event)


def choose_folder(page: Page, path: Path) -> None:
    picker = page.driver.find_element(By.CSS_SELECTOR, '[data-testid="folder-input"]')
    picker.send_keys(str(path))


def rows(page: Page) -> dict[str, str]:
    """Name → state of each file drawn."""
    script = """
      return [...document.querySelectorAll("[data-testid=upload-row]")]
        .map((row) => [row.querySelector(".name").textContent, row.dataset.state]);
    """
    return dict(page.js(script))


def head(page: Page) -> str:
    return page.one("uploads").find_element(By.TAG_NAME, "h2").text


def expected(page: Page, *parts: str) -> None:
    """What the browser complained of so far is of these kinds, and is forgotten."""
    assert [line for line in page.console() if not any(part in line for part in parts)] == []


def test_a_folder_is_dropped_and_what_is_no_image_in_it_is_counted_not_failed(
    page: Page, site: LocalStack, folder: Callable[[str, int], Path]
) -> None:
    trip = folder("Norway 2024", 3)
    (trip / "deeper").mkdir()
    (trip / "deeper" / "IMG_0000.png").write_bytes(tiny(77))
    (trip / ".DS_Store").write_bytes(b"x")
    (trip / ".thumbnails").mkdir()
    (trip / ".thumbnails" / "a.png").write_bytes(tiny(0))
    (trip / "notes.txt").write_text("words")
    (trip / "empty.png").touch()
    page.open()
    drop(page, trip)
    question = page.one("uploads-question")
    assert "Upload 4 images of the folder “Norway 2024”?" in question.text
    assert page.one("uploads-collection").get_attribute("value") == "norway-2024"
    left = page.one("uploads-left")
    assert left.text == "4 files left out: 1 is not an image, 2 hidden, 1 empty"
    page.until(lambda: page.focused().get("testid") == "uploads-go", "the focus is in the question")
    left.find_element(By.TAG_NAME, "summary").click()
    page.until(lambda: "Norway 2024/notes.txt" in left.text, "the names are shown")
    page.click("uploads-collection")
    page.press(Keys.ENTER)
    page.until(lambda: head(page) == "4 images searchable", "all are searchable")
    items = site.get("/images", collection="norway-2024")["items"]
    assert sorted(i["name"] for i in items) == ["IMG_0000.png"] * 2 + [
        "IMG_0001.png", "IMG_0002.png",
    ]  # fmt: skip


def test_three_hundred_files_of_a_folder_keep_the_panel_light(
    page: Page, way: UploadWay, folder: Callable[[str, int], Path]
) -> None:
    page.open("/?collection=many")
    choose_folder(page, folder("many", 300))
    page.until(lambda: "Uploading" in head(page), "they are on their way")
    drawn = []
    for some in range(30, 301, 30):
        page.until(lambda some=some: way.sent() >= some, f"{some} are sent")
        drawn.append(page.js("return document.querySelectorAll('#uploads li').length"))
    page.until(lambda: not page.all("uploads-cancel"), "all are sent")
    assert 0 < min(drawn) <= max(drawn) <= 50
    assert sum(way.sizes()) == 300
    assert len(way.sizes()) <= 12, way.sizes()
    looks = [a.path for a in way.all if a.path.startswith("/api/images?ids=")]
    assert looks
    assert all(look.count("%2C") < 100 for look in looks)
    page.until(lambda: "ready" in rows(page).values(), "the first is searchable")
    page.js("document.querySelector('[data-state=ready] [data-testid=upload-open]').click()")
    page.one("viewer")
    page.click("viewer-close")
