"""The larger view: zoomed, swiped and walked through, and what is told and given of a picture."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image
from selenium.webdriver import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import Page
from tests.integration.local_stack import LocalStack
from tests.integration.processes import eventually
from tests.unit.pictures import scene

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]

WIDE, TALL, SMALL = "bridge.jpg", "tower.jpg", "dot.png"
SUB_IFD, GPS_IFD = 0x8769, 0x8825

NOTE_STATUS = """
window.noted = [];
addEventListener("DOMContentLoaded", () => {
  const line = document.getElementById("status");
  new MutationObserver(() => noted.push(line.textContent)).observe(line, {childList: true});
});
"""


def bridge() -> bytes:
    """A wide photo that says where, when and with what it was taken."""
    picture = scene(2400, 1600)
    exif = picture.getexif()
    exif[0x010F], exif[0x0110] = "Canon", "Canon EOS R5"
    detail = exif.get_ifd(SUB_IFD)
    detail[0x9003], detail[0x829A], detail[0x829D] = "2021:07:04 18:30:00", 1 / 250, 2.8
    detail[0x8827], detail[0x920A], detail[0xA434] = 100, 50.0, "RF50mm F1.2"
    place = exif.get_ifd(GPS_IFD)
    place[1], place[2] = "S", (33.0, 51.0, 8.4)
    place[3], place[4] = "E", (151.0, 12.0, 38.16)
    out = io.BytesIO()
    picture.save(out, "JPEG", exif=exif)
    return out.getvalue()


def file(width: int, height: int, kind: str) -> bytes:
    out = io.BytesIO()
    scene(width, height).save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="module")
def shown(site: LocalStack) -> Iterator[dict[str, str]]:
    """Name → id, in the collection "viewer"; the newest is the wide one."""
    files = {SMALL: file(80, 60, "PNG"), TALL: file(900, 1500, "JPEG"), WIDE: bridge()}
    ids = {}
    for name, data in files.items():
        ids[name] = site.upload(name, data, collection="viewer")
        record = site.known(ids[name])
        assert record["state"] == "ready"
        # Buckets date by the second; the next is to be newer.
        until = datetime.fromisoformat(record["uploaded_at"]).timestamp() + 1
        eventually(lambda until=until: time.time() >= until)
    yield ids
    for image in ids.values():
        site.request("DELETE", f"/images/{image}")


class Place(NamedTuple):
    """Of the picture on the screen, px."""

    left: float
    top: float
    width: float
    height: float

    @property
    def middle(self) -> tuple[int, int]:
        return round(self.left + self.width / 2), round(self.top + self.height / 2)


AT_REST = """
const endless = (a) => a.effect?.getTiming().iterations === Infinity;
const moves = document.getAnimations().some((a) => a.playState === "running" && !endless(a));
const b = document.querySelector(".frame").getBoundingClientRect();
return moves ? null : [b.left, b.top, b.width, b.height];
"""


def place(page: Page) -> Place:
    """Where the picture is once it has come to rest."""
    return Place(*page.until(lambda: page.js(AT_REST), "nothing moves any more"))


def percent(page: Page) -> int:
    return int(page.one("zoom-fit").text.removesuffix(" %"))


def open_image(page: Page, image: str) -> None:
    page.open("/?collection=viewer")
    page.js("document.querySelector(`.grid a[data-id='${arguments[0]}']`).click()", image)
    it = "const i = document.querySelector('.frame img'); return Boolean(i?.complete && i.width)"
    page.until(lambda: page.js(it), "it shows")


class Fingers:
    """They have a clock of their own: however long the machine takes for each move, two taps are
    two taps, and what is swiped is not flung."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._now = 0.0

    def touch(self, kind: str, *points: tuple[float, float], after: float = 0.1) -> None:
        """So many seconds after what they did last."""
        self._now += after
        at = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        event = {"type": kind, "touchPoints": at, "timestamp": self._now}
        self._page.driver.execute_cdp_cmd("Input.dispatchTouchEvent", event)

    def begin(self) -> None:
        """Something that has nothing to do with what was before."""
        self._now = max(self._now + 1, time.time())

    def swipe(self, x: int, y: int) -> None:
        """One finger, from the middle of the picture."""
        a, b = place(self._page).middle
        self.begin()
        self.touch("touchStart", (a, b))
        for part in range(1, 6):
            self.touch("touchMove", (a + x * part / 5, b + y * part / 5))
        self.touch("touchEnd", after=0.5)

    def spread(self, at: tuple[int, int], *distances: int) -> None:
        """Two, on both sides of that."""
        x, y = at
        self.begin()
        for distance in distances:
            kind = "touchStart" if distance == distances[0] else "touchMove"
            self.touch(kind, (x - distance, y), (x + distance, y))
        self.touch("touchEnd")

    def tap_twice(self, at: tuple[int, int]) -> None:
        self.begin()
        for _ in range(2):
            self.touch("touchStart", at)
            self.touch("touchEnd", after=0.05)


