"""Nobody is kept out: by what they see, hear, press with or prefer."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import Page
from tests.e2e.tabbing import tabbed_through

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]


def test_axe_sees_the_page_as_it_is(page: Page) -> None:
    page.open("/?collection=seeds")
    assert page.axe() == []
    page.js("document.getElementById('filters-toggle').removeAttribute('aria-label')")
    page.js("document.getElementById('filters-toggle').removeAttribute('title')")
    page.js("document.getElementById('summary').style.color = '#ccc'")
    button, faint = sorted(page.axe())
    assert button.startswith("critical button-name: #filters-toggle: ")
    assert faint.startswith("serious color-contrast: #summary: ")


def test_who_has_not_searched_yet_is_offered_what_finds_something_and_never_again(
    page_at: Page,
) -> None:
    page_at.open()
    page_at.one("ideas")
    idea = page_at.one("idea")
    words = idea.text
    idea.click()
    page_at.until(lambda: page_at.asked().get("q") == words, "it is asked")
    page_at.settled()
    assert page_at.ids()
    assert page_at.one("search").get_attribute("value") == words
    page_at.until(lambda: not page_at.all("ideas"), "the line is gone")
    page_at.open()
    assert not page_at.all("ideas")


def test_the_line_for_newcomers_can_be_closed_for_good(page_at: Page) -> None:
    page_at.open()
    page_at.click("ideas-close")
    assert page_at.focused()["testid"] == "search"
    page_at.reload()
    assert not page_at.all("ideas")


def test_the_tab_key_reaches_everything_on_the_page_and_is_never_caught(page_at: Page) -> None:
    page_at.open("/?q=a+cat&collection=seeds&closest=true")
    page_at.js("document.activeElement.blur()")
    tabbed_through(page_at)


def test_the_tab_key_reaches_everything_in_the_larger_view(page_at: Page) -> None:
    page_at.open("/?q=a+cat&collection=seeds")
    page_at.click("item")
    page_at.one("viewer")
    tabbed_through(page_at)
    page_at.press(Keys.ESCAPE)
    page_at.until(lambda: page_at.focused().get("testid") == "item", "the focus is where it was")


def test_the_first_stop_leads_past_the_search_to_the_images(page_at: Page) -> None:
    page_at.open("/?collection=seeds")
    page_at.js("document.activeElement.blur()")
    page_at.press(Keys.TAB)
    where = "const r = document.activeElement.getBoundingClientRect(); return [r.top, r.left]"
    assert page_at.js("return document.activeElement.className") == "skip"
    page_at.until(lambda: min(page_at.js(where)) >= 0, "it comes into sight")
    page_at.press(Keys.ENTER)
    page_at.until(
        lambda: page_at.js("return document.activeElement.id") == "results", "the focus goes there"
    )
    page_at.press(Keys.TAB)
    assert page_at.focused()["testid"] == "item"


def test_help_and_filters_open_and_close_by_keys_and_give_the_focus_back(page: Page) -> None:
    page.open("/?q=a+cat")
    for name in ("help-toggle", "filters-toggle"):
        page.js("document.querySelector(`[data-testid=${arguments[0]}]`).focus()", name)
        page.press(Keys.ENTER)
        page.one({"help-toggle": "help", "filters-toggle": "filter-collection"}[name])
        if name == "help-toggle":
            page.press(Keys.ESCAPE)
            page.until(lambda: not page.all("help"), "it closes")
            assert page.focused()["testid"] == name
    assert page.focused()["testid"] == "filter-collection"


def test_nothing_moves_for_who_wants_no_motion(page: Page) -> None:
    page.prefers(reduced_motion="reduce")
    page.open("/?q=a+cat&collection=seeds")
    page.click("item")
    page.click("viewer-close")
    assert page.js("return document.getAnimations().length") == 0
    moving = page.js(
        """
        return [...document.querySelectorAll("*")].filter((e) => { const s = getComputedStyle(e);
          return s.transitionProperty !== "none" && s.transitionDuration.split(", ").some((d) =>
            parseFloat(d)) || s.animationName !== "none"; }).length;
        """
    )
    assert moving == 0


def test_who_wants_more_contrast_has_it_and_forced_colors_leave_the_focus_in_sight(
    page: Page,
) -> None:
    page.open("/?collection=seeds")
    colors = "return ['#summary', 'body'].map((s) => getComputedStyle("
    colors += "document.querySelector(s)).color)"
    muted, text = page.js(colors)
    assert muted != text
    page.prefers(contrast="more")
    page.until(lambda: len(set(page.js(colors))) == 1, "what was muted has the text's color")
    page.prefers(contrast="no-preference", forced_colors="active")
    page.press("/")
    ring = "return getComputedStyle(document.querySelector('.search')).outlineStyle"
    page.until(lambda: page.js(ring) == "solid", "the box has a ring")
    assert page.axe() == []


def test_all_fits_where_everything_is_twice_as_large(page: Page) -> None:
    page.resize(720, 450)  # a window of 1440 by 900 at 200 %
    page.open("/?q=a+cat&collection=seeds&closest=true")
    page.click("item")
    page.one("viewer")
    wide = "return [document.scrollingElement, document.getElementById('viewer')]"
    wide += ".map((e) => e.scrollWidth - e.clientWidth)"
    assert max(page.js(wide)) <= 0
    page.shot("twice-as-large")
