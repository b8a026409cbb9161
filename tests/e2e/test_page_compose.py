"""Searching by a picture from this device, and by several things that count more or less."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests import needs
from tests.e2e.browser import Page, start_chromium
from tests.e2e.held import held
from tests.e2e.late import hold
from tests.integration.local_stack import LocalStack

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]

FILES = ("chelsea-the-cat.png", "coffee.png", "rocket.jpg", "horse.png", "lion.jpg", "cheetah.jpg")
SIDEWAYS = 6
"""EXIF orientation of a picture whose first row is its right side."""

GIVE = """
const [kind, names, types, files, at] = arguments;
const dataTransfer = new DataTransfer();
files.forEach((file, i) => {
  const bytes = Uint8Array.from(atob(file), (c) => c.charCodeAt(0));
  dataTransfer.items.add(new File([bytes], names[i], {type: types[i]}));
});
const target = at ? document.querySelector(at) : document.body;
const how = {bubbles: true, cancelable: true};
if (kind === "paste")
  target.dispatchEvent(new ClipboardEvent("paste", {...how, clipboardData: dataTransfer}));
else
  for (const type of kind.split(" "))
    target.dispatchEvent(new DragEvent(type, {...how, dataTransfer}));
"""

SENT = """
window.sent = [];
const asks = window.fetch;
window.fetch = (...asked) => {
  if (asked[1]?.body) window.sent.push(asked[1].body);
  return asks(...asked);
};
"""


@pytest.fixture(scope="module")
def pictures(site: LocalStack, samples: Path) -> Iterator[dict[str, str]]:
    """Name without its ending → id, in the collection "compose"; gone at the end."""
    with held(site, "compose", {name: (samples / name).read_bytes() for name in FILES}) as ids:
        yield {name.split(".")[0]: image for name, image in ids.items()}


@pytest.fixture
def cat(samples: Path) -> bytes:
    """A large JPEG of the cat's face, lying on its side but for what its EXIF says."""
    with Image.open(samples / "chelsea-the-cat.png") as opened:
        face = opened.convert("RGB").crop((100, 20, 400, 280)).resize((1800, 1560))
    turned = face.transpose(Image.Transpose.ROTATE_90)
    exif = turned.getexif()
    exif[0x0112] = SIDEWAYS
    file = io.BytesIO()
    turned.save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


def give(page: Page, kind: str, *files: tuple[str, str, bytes], at: str = "") -> None:
    """Drop or paste files, (name, type, bytes) each, on the element `at`."""
    data = [base64.b64encode(each).decode() for _, _, each in files]
    page.js(GIVE, kind, [f[0] for f in files], [f[1] for f in files], data, at)


def drop(page: Page, *files: tuple[str, str, bytes]) -> None:
    give(page, "dragenter dragover drop", *files, at="#search")


def looks_for(page: Page, *chips: str) -> None:
    """Wait until the search is made of these, and the address says so without any file."""
    page.until(lambda: page.chips() == list(chips), f"the search is {chips}")
    known = "return !/(^|[.-])p\\d/.test(new URLSearchParams(location.search).get('like') ?? '')"
    page.until(lambda: page.js(known), "the address has vectors")
    page.settled()


def told(site: LocalStack, *parts: dict[str, Any]) -> list[str]:
    """What the API answers to these parts, within the collection."""
    body = {"parts": list(parts), "filters": {"collection": "compose"}, "closest": True}
    return [item["id"] for item in site.post("/search", body)["items"]]


LIBRARY = "/?collection=compose&copies=all"


def test_a_picture_dropped_on_the_box_is_made_small_upright_and_sent_once(
    page_at: Page, site: LocalStack, pictures: dict[str, str], cat: bytes
) -> None:
    page = page_at
    page.run_first(SENT)
    page.open(LIBRARY)
    give(page, "dragenter", ("cat.jpg", "image/jpeg", cat), at="#search")
    assert "search by it" in page.driver.find_element(By.ID, "drop").text
    give(page, "drop", ("cat.jpg", "image/jpeg", cat), at="#search")
    looks_for(page, "Like a picture of yours")
    assert page.ids()[0] == pictures["chelsea-the-cat"]
    assert not page.all("upload-row"), "nothing is uploaded"

    (body,) = map(json.loads, page.js("return sent"))
    file = base64.b64decode(body["image"].partition(",")[2])
    with Image.open(io.BytesIO(file)) as small:
        assert (small.format, small.size) == ("JPEG", (591, 512))
    assert len(file) < 200_000
    preview = page.one("chip").find_element(By.TAG_NAME, "img")
    assert preview.get_attribute("src").startswith("blob:")

    vector = page.asked()["like"]
    assert vector.startswith("v1")
    page.click("show-rest")
    page.until(lambda: page.beyond(), "what is less alike is asked for")
    again = json.loads(page.js("return sent.at(-1)"))
    assert (again["vector"], "image" in again) == (vector, False)
    assert page.ids() == told(site, {"vector": vector})
    assert page.axe() == []
    page.shot("compose-picture")