def double_click(page: Page, at: tuple[int, int]) -> None:
    """One, however long the machine takes between the two."""
    for count in (1, 2):
        for kind in ("mousePressed", "mouseReleased"):
            event = {"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": count}
            page.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)


def name_shown(page: Page) -> str:
    return str(page.one("viewer").get_attribute("aria-label"))


def test_the_wheel_zooms_at_the_pointer_and_the_picture_stays_in_sight(
    page: Page, shown: dict[str, str]
) -> None:
    page.of_size("desktop")
    open_image(page, shown[WIDE])
    whole = place(page)
    at = (round(whole.left + whole.width / 4), round(whole.top + whole.height / 4))
    for _ in range(4):
        ActionChains(page.driver).scroll_from_origin(
            ScrollOrigin.from_viewport(*at), 0, -120
        ).perform()
    now = page.until(lambda: (p := place(page)).width > 1.5 * whole.width and p, "it is zoomed")
    for pixel, start, size in ((at[0], now.left, now.width), (at[1], now.top, now.height)):
        assert (pixel - start) / size == pytest.approx(0.25, abs=0.01), "what was there is there"

    stage = page.driver.find_element(By.CSS_SELECTOR, ".stage")
    ActionChains(page.driver).drag_and_drop_by_offset(stage, 400, 300).perform()
    page.until(
        lambda: place(page)[:2] == pytest.approx(whole[:2], abs=1),
        "dragged far away it stays in sight",
    )
    assert not page.all("part-bar"), "no part is drawn where the picture is moved"
    page.shot("viewer-zoomed")

    page.press(Keys.ESCAPE)
    page.until(lambda: place(page) == whole, "Escape shows the whole picture first")
    assert page.all("viewer")
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.all("viewer"), "then it closes")
    page.until(lambda: page.focused().get("id") == shown[WIDE], "and the focus is back")


def test_keys_and_buttons_zoom_and_move_the_picture(page: Page, shown: dict[str, str]) -> None:
    page.of_size("desktop")
    open_image(page, shown[WIDE])
    whole = place(page)
    page.press("+", "+", "+")
    assert percent(page) == 338
    page.said("Zoomed to 338 %. Arrow keys move the picture")
    page.until(lambda: place(page).width == pytest.approx(3.375 * whole.width, 0.01), "as told")
    before = place(page)
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    page.until(
        lambda: place(page)[:2] == pytest.approx((before.left - 80, before.top - 80), abs=1),
        "the picture is moved",
    )
    assert name_shown(page) == WIDE, "and no other one is shown"
    page.press("-")
    assert percent(page) == 225
    page.press("0")
    page.until(lambda: place(page) == whole, "the whole picture")
    page.said("The whole picture")
    assert page.one("zoom-out").get_attribute("aria-disabled") == "true"

    page.click("zoom-in")
    assert percent(page) == 150
    for _ in range(8):
        page.click("zoom-in")
    assert page.one("zoom-in").get_attribute("aria-disabled") == "true"
    most = percent(page)
    assert 400 <= most <= 100 * 3 * 2400 / whole.width + 1, "three pixels for one are enough"
    page.click("zoom-fit")
    assert percent(page) == 100
    page.press("+", Keys.ARROW_RIGHT)
    page.click("viewer-next")
    page.until(lambda: name_shown(page) == TALL, "the next one is shown")
    assert percent(page) == 100, "as a whole"


def test_a_double_click_goes_close_and_back(page: Page, shown: dict[str, str]) -> None:
    page.of_size("desktop")
    open_image(page, shown[WIDE])
    middle = place(page).middle
    double_click(page, middle)
    page.until(lambda: percent(page) >= 250, "it is close")
    double_click(page, middle)
    page.until(lambda: percent(page) == 100, "it is whole again")


