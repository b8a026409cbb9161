"""The page in Chromium, on the real one-machine stack, as a person uses it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import Page
from tests.e2e.late import hold
from tests.integration.local_stack import LocalStack
from tests.unit import raws
from tests.unit.pictures import scene
from tests.unit.raws import Shot

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]

Photo = Callable[..., Path]

WATCH_STATES = """
window.states = [];
const waiting = new Promise((drawn) => {
  new MutationObserver((changes) => {
    for (const {target} of changes) {
      const {state} = target.dataset;
      if (state !== window.states.at(-1)) window.states.push(state);
      if (state === "waiting") drawn();
    }
  }).observe(document.getElementById("uploads"), {subtree: true, attributeFilter: ["data-state"]});
});
const ask = window.fetch;
window.fetch = async (...asked) => {
  if (String(asked[0]).includes("/images?ids=")) await waiting;
  return ask(...asked);
};
"""
"""Notes each state that an upload is drawn in. What became of it is not asked before it is seen to
wait: rows are drawn by frames, of which a busy machine may leave some out."""


def test_a_photo_goes_from_the_picker_into_answers_and_out_of_them_when_deleted(
    page: Page, site: LocalStack, photo: Photo
) -> None:
    page.open()
    page.js(WATCH_STATES)
    page.choose(photo("IMG_0001.png", of="coffee.png"))
    row = page.uploaded("IMG_0001.png")
    image = row.get_attribute("data-id")
    assert "Searchable · 467 kB" in row.text
    assert page.js("return window.states.slice(-2)") == ["waiting", "ready"]
    page.until(lambda: page.ids()[0] == image, "the library shows it first")
    page.until(lambda: not page.all("status-waiting"), "the queue is empty again")

    page.search("a cup of coffee")
    assert page.ids()[0] == image
    assert page.driver.current_url.endswith("/?q=a+cup+of+coffee")

    page.click("item")
    page.until(lambda: page.js("return document.querySelector('.large.loaded')"), "the file shows")
    width = page.js("return document.querySelector('.large').naturalWidth")
    facts = page.facts()
    assert facts["Size"] == f"{width} × {site.known(image)['height']} px"
    assert facts["File"] == "PNG · 467 kB"
    assert (facts["Collection"], "Uploaded" in facts) == ("uploads", True)

    page.click("more-like-this")
    page.until(lambda: f"like={image}" in page.driver.current_url, "the address says what is asked")
    page.settled()
    page.until(lambda: page.chips() == ["Like IMG_0001.png"], "the chip names it")
    assert image not in page.ids()
    page.click("chip-remove")
    page.until(lambda: not page.chips(), "the chip is gone")
    # Other tests upload copies of the seeds, behind which these may stand, and much else.
    page.open(f"/?like={image}&copies=all&closest=true&collection=seeds")
    assert set(page.ids()) == {
        item["id"] for item in site.get("/images", collection="seeds")["items"]
    }

    page.open("/?q=a+cup+of+coffee")
    assert page.ids()[0] == image
    page.click("item")
    page.click("delete")
    page.click("confirm-delete")
    page.until(lambda: image not in page.ids(), "it is gone from the answer")
    assert site.get("/images", ids=image)["items"] == []
    assert image not in {item["id"] for item in site.get("/search", q="a cup of coffee")["items"]}


def test_a_file_that_is_no_image_is_rejected_with_its_reason_and_deleted_there(
    page: Page, site: LocalStack, tmp_path: Path
) -> None:
    file = tmp_path / "words.png"
    file.write_text("words, not pixels")
    reason = "The file is not an image in a format we read"
    page.open()
    page.choose(file)
    row = page.uploaded("words.png", "rejected")
    image = row.get_attribute("data-id")
    assert f"Rejected: {reason}" in row.text

    page.click("uploads-close")
    name, why = page.rejected(image).text.split("\n")[:2]
    assert (name, why.startswith(reason)) == ("words.png", True)
    page.discard(image)
    assert site.get("/images", ids=image)["items"] == []


def test_a_file_of_another_type_is_refused_before_a_byte_is_sent(
    page: Page, site: LocalStack, photo: Photo
) -> None:
    page.open("/?collection=types")
    page.choose(photo("paper.pdf"), photo("drawing.svg"), photo("picture.png"))
    for name in ("paper.pdf", "drawing.svg"):
        row = page.uploaded(name, "rejected")
        assert "Rejected: not an image of a kind we read (JPEG, PNG" in row.text
    page.uploaded("picture.png")
    stored = site.get("/images", collection="types", state="ready,rejected")["items"]
    assert [item["name"] for item in stored] == ["picture.png"]
    # The API is asked about image/svg+xml and refuses it; that much the browser notes.
    assert all("/api/uploads" in line and "415" in line for line in page.console())


def test_a_camera_raw_is_shown_by_its_thumbnail_with_the_facts_of_its_exposure(
    page: Page, tmp_path: Path
) -> None:
    file = tmp_path / "DSC_0001.NEF"
    shot = Shot(scene(900, 600), make="NIKON CORPORATION", model="NIKON D850", previews=(160, 900))
    file.write_bytes(raws.nef(shot))
    page.open("/?collection=raws")
    page.choose(file)
    page.uploaded("DSC_0001.NEF")
    page.click("uploads-close")
    page.click("item")
    viewer = page.one("viewer")
    facts = page.facts()
    assert facts["Size"] == "900 × 600 px"
    assert facts["File"].startswith("NEF · ")
    assert facts["Camera"] == "NIKON D850"
    assert facts["Lens"] == "Test Lens 50mm f/1.8"
    assert facts["Exposure"] == "1/250 s · f/2.8 · ISO 100 · 50 mm"
    assert "browsers do not show NEF files" in viewer.text
    assert viewer.find_elements(By.CSS_SELECTOR, ".large") == []
    page.click("viewer-close")


HOSTILE = "<img src=x onerror=alert(1)>.png"


def test_a_hostile_file_name_is_shown_as_text_and_nothing_runs(
    page: Page, photo: Photo, tmp_path: Path
) -> None:
    (tmp_path / "no").mkdir()
    words = tmp_path / "no" / f"{HOSTILE}.gif"
    words.write_text("words, not pixels")
    page.open("/?collection=hostile")
    page.choose(photo(HOSTILE, of="clock.png"), words)
    page.uploaded(HOSTILE)
    refused = page.uploaded(f"{HOSTILE}.gif", "rejected").get_attribute("data-id")
    page.click("uploads-close")

    item = page.one("item")
    assert item.get_attribute("title") == HOSTILE
    assert item.find_element(By.CSS_SELECTOR, "img").get_attribute("alt") == HOSTILE
    item.click()
    assert page.one("viewer").find_element(By.CSS_SELECTOR, "h2").text == HOSTILE
    page.click("more-like-this")
    page.until(lambda: page.chips() == [f"Like {HOSTILE}"], "the chip names it")
    assert page.rejected(refused).text.split("\n")[0] == f"{HOSTILE}.gif"
    page.discard(refused)
    assert page.js("return document.querySelectorAll('img[src=x], [onerror]').length") == 0


def test_the_address_of_a_search_shows_the_same_answer_when_loaded_again(page: Page) -> None:
    page.open()
    page.search("a rocket")
    answer = page.ids()
    assert answer
    page.reload()
    assert page.one("search").get_attribute("value") == "a rocket"
    assert page.ids() == answer
    assert page.driver.title == "a rocket · Image Intellisense"


def test_the_back_button_leaves_the_larger_view_and_then_the_search(page: Page) -> None:
    page.open("/?collection=seeds")
    library = page.ids()
    page.search("a clock")
    page.click("item")
    page.one("viewer")
    page.driver.back()
    page.until(lambda: not page.all("viewer"), "the larger view is closed")
    assert "q=a+clock" in page.driver.current_url
    page.driver.back()
    page.until(lambda: page.ids() == library, "the library is back")
    assert page.one("search").get_attribute("value") == ""


def test_an_older_slower_answer_never_replaces_a_newer_one(page: Page) -> None:
    page.run_first(hold("q=a+rocket"))
    page.open("/?collection=seeds")
    box = page.one("search")
    box.send_keys("a rocket", Keys.ENTER)
    page.until(lambda: page.js("return held.length"), "the older answer has come, and is held")
    box.send_keys(Keys.CONTROL + "a" + Keys.NULL, "a cat")
    page.until(lambda: page.driver.title.startswith("a cat"), "the newer one is asked")
    page.settled()
    newer = page.ids()
    page.js("held.splice(0).forEach((go) => go())")
    page.until(lambda: page.js("return window.taken"), "the page has taken the older answer")
    assert page.ids() == newer
    assert "chelsea-the-cat.png" in page.one("item").get_attribute("title")
    assert "q=a+cat" in page.driver.current_url


def test_search_view_and_return_by_the_keyboard_alone(page: Page) -> None:
    page.open("/?collection=seeds")
    page.press("/")
    assert page.focused()["testid"] == "search"
    page.press("a rocket", Keys.ENTER)
    page.until(lambda: page.driver.title.startswith("a rocket"), "it is asked")
    page.settled()

    def tab(name: str, value: str) -> None:
        for _ in range(40):  # past the filters, and what narrows the answer down
            if page.focused().get(name) == value:
                break
            page.press(Keys.TAB)
        assert page.focused().get(name) == value

    tab("testid", "show-rest")
    page.press(Keys.ENTER)
    page.until(page.beyond, "what is less alike is shown")
    page.until(lambda: page.focused().get("id") == page.beyond()[0], "the focus goes there")
    ids = page.ids()
    page.press("/", Keys.TAB)
    tab("id", ids[0])

    page.press(Keys.ENTER)
    assert page.one("viewer").get_attribute("aria-label") == "rocket.jpg"
    assert page.focused()["testid"] == "viewer-close"
    page.press(Keys.ARROW_RIGHT)
    page.until(lambda: f"image={ids[1]}" in page.driver.current_url, "the next one is shown")
    page.press(Keys.ESCAPE)
    page.until(lambda: page.focused().get("id") == ids[1], "the focus is back in the grid")
    assert not page.all("viewer")
    page.until(lambda: "image=" not in page.driver.current_url, "the address is the search's")
    page.press(Keys.ARROW_LEFT)
    page.until(lambda: page.focused().get("id") == ids[0], "the key leads back")


def test_nothing_overflows_a_screen_of_320_pixels(page: Page, photo: Photo) -> None:
    wide = "a-name-without-a-place-to-break-it-" * 4 + ".png"
    words = photo("no.png")
    words.write_text("words")
    page.resize(320, 568)
    page.open("/?collection=narrow")

    def fits(what: str) -> None:
        outer = page.js("return document.scrollingElement.scrollWidth")
        inner = "return [...arguments].map(s => document.querySelector(s)).map(e => e.scrollWidth)"
        parts = page.js(inner, "#uploads", "#viewer", "#rejected", "main", "header", "#filters")
        assert max(outer, *parts) <= 320, what

    fits("the filters, and a notice")
    page.choose(photo(wide), words)
    page.uploaded(wide)
    refused = page.uploaded("no.png", "rejected").get_attribute("data-id")
    fits("the uploads")
    page.click("uploads-close")
    fits("the grid")
    page.click("item")
    page.click("delete")
    fits("the larger view")
    page.click("cancel-delete")
    page.click("more-like-this")
    page.until(lambda: "".join(page.chips()).startswith("Like a-name"), "the chip shows")
    fits("the chip")
    page.rejected(refused)
    fits("the rejected list")
    page.discard(refused)


def test_full_rows_fill_the_width_whatever_it_is(
    page: Page, site: LocalStack, samples: Path
) -> None:
    data = (samples / "horse.png").read_bytes()
    for image in [site.upload(f"{n}.png", data, collection="rows") for n in range(8)]:
        site.known(image)
    page.open("/?collection=rows")
    gaps = """
      const edge = document.getElementById("grid").getBoundingClientRect().right;
      const rows = Map.groupBy(document.querySelectorAll("#grid li"), (li) =>
        li.getBoundingClientRect().top);
      const ends = [...rows.values()].map((row) => row.at(-1).getBoundingClientRect().right);
      return innerWidth === arguments[0] && ends.slice(0, -1).map((end) => edge - end);
    """
    for width in range(600, 760, 9):
        page.resize(width, 600)
        page.until(
            lambda w=width: (found := page.js(gaps, w)) and all(0 <= gap < 1 for gap in found),
            f"all rows but the last are full at {width} pixels",
        )


def test_uploads_work_from_localhost_too(page: Page, photo: Photo) -> None:
    page.open("/?collection=localhost", host="localhost")
    page.choose(photo("here.png"))
    page.uploaded("here.png")
    item = page.one("item")
    seen = "return arguments[0].querySelector('img').naturalWidth"
    page.until(lambda: page.js(seen, item), "its thumbnail shows")
    assert item.get_attribute("title") == "here.png"


def test_a_dropped_file_is_uploaded_to_the_collection_that_is_shown(
    page: Page, site: LocalStack, photo: Photo
) -> None:
    page.open("/?collection=dropped")
    page.js(
        """
        const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], "drop.png", {type: "image/png"}));
        for (const kind of ["dragenter", "dragover", "drop"])
          document.body.dispatchEvent(
            new DragEvent(kind, {dataTransfer, bubbles: true, cancelable: true}));
        """,
        base64.b64encode(photo("drop.png").read_bytes()).decode(),
    )
    page.uploaded("drop.png")
    assert [i["name"] for i in site.get("/images", collection="dropped")["items"]] == ["drop.png"]


def test_a_search_without_an_answer_says_so_and_offers_the_way_out(page: Page) -> None:
    page.open("/?q=a+cat&collection=none-such")
    assert "Nothing here matches" in page.one("notice-nothing").text
    page.one("notice-nothing").find_element(By.CSS_SELECTOR, "button").click()
    page.until(lambda: page.ids(), "the answer without the filter shows")
    assert "collection" not in page.driver.current_url


def test_an_api_that_does_not_answer_is_named_and_asked_again(page: Page) -> None:
    page.run_first(
        "const ask = window.fetch; window.broken = true;"
        "window.fetch = (...a) => window.broken && String(a[0]).includes('/api/')"
        " ? Promise.reject(new TypeError('Failed to fetch')) : ask(...a);"
    )
    page.open("/?q=a+cat")
    assert "The API does not answer" in page.one("notice-error").text
    said = "The API does not answer"
    page.until(lambda: page.one("status").text == said, "the status line says so too")
    page.js("window.broken = false")
    page.until(lambda: page.ids(), "the answer comes by itself")