def test_its_link_gives_the_same_answer_in_a_browser_that_has_never_been_here(
    page: Page,
    pictures: dict[str, str],
    cat: bytes,
    tmp_path: Path,
) -> None:
    page.open(f"{LIBRARY}&closest=true&q=a+horse")
    drop(page, ("cat.jpg", "image/jpeg", cat))
    looks_for(page, "Like a picture of yours", "With “a horse”")
    page.click("show-rest")
    page.until(lambda: page.beyond(), "all are shown")
    link, answer = page.driver.current_url, page.ids()
    assert len(answer) == len(FILES)
    page.reload()
    assert page.ids() == answer

    found = needs.chromium()
    assert found is not None
    other = start_chromium(found, tmp_path / "profile")
    try:
        elsewhere = Page(other, page.url)
        other.get(link)
        elsewhere.settled()
        assert elsewhere.ids() == answer
        chips = ["Like a picture of yours", "With “a horse”"]
        elsewhere.until(lambda: elsewhere.chips() == chips, "its chips are the same")
        assert not elsewhere.one("chip").find_elements(By.TAG_NAME, "img"), "it has no picture"
        assert elsewhere.console() == []
    finally:
        other.quit()


def test_a_pasted_picture_is_searched_by_and_may_be_uploaded_instead(
    page: Page, site: LocalStack, pictures: dict[str, str], cat: bytes
) -> None:
    page.open(LIBRARY)
    give(page, "paste", ("image.png", "image/jpeg", cat))
    looks_for(page, "Like a picture of yours")
    assert page.ids()[0] == pictures["chelsea-the-cat"]
    page.click("upload-instead")
    name = page.one("upload-row").text.split("\n")[0]
    row = page.uploaded(name)
    assert not page.all("asking-note")
    image = row.get_attribute("data-id")
    page.leave()  # else it might still ask for the thumbnail
    site.request("DELETE", f"/images/{image}")


def test_pasting_in_the_box_takes_a_picture_but_leaves_text_to_the_box(
    page: Page, pictures: dict[str, str], cat: bytes
) -> None:
    page.open(LIBRARY)
    page.js(
        """
        const clipboardData = new DataTransfer();
        clipboardData.setData("text/plain", "cells");
        clipboardData.items.add(new File(["bytes"], "cells.png", {type: "image/png"}));
        const paste = new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true});
        document.getElementById("search").dispatchEvent(paste);
        window.taken = paste.defaultPrevented;
        """
    )
    assert page.js("return taken") is False
    give(page, "paste", ("image.png", "image/jpeg", cat), at="#search")
    looks_for(page, "Like a picture of yours")


