"""Searches of several parts on the page: pictures and words, parts of a picture, what to keep
away from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import Page
from tests.e2e.held import held
from tests.integration.local_stack import LocalStack

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]

FILES = ("chelsea-the-cat.png", "coffee.png", "rocket.jpg", "horse.png", "lion.jpg", "cheetah.jpg")


@pytest.fixture(scope="module")
def pictures(site: LocalStack, samples: Path) -> Iterator[dict[str, str]]:
    """Name without its ending → id, in the collection "parts"; gone at the end."""
    with held(site, "parts", {name: (samples / name).read_bytes() for name in FILES}) as ids:
        yield {name.split(".")[0]: image for name, image in ids.items()}


def told(site: LocalStack, *parts: dict[str, Any]) -> list[str]:
    """What the API answers to these parts, within the collection."""
    body = {"parts": list(parts), "filters": {"collection": "parts"}, "closest": True}
    return [item["id"] for item in site.post("/search", body)["items"]]


def open_image(page: Page, image: str) -> None:
    page.until(lambda: image in page.ids(), "the image is in the answer")
    page.js("document.querySelector(`.grid a[data-id='${arguments[0]}']`).click()", image)
    page.until(lambda: page.js("return document.querySelector('.large.loaded')"), "it shows")


def frame(page: Page) -> Any:
    return page.driver.find_element(By.CSS_SELECTOR, ".frame")


def test_a_picture_and_words_are_one_search_whose_parts_can_be_turned_and_taken_out(
    page: Page, site: LocalStack, pictures: dict[str, str]
) -> None:
    cat = pictures["chelsea-the-cat"]
    page.open("/?collection=parts&copies=all&closest=true&q=a+horse")
    open_image(page, cat)
    page.click("add-to-search")
    chips = ["Like chelsea-the-cat.png", "With “a horse”"]
    page.until(lambda: page.chips() == chips, "both are told")
    page.settled()
    assert (page.asked()["like"], page.asked()["q"]) == (cat, "a horse")
    assert "closest" not in page.asked(), "another question is answered honestly again"

    page.open(f"/?q=a+horse&like={cat}&collection=parts&copies=all&closest=true")
    assert page.ids() == told(site, {"text": "a horse"}, {"id": cat})
    assert cat not in page.ids()

    page.click("chip-turn")
    turned = ["Not like chelsea-the-cat.png", "With “a horse”"]
    page.until(lambda: page.chips() == turned, "the picture is turned round")
    assert page.asked()["like"] == f"-{cat}"
    page.open(f"/?q=a+horse&like=-{cat}&collection=parts&copies=all&closest=true")
    assert page.ids() == told(site, {"text": "a horse"}, {"id": cat, "weight": -0.4})
    page.until(lambda: page.chips() == turned, "the chips are there again")
    assert len(page.all("chip-turn")) == 1, "something to look for must be left"

    page.click("chip-turn")
    page.until(lambda: page.chips() == chips, "and back")
    page.click("chip-turn", 1)
    turned = ["Like chelsea-the-cat.png", "Without “a horse”"]
    page.until(lambda: page.chips() == turned, "the words are turned round")
    assert (page.asked()["not"], page.one("search").get_attribute("value")) == ("a horse", "")
    page.click("chip-remove", 1)
    page.until(lambda: page.chips() == ["Like chelsea-the-cat.png"], "the words are out")
    page.click("chip-remove")
    page.until(lambda: not page.chips(), "nothing is asked")
    assert page.asked().keys() <= {"collection", "copies"}


def test_words_typed_beside_a_picture_join_it(page: Page, pictures: dict[str, str]) -> None:
    page.open("/?collection=parts")
    open_image(page, pictures["lion"])
    assert not page.all("add-to-search"), "no search is under way"
    page.click("more-like-this")
    page.until(lambda: page.chips() == ["Like lion.jpg"], "the chip names it")
    assert page.one("search").get_attribute("placeholder").startswith("Add words")
    page.search("in the snow")
    chips = ["Like lion.jpg", "With “in the snow”"]
    page.until(lambda: page.chips() == chips, "both are told")
    assert page.asked()["like"] == pictures["lion"]


def test_a_part_drawn_with_the_mouse_is_searched_by(
    page: Page, site: LocalStack, pictures: dict[str, str]
) -> None:
    page.open("/?collection=parts")
    open_image(page, pictures["horse"])
    size = frame(page).size
    width, height = size["width"], size["height"]
    # Offsets are from the middle: from a quarter to three quarters each way.
    mouse = ActionChains(page.driver)
    mouse.move_to_element_with_offset(frame(page), -width // 4, -height // 4).click_and_hold()
    mouse.move_by_offset(width // 4, height // 4).move_by_offset(width // 4, height // 4)
    mouse.release().perform()
    page.one("part")
    page.click("part-search")
    page.until(lambda: page.chips() == ["Like a part of horse.png"], "the chip tells of the part")
    image, *sides = page.asked()["like"].split("_")
    assert image == pictures["horse"]
    assert [int(side) for side in sides] == pytest.approx([250, 250, 500, 500], abs=8)

    page.open(f"/?like={page.asked()['like']}&collection=parts&copies=all&closest=true")
    region = [int(side) / 1000 for side in sides]
    assert page.ids() == told(site, {"id": image, "region": region})


def test_a_part_is_chosen_by_the_keyboard_alone(page: Page, pictures: dict[str, str]) -> None:
    page.open("/?collection=parts")
    open_image(page, pictures["coffee"])
    page.js("document.querySelector('[data-testid=\"search-part\"]').focus()")
    page.press(Keys.ENTER)
    assert page.focused()["testid"] == "part"
    first = page.driver.current_url
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.all("part"), "the frame is gone")
    assert page.one("viewer"), "the picture is not"
    assert page.focused()["testid"] == "search-part"

    page.press(Keys.ENTER)
    page.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.ARROW_UP)
    ActionChains(page.driver).key_down(Keys.SHIFT).send_keys(
        Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_DOWN
    ).key_up(Keys.SHIFT).perform()
    page.said("A part of the picture: 21 % from the left, 23 % from the top, 52 % wide, 54 % high")
    assert page.driver.current_url == first, "arrow keys walked to no other picture"
    page.press(Keys.ENTER)
    page.until(lambda: page.chips() == ["Like a part of coffee.png"], "it is searched by")
    assert page.asked()["like"] == f"{pictures['coffee']}_210_230_520_540"


def test_searches_of_parts_fit_a_screen_of_320_pixels(page: Page, pictures: dict[str, str]) -> None:
    page.resize(320, 568)

    def fits(what: str) -> None:
        outer = page.js("return document.scrollingElement.scrollWidth")
        inner = "return [...arguments].map(s => document.querySelector(s)).map(e => e.scrollWidth)"
        assert max(outer, *page.js(inner, "#viewer", "main", "header", "#chips")) <= 320, what

    like = f"{pictures['lion']}_100_100_500_500.{pictures['horse']}"
    page.open(f"/?q=a+cat+by+the+water&like={like}&not=people&collection=parts&closest=true")
    page.until(lambda: len(page.chips()) == 4, "the chips are there")
    fits("chips, and what is less alike")
    page.click("item")
    page.click("search-part")
    fits("the frame and its buttons")
    inside = "const {top, bottom} = arguments[0].getBoundingClientRect();"
    inside += "return top >= 0 && bottom <= innerHeight"
    for name in ("part", "part-search", "part-add", "part-cancel"):
        page.until(lambda n=name: page.js(inside, page.one(n)), f"{name} is in sight")
