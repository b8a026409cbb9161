"""What an answer tells on the page: where it ends, why each picture is in it, in which order."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.e2e.browser import Page
from tests.e2e.held import held
from tests.integration.local_stack import LocalStack

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]

NONSENSE = "qwxzv bnmrtk"
CATS = {2019: "Canon", 2021: "Nikon", 2023: "Canon"}
OTHERS = ("rocket.jpg", "coffee.png", "clock.png", "horse.png")
SUB_IFD, TAKEN, MAKE = 0x8769, 0x9003, 0x010F


def a_cat_of(year: int, samples: Path) -> bytes:
    """A photo of the cat taken that year, with more of its surroundings cut off each year."""
    with Image.open(samples / "chelsea-the-cat.png") as opened:
        cut = 30 * (year - min(CATS)) // 2
        picture = opened.convert("RGB").crop((cut, cut // 2, opened.width, opened.height))
    exif = picture.getexif()
    exif[MAKE] = CATS[year]
    exif.get_ifd(SUB_IFD)[TAKEN] = f"{year}:06:01 12:00:00"
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92, exif=exif)
    return file.getvalue()


@pytest.fixture(scope="module")
def cats(site: LocalStack, samples: Path) -> Iterator[dict[int, str]]:
    """The id of a cat of each year, in the collection "answers" beside four other pictures; gone
    at the end."""
    files = {f"{year}_GreyCat.jpg": a_cat_of(year, samples) for year in CATS}
    files |= {name: (samples / name).read_bytes() for name in OTHERS}
    with held(site, "answers", files) as ids:
        yield {year: ids[f"{year}_GreyCat.jpg"] for year in CATS}


def told(site: LocalStack, q: str, **more: Any) -> list[dict[str, Any]]:
    """What the API answers to the same question."""
    query = {"q": q, "collection": "answers", "collapse": "near", "closest": "true", **more}
    return list(site.get("/search", **query)["items"])


def test_only_what_matches_is_shown_and_the_rest_on_request_set_apart(
    page: Page, site: LocalStack, cats: dict[int, str]
) -> None:
    items = told(site, "a cat", collapse="none")
    within = [item["id"] for item in items if item["within"]]
    rest = [item["id"] for item in items if not item["within"]]
    assert set(within) >= set(cats.values()), "the cats match"
    assert rest, "not all that there is matches"

    page.open("/?q=a+cat&collection=answers&copies=all")
    assert (page.ids(), page.beyond()) == (within, [])
    matching = f"{len(within)} images match"
    assert page.one("summary").text == matching
    page.said(matching)
    number = f"{len(rest)} more are less alike." if len(rest) > 1 else "1 more is less alike."
    assert page.one("tail").text == f"{number} Show them too"

    page.click("show-rest")
    page.until(lambda: page.beyond() == rest, "the others stand apart")
    assert page.ids() == within + rest
    assert page.one("beyond").text.split("\n")[0] == "Less alike"
    assert page.asked()["closest"] == "true"
    assert not page.all("tail")
    page.reload()
    assert (page.ids(), page.beyond()) == (within + rest, rest)

    page.driver.back()
    page.until(lambda: page.ids() == within, "they are gone again")
    assert "closest" not in page.asked()


def test_a_search_that_nothing_matches_says_so_and_shows_the_closest_on_request(
    page: Page, site: LocalStack, cats: dict[int, str]
) -> None:
    page.open(f"/?q={NONSENSE}&collection=answers")
    notice = page.one("notice-nothing")
    assert notice.text.startswith("Nothing here matches\nShow the closest anyway?")
    page.said("Nothing here matches")
    assert (page.ids(), page.all("narrow"), page.all("order")) == ([], [], [])

    page.click("show-closest")
    page.until(page.beyond, "the closest are shown")
    assert page.ids() == page.beyond() == [item["id"] for item in told(site, NONSENSE)]
    assert page.one("lead").text == "Nothing here matches. These are the closest."
    assert not page.all("bars"), "none of them is told to match"

    page.search("a cat")
    assert "closest" not in page.asked(), "another question is answered honestly again"
    assert page.beyond() == []


def test_words_found_in_a_name_are_marked_and_the_larger_view_tells_why(
    page: Page, site: LocalStack, cats: dict[int, str]
) -> None:
    page.open("/?q=grey+CAT+2021&collection=answers")
    assert page.ids()[0] == cats[2021], "all its words are in the name"
    assert page.one("item-words").text.split("\n") == ["Name:", "2021_GreyCat.jpg"]
    assert page.marked("item-words") == ["2021", "GreyCat"]
    bars = page.one("item").find_element(By.CSS_SELECTOR, ".bars")
    assert bars.get_attribute("aria-label") == "Strong match"

    page.click("item")
    sure, why = page.one("match").text.split("\n")
    assert sure == "Strong match"
    assert why.startswith("Found by ")
    assert "its name" in why
    heading = page.one("viewer").find_element(By.TAG_NAME, "h2")
    assert [m.text for m in heading.find_elements(By.TAG_NAME, "mark")] == ["2021", "GreyCat"]
    assert "Score" not in page.facts(), "bare numbers are for models without a calibration"


def test_the_order_of_dates_is_that_of_what_matches_alone(
    page: Page, site: LocalStack, cats: dict[int, str]
) -> None:
    page.open("/?q=a+cat&collection=answers&copies=all")
    matching = set(page.ids())
    dates = {cats[year]: year for year in cats}

    def years() -> list[int]:
        return [dates[image] for image in page.ids() if image in dates]

    Select(page.one("order")).select_by_visible_text("Newest")
    page.until(lambda: years() == [2023, 2021, 2019], "the newest come first")
    assert (set(page.ids()), page.asked()["order"]) == (matching, "newest")
    page.reload()
    assert years() == [2023, 2021, 2019]
    Select(page.one("order")).select_by_visible_text("Oldest")
    page.until(lambda: years() == [2019, 2021, 2023], "the oldest come first")

    page.click("show-rest")
    page.until(page.beyond, "what is less alike has no date order")
    assert "order" not in page.asked()
    Select(page.one("order")).select_by_visible_text("Newest")
    page.until(lambda: not page.beyond(), "and does not come between what matches")
    assert "closest" not in page.asked()


def test_an_answer_is_narrowed_down_by_what_its_images_have_in_common(
    page: Page, site: LocalStack, cats: dict[int, str]
) -> None:
    page.open("/?q=grey+cat&collection=answers&copies=all")
    canons = {cats[year] for year, make in CATS.items() if make == "Canon"}

    def chips() -> dict[str, list[str]]:
        """What is offered: value → what it is called, what it says, whether it is pressed."""
        script = """
            return [...document.querySelectorAll("#narrow button")].map((e) =>
              [e.dataset.value, [e.ariaLabel, e.innerText, e.ariaPressed]]);
        """
        return dict(page.js(script))

    def press(value: str) -> None:
        page.click("narrow-chip", of=lambda chip: chip.get_attribute("data-value") == value)

    page.until(lambda: "camera:Canon" in chips(), "the cameras are offered")
    assert chips()["camera:Canon"][0] == "Camera Canon, 2 images"
    assert chips()["year:2021"][1].split() == ["2021", "1"]

    press("camera:Canon")
    page.until(lambda: set(page.ids()) == canons, "only those of that camera are left")
    assert page.asked()["camera"] == "Canon"
    assert chips()["camera:Canon"][2] == "true"
    press("year:2019")
    page.until(lambda: page.ids() == [cats[2019]], "and of that year")
    assert (page.asked()["date_from"], page.asked()["date_to"]) == ("2019-01-01", "2019-12-31")
    press("year:2019")
    page.until(lambda: set(page.ids()) == canons, "a second press takes it back")
    assert "date_from" not in page.asked()


def test_the_box_explains_quotes_and_minus_and_heeds_them(
    page: Page, site: LocalStack, cats: dict[int, str]
) -> None:
    page.open("/?collection=answers")
    page.click("help-toggle")
    assert '"two words"' in page.one("help").text
    assert "-word" in page.one("help").text
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.all("help"), "it is closed")

    page.search('"grey cat" -2021')
    page.until(lambda: page.ids() and cats[2021] not in page.ids(), "one is left out")
    assert set(page.ids()) <= set(cats.values())
    page.search('"cat grey"')
    page.one("notice-nothing")


def test_marks_go_by_whole_words_whatever_their_case_and_accents(page: Page) -> None:
    page.open("/?collection=none-such")
    script = """
        const [text, words, done] = arguments;
        import("/js/shared/marks.js").then(({marked}) =>
          done(marked(text, words).map((part) => part.nodeName ? [part.textContent] : part)));
    """

    def marks(text: str, *words: str) -> list[Any]:
        return list(page.driver.execute_async_script(script, text, list(words)))

    assert marks("A cat, a Cat; concatenated", "cat") == [
        "A ", ["cat"], ", a ", ["Cat"], "; concatenated",
    ]  # fmt: skip
    assert marks("Cafe\u0301 CAFÉ cafés", "café") == [["Cafe\u0301"], " ", ["CAFÉ"], " cafés"]
    assert marks("IMG_1234Beach.jpg", "1234", "Beach") == ["IMG_", ["1234Beach"], ".jpg"]
    assert marks("Straße 5", "STRASSE") == [["Straße"], " 5"]
    assert marks("東京駅", "京") == ["東", ["京"], "駅"]
    assert marks("<b>&amp;", "amp") == ["<b>&", ["amp"], ";"]