def test_the_button_in_the_box_opens_a_picker_of_pictures(
    page: Page, pictures: dict[str, str], cat: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "cat.jpg"
    file.write_bytes(cat)
    page.open(LIBRARY)
    picker = page.driver.find_element(By.CSS_SELECTOR, '[data-testid="picture-input"]')
    page.js("arguments[0].addEventListener('click', e => (e.preventDefault(), window.opened = 1))",
            picker)  # fmt: skip
    assert page.one("search-picture").accessible_name.startswith("Search by a picture")
    page.click("search-picture")
    assert page.js("return window.opened") == 1
    assert "image/*" in picker.get_attribute("accept")
    picker.send_keys(str(file))
    looks_for(page, "Like a picture of yours")
    assert page.ids()[0] == pictures["chelsea-the-cat"]


def test_what_cannot_be_searched_by_is_told_why(
    page: Page, pictures: dict[str, str], cat: bytes
) -> None:
    page.open(LIBRARY)
    drop(page, ("notes.txt", "text/plain", b"no picture"))
    said = "notes.txt is no picture that can be searched by."
    page.until(lambda: page.one("asking-note").text == said, "that is no picture")
    page.said(said)
    drop(page, ("large.heic", "image/heic", bytes(3_000_001)))
    page.until(lambda: "more than 3 MB" in page.one("asking-note").text, "that is too large")
    assert page.asked().keys() == {"collection", "copies"}, "nothing was asked"
    page.one("asking-note").find_element(By.TAG_NAME, "button").click()
    assert not page.all("asking-note")

    ten = ".".join([*pictures.values(), *list(pictures.values())[:4]])
    page.open(f"{LIBRARY}&like={ten}")
    page.until(lambda: len(page.chips()) == 10, "that is as much as there is room for")
    drop(page, ("cat.jpg", "image/jpeg", cat))
    said = (
        "A search has room for 10 things, and its address for fewer pictures. Take one out first."
    )
    page.until(lambda: page.one("asking-note").text == said, "there is no room for another")
    assert page.asked()["like"] == ten


def test_what_the_browser_cannot_read_is_sent_as_it_is(
    page: Page, pictures: dict[str, str], samples: Path
) -> None:
    with Image.open(samples / "chelsea-the-cat.png") as opened:
        file = io.BytesIO()
        opened.convert("RGB").save(file, "TIFF")
    page.open(LIBRARY)
    drop(page, ("cat.tiff", "image/tiff", file.getvalue()))
    looks_for(page, "Like a picture of yours")
    assert page.ids()[0] == pictures["chelsea-the-cat"]
    assert not page.one("chip").find_elements(By.TAG_NAME, "img"), "it has no preview"


COUNT_STEPS = """
window.steps = 0;
const push = history.pushState.bind(history);
history.pushState = (...step) => { window.steps += 1; push(...step); };
"""
"""`history.length` ends at 50, which a window of many tests has long reached."""


def test_a_weight_is_set_by_keys_and_by_the_mouse_and_stands_in_the_address(
    page_at: Page, site: LocalStack, pictures: dict[str, str]
) -> None:
    page = page_at
    lion = pictures["lion"]
    page.open(f"{LIBRARY}&q=a+horse&like={lion}&not=people&closest=true")
    looks_for(page, "Like lion.jpg", "With “a horse”", "Without “people”")
    page.js(COUNT_STEPS)
    weights = page.all("chip-weight")
    assert [w.accessible_name for w in weights] == [
        f"Counts {n} %. Press to change it" for n in (100, 100, 40)
    ]
    weights[0].send_keys(Keys.ENTER)
    slider = page.one("weight")
    assert page.focused()["testid"] == "weight"
    assert page.axe() == []
    page.shot("compose-weight")
    assert slider.accessible_name == "How much the picture counts"
    page.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    page.until(lambda: page.asked()["like"] == f"{lion}~90", "the address says it")
    page.press(Keys.HOME)
    page.until(lambda: page.asked()["like"] == f"{lion}~10", "and goes on saying it")
    assert page.js("return window.steps") == 1, "one step back undoes it"
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.all("weight"), "the slider is gone")
    assert page.focused()["testid"] == "chip-weight"
    page.settled()

    page.click("chip-weight", 2)
    page.one("weight").click()
    page.until(lambda: page.asked()["not"] == "people~55", "the middle of the slider")
    page.press(Keys.ESCAPE)
    page.open(page.driver.current_url.partition(page.url)[2] + "&closest=true")
    assert page.ids() == told(
        site,
        {"id": lion, "weight": 0.1},
        {"text": "a horse"},
        {"text": "people", "weight": -0.55},
    )
    counts = [f"Counts {n} %. Press to change it" for n in (10, 100, 55)]
    page.until(lambda: [w.accessible_name for w in page.all("chip-weight")] == counts, "shown")


def test_words_with_a_minus_become_chips_on_request_and_several_texts_are_kept(
    page: Page, site: LocalStack, pictures: dict[str, str]
) -> None:
    page.open(f"{LIBRARY}&q=an+animal+-horse")
    page.until(lambda: page.all("chip-make"), "a chip is offered")
    assert not page.all("chip-turn")
    page.click("chip-make")
    looks_for(page, "With “an animal”", "Without “horse”")
    assert (page.asked()["q"], page.asked()["not"]) == ("an animal", "horse")
    assert page.focused()["testid"] == "search"

    page.click("chip-keep")
    page.until(lambda: page.asked().get("and") == "an animal", "the words are a chip")
    assert page.one("search").get_attribute("value") == ""
    page.search("in the grass")
    looks_for(page, "With “in the grass”", "With “an animal”", "Without “horse”")
    page.open(page.driver.current_url.partition(page.url)[2] + "&closest=true")
    parts = [{"text": "in the grass"}, {"text": "an animal"}, {"text": "horse", "weight": -0.4}]
    assert page.ids() == told(site, *parts)

    page.until(lambda: len(page.all("chip-turn")) == 3, "the chips have come")
    page.click("chip-turn", 2)
    chips = ("With “in the grass”", "With “an animal”", "With “horse”")
    looks_for(page, *chips)
    assert page.asked()["and"] == "an animal\nhorse"


