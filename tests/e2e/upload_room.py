"""Files to upload, ways to bring them, and what the panel of uploads shows."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from selenium.webdriver.common.by import By

from tests.e2e.browser import Page


def picture(number: int) -> bytes:
    """A PNG of 16 x 16 pixels that no other number has."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (number % 256, number // 256 * 40, 90)).save(file, "PNG")
    return file.getvalue()


def make_folder(path: Path, count: int, *, first: int = 0) -> Path:
    """A folder of so many pictures: IMG_0000.png and on."""
    path.mkdir()
    for number in range(first, first + count):
        (path / f"IMG_{number:04}.png").write_bytes(picture(number))
    return path


def copy_of(file: Path, to: Path, data: bytes = b"") -> None:
    """A copy that also keeps the time; with `data`, one that only looks like a copy."""
    to.write_bytes(data or file.read_bytes())
    stat = file.stat()
    os.utime(to, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def drop(page: Page, *paths: Path) -> None:
    """A drop on the page of what lies there, folders too, as from the system's file manager
    (https://chromedevtools.github.io/devtools-protocol/tot/Input/#method-dispatchDragEvent)."""
    x, y = page.js("return [innerWidth / 2, innerHeight / 2].map(Math.round)")
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}

    def send(*kinds: str) -> None:
        for kind in kinds:
            event = {"type": kind, "x": x, "y": y, "data": data}
            page.driver.execute_cdp_cmd("Input.dispatchDragEvent", event)

    send("dragEnter", "dragOver")
    # Chromium lets nothing drop on a page that has not said yet that it takes it.
    offered = "return !document.getElementById('drop').hidden"
    page.until(lambda: page.js(offered), "the page offers to take it")
    send("dragOver", "drop")


def choose_folder(page: Page, path: Path) -> None:
    """By the picker of folders."""
    page.driver.find_element(By.CSS_SELECTOR, '[data-testid="folder-input"]').send_keys(str(path))


def states(page: Page) -> dict[str, str]:
    """Name → state of each file drawn."""
    name = "row.querySelector('.name').textContent"
    rows = "[...document.querySelectorAll('[data-testid=upload-row]')]"
    return dict(page.js(f"return {rows}.map((row) => [{name}, row.dataset.state])"))


def head(page: Page) -> str:
    """What the panel is headed by; "" where there is none."""
    title: str = page.js(
        "return document.getElementById('uploads')?.querySelector('h2')?.textContent ?? ''"
    )
    return title


@contextmanager
def slow_line(page: Page, bytes_a_second: int) -> Iterator[None]:
    """Everything that is sent goes no faster."""
    line = {"offline": False, "latency": 0, "downloadThroughput": -1}
    command = "Network.emulateNetworkConditions"
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd(command, {**line, "uploadThroughput": bytes_a_second})
    try:
        yield
    finally:
        page.driver.execute_cdp_cmd(command, {**line, "uploadThroughput": -1})
        page.driver.execute_cdp_cmd("Network.disable", {})