def test_a_part_can_be_chosen_in_a_zoomed_picture(page: Page, shown: dict[str, str]) -> None:
    page.of_size("desktop")
    open_image(page, shown[WIDE])
    whole = place(page)
    page.press("+", "+")
    page.until(lambda: place(page).width == pytest.approx(2.25 * whole.width, 0.01), "it is close")
    page.click("search-part")
    at, stage = place(page), page.driver.find_element(By.CSS_SELECTOR, ".stage")
    # The frame is in the middle, from a quarter to three: it is taken hold of and moved.
    drag = ActionChains(page.driver).move_to_element_with_offset(stage, 150, 100)
    drag.click_and_hold().move_by_offset(80, 60).move_by_offset(40, 30).release().perform()
    assert percent(page) == 225
    page.shot("viewer-zoomed-part")
    style = page.one("part").get_attribute("style")
    pairs = [part.split(":") for part in style.strip("; ").split(";")]
    said = {name.strip(): float(share.strip(" %")) for name, share in pairs}
    assert said["left"] == pytest.approx(25 + 100 * 120 / at.width, abs=0.2)
    assert said["top"] == pytest.approx(25 + 100 * 90 / at.height, abs=0.2)
    assert (said["width"], said["height"]) == (50, 50)
    page.press(Keys.ARROW_RIGHT)
    assert place(page) == at, "the arrow keys move the frame, not the picture"
    page.press(Keys.ESCAPE)
    assert (page.all("part"), percent(page)) == ([], 225)
    page.press(Keys.ESCAPE)
    assert percent(page) == 100
    assert page.all("viewer")


def test_fingers_swipe_pinch_and_tap(page: Page, shown: dict[str, str]) -> None:
    page.of_size("phone")
    open_image(page, shown[WIDE])
    fingers = Fingers(page)
    fingers.swipe(-160, 10)
    page.until(lambda: name_shown(page) == TALL, "to the left is the next one")
    fingers.swipe(160, 10)
    page.until(lambda: name_shown(page) == WIDE, "to the right the one before")
    fingers.swipe(-30, 4)
    page.until(lambda: place(page).left == pytest.approx(0, abs=1), "it is back in its place")
    assert name_shown(page) == WIDE, "a short way is none"

    whole = place(page)
    fingers.spread(whole.middle, 40, 60, 80, 100, 120)
    page.until(lambda: percent(page) == pytest.approx(300, abs=3), "three times as far apart")
    page.shot("viewer-zoomed")
    at = place(page)
    fingers.swipe(-100, 0)
    page.until(
        lambda: place(page).left == pytest.approx(at.left - 100, abs=2),
        "a zoomed picture is moved instead",
    )
    assert name_shown(page) == WIDE
    fingers.tap_twice(whole.middle)
    page.until(lambda: percent(page) == 100, "two taps show it whole")

    scrolled = "return document.getElementById('viewer').scrollTop"
    fingers.swipe(0, -180)
    page.until(lambda: page.js(scrolled) > 100, "upwards the facts come")
    fingers.swipe(0, 400)
    page.until(lambda: page.js(scrolled) == 0, "downwards they go")
    assert page.all("viewer")
    fingers.swipe(0, 180)
    page.until(lambda: not page.all("viewer"), "and then the picture")


def test_the_file_is_fetched_where_the_preview_has_too_few_pixels(
    page: Page, shown: dict[str, str]
) -> None:
    page.of_size("phone")
    page.open("/?collection=viewer")
    large = "return Boolean(document.querySelector('.frame .large'))"
    small = "return document.querySelector('.frame .small')?.naturalWidth"
    page.js("document.querySelector(`.grid a[data-id='${arguments[0]}']`).click()", shown[WIDE])
    page.until(lambda: page.js(small) == 512, "the preview is there")
    assert not page.js(large), "390 pixels need no more than its 512"
    page.press("+")
    page.until(lambda: page.js("return document.querySelector('.large.loaded')"), "zoomed they do")
    assert page.js("return document.querySelector('.large').naturalWidth") == 2400