def test_pictures_and_weights_fit_a_screen_of_320_pixels(
    page: Page, pictures: dict[str, str], cat: bytes
) -> None:
    page.resize(320, 568)
    page.open(f"{LIBRARY}&q=a+cat+by+the+water&not=people")
    drop(page, ("cat.jpg", "image/jpeg", cat))
    looks_for(page, "Like a picture of yours", "With “a cat by the water”", "Without “people”")
    assert page.js("return document.scrollingElement.scrollWidth") <= 320
    for name in ("search", "search-picture", "filters-toggle", "chip-weight", "chip-remove"):
        box = page.one(name).rect
        assert box["width"] >= 24, name
        assert box["height"] >= 18, name
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= 320, name
    assert page.one("search").rect["width"] >= 90, "there is room for a word"
    page.click("chip-weight", 2)
    box = page.one("weight-panel").rect
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 320


def test_nothing_is_asked_in_the_middle_of_a_composition(page: Page) -> None:
    asked = "return performance.getEntriesByType('resource').filter(e => /[?]q=/.test(e.name))"
    page.open("/?collection=seeds")
    page.one("search").click()
    for text in ("ね", "ねこ", "猫"):
        composing = {"text": text, "selectionStart": len(text), "selectionEnd": len(text)}
        page.driver.execute_cdp_cmd("Input.imeSetComposition", composing)
    page.driver.execute_async_script("setTimeout(arguments[0], 500)")
    assert page.one("search").get_attribute("value") == "猫"
    assert "q" not in page.asked()
    assert page.js(asked) == []
    page.driver.execute_cdp_cmd("Input.insertText", {"text": "猫"})
    page.until(lambda: page.asked().get("q") == "猫", "it is asked once it is written")
    page.settled()
    assert len(page.until(lambda: page.js(asked), "that is noted")) == 1


def test_what_is_being_written_stays_when_a_picture_becomes_known(
    page: Page, pictures: dict[str, str], cat: bytes
) -> None:
    page.run_first(hold("/api/search"))
    page.open(LIBRARY)
    drop(page, ("cat.jpg", "image/jpeg", cat))
    page.until(lambda: page.js("return held.length"), "the answer has come, and is held")
    page.click("search")
    writing = {"text": "ねこ", "selectionStart": 2, "selectionEnd": 2}
    page.driver.execute_cdp_cmd("Input.imeSetComposition", writing)
    page.js("held.splice(0).forEach((go) => go())")
    looks_for(page, "Like a picture of yours")
    assert page.one("search").get_attribute("value") == "ねこ"


def test_words_typed_in_one_go_are_asked_for_once_and_call_off_what_was_asked_before(
    page: Page,
) -> None:
    page.run_first(
        """
        window.asked = [];
        const asks = window.fetch;
        window.fetch = (...of) => {
          if (String(of[0]).includes("q=")) window.asked.push([String(of[0]), of[1].signal]);
          return String(of[0]).includes("q=slow")
            ? new Promise((_, refuse) => of[1].signal.addEventListener("abort",
                () => refuse(of[1].signal.reason)))
            : asks(...of);
        };
        window.type = (...texts) => {
          const box = document.getElementById("search");
          for (const text of texts) {
            box.value = text;
            box.dispatchEvent(new InputEvent("input", {bubbles: true}));
          }
        };
        """
    )
    page.open("/?collection=seeds")
    page.js("type('s', 'sl', 'slow')")
    page.until(lambda: page.asked().get("q") == "slow", "it is asked")
    assert page.js("return asked.map(([url, signal]) => signal.aborted)") == [False]
    page.js("type('a', 'a c', 'a cat')")
    page.until(lambda: page.asked().get("q") == "a cat", "the next is asked")
    page.settled()
    assert page.js("return asked.map(([url, signal]) => signal.aborted)") == [True, False]
    assert "chelsea-the-cat.png" in page.one("item").get_attribute("title")


def test_enter_asks_at_once_and_only_once(page: Page) -> None:
    asked = "return performance.getEntriesByType('resource').filter(e => /[?]q=/.test(e.name))"
    page.open("/?collection=seeds")
    page.one("search").send_keys("clock", Keys.ENTER)
    page.until(lambda: page.asked().get("q") == "clock", "it is asked")
    page.driver.execute_async_script("setTimeout(arguments[0], 500)")
    page.settled()
    assert len(page.until(lambda: page.js(asked), "that is noted")) == 1
