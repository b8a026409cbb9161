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
