"""Going through a page by the Tab key, as someone does who has no mouse."""

from __future__ import annotations

from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import Page

PATHS = """
window.pathOf = (e) => e.tagName + (e.id ? "#" + e.id : "") + "." + (e.dataset.testid ?? "")
  + "=" + (e.dataset.id ?? e.dataset.value ?? e.name ?? "");
const within = document.querySelector("dialog[open]") ?? document;
return [...within.querySelectorAll("a[href], button, input, select, summary, [tabindex]")]
  .filter((e) => e.tabIndex >= 0 && !e.disabled && e.checkVisibility({visibilityProperty: true}))
  .map(window.pathOf);
"""
"""All that the Tab key should reach: what can be pressed or filled in, and is there."""

AT = """
const shows = (e) => {
  const style = e && getComputedStyle(e);
  return Boolean(e) && ((style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0)
    || style.boxShadow !== "none");
};
const here = document.activeElement;
const group = here.closest(".search, .filters label");
const box = here.getBoundingClientRect();
return {tag: here.tagName, path: window.pathOf(here), ring: shows(here) || shows(group),
  seen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth};
"""
"""What has the focus, whether that is to be seen, and whether it is in sight."""


def tabbed_through(page: Page) -> None:
    """The Tab key reaches each thing that can be pressed, shows where it is, and comes back."""
    wanted = page.js(PATHS)
    assert len(wanted) > 4
    reached: set[str] = set()
    for _ in range(4 * len(wanted)):  # a field for a date is several stops
        if reached >= set(wanted):
            return
        page.press(Keys.TAB)
        at = page.js(AT)
        if at["tag"] == "BODY" or at["path"] in reached:
            continue  # round the browser's own, and from the start
        page.until(lambda: page.js(AT)["seen"], f"{at['path']} comes into sight")
        page.until(lambda: page.js(AT)["ring"], f"the focus is seen on {at['path']}")
        reached.add(at["path"])
    missed = set(wanted) - reached
    assert not missed, missed
