"""Nobody is kept out: by what they see, hear, press with or prefer."""

from __future__ import annotations

import pytest

from tests.e2e.browser import Page

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
    page_at.js("localStorage.clear()")
    page_at.reload()
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
    page_at.js("localStorage.clear()")
    page_at.reload()
    page_at.click("ideas-close")
    assert page_at.focused()["testid"] == "search"
    page_at.reload()
    assert not page_at.all("ideas")