def test_those_beside_it_come_ahead_and_the_next_page_before_the_end(
    page: Page, site: LocalStack, shown: dict[str, str]
) -> None:
    page.of_size("desktop")
    open_image(page, shown[WIDE])
    fetched = "return performance.getEntriesByType('resource').map((e) => e.name).join(' ')"
    page.until(lambda: f"{shown[TALL]}/file" in page.js(fetched), "the next one's file comes ahead")
    assert page.one("position").text == "1 of 3"
    assert page.one("viewer-previous").get_attribute("aria-disabled") == "true"
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    page.until(lambda: name_shown(page) == SMALL, "the last one")
    page.said(f"{SMALL}, 3 of 3")
    assert page.one("viewer-next").get_attribute("aria-disabled") == "true"

    seeds = [i["id"] for i in site.get("/images", limit=200)["items"]]
    page.run_first(
        "const ask = window.fetch;"
        "window.fetch = (url, ...more) => ask(String(url).replace('limit=60', 'limit=3'), ...more);"
    )
    page.open("/")
    page.js("document.querySelector('.grid a').click()")
    page.one("viewer")
    for image in seeds[1:8]:
        page.press(Keys.ARROW_RIGHT)
        page.until(
            lambda image=image: f"image={image}" in page.driver.current_url,
            "walking on leads over the pages",
        )


def test_the_facts_tell_where_when_and_with_what(page: Page, shown: dict[str, str]) -> None:
    page.of_size("desktop")
    open_image(page, shown[WIDE])
    facts = page.facts()
    assert facts["Camera"] == "Canon EOS R5"
    assert (facts["Lens"], facts["Collection"]) == ("RF50mm F1.2", "viewer")
    assert facts["Exposure"] == "1/250 s · f/2.8 · ISO 100 · 50 mm"
    assert facts["Taken"] == "4 Jul 2021, 18:30"
    assert facts["Location"] == "33.8523° S, 151.2106° E"
    link = page.driver.find_element(By.CSS_SELECTOR, ".facts a")
    to = "https://www.openstreetmap.org/?mlat=-33.8523&mlon=151.2106#map=14/-33.8523/151.2106"
    rounded = link.get_attribute("href")
    assert rounded.startswith(to.split("?")[0] + "?mlat=-33.85")
    assert "&mlon=151.21" in rounded
    assert (link.get_attribute("target"), link.get_attribute("rel")) == (
        "_blank",
        "noopener noreferrer",
    )
    names = page.js("return performance.getEntriesByType('resource').map((e) => e.name)")
    assert not any("openstreetmap" in name for name in names), "nothing is asked of it by itself"


def test_the_link_can_be_copied_even_where_the_browser_refuses(
    page: Page, shown: dict[str, str]
) -> None:
    page.of_size("desktop")
    page.run_first(
        "navigator.clipboard.writeText = () => Promise.reject(new DOMException('no'));"
        "document.execCommand = () => false;"
    )
    open_image(page, shown[WIDE])
    page.click("copy-link")
    link = page.one("link")
    assert link.get_attribute("value") == f"{page.url}/?image={shown[WIDE]}"
    assert page.focused()["testid"] == "link"
    page.shot("viewer-link")
    page.said("Copy it by hand")
    page.press(Keys.ARROW_RIGHT)
    assert name_shown(page) == WIDE, "in the link an arrow key moves the cursor"
    page.driver.get(str(link.get_attribute("value")))
    page.until(lambda: page.all("viewer") and name_shown(page) == WIDE, "the link shows it")


def test_a_download_has_the_files_own_name_and_bytes(
    page: Page, shown: dict[str, str], tmp_path: Path
) -> None:
    page.of_size("desktop")
    open_image(page, shown[WIDE])
    where = {"behavior": "allow", "downloadPath": str(tmp_path)}
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    page.click("download")
    saved = tmp_path / WIDE
    page.until(lambda: saved.exists() and saved.read_bytes() == bridge(), "it is saved")
    with Image.open(saved) as opened:
        assert opened.size == (2400, 1600)


def test_a_link_to_a_picture_that_is_gone_says_so(page: Page, shown: dict[str, str]) -> None:
    page.of_size("desktop")
    page.run_first(NOTE_STATUS)
    page.open(f"/?collection=viewer&image={'0' * 32}")
    said = "return window.noted.includes('This image is gone')"
    page.until(lambda: page.js(said), "it says so for a while")
    page.until(lambda: "image=" not in page.driver.current_url, "the address forgets it")
    assert len(page.ids()) == 3
    page.expected("404")
