"""What the page costs and how it comes: bytes, requests, frames, and that nothing moves. What is
measured by the clock is not held to anything here: it goes into `vitals.json` beside the pictures
of the screens, to be read."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import Page
from tests.e2e.looks import screenshots
from tests.integration.local_stack import LocalStack

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]

MOST_BYTES = 60_000

WATCH = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const {value, sources, hadRecentInput} of list.getEntries()) window.shifts.push([value,
    hadRecentInput, ...sources.map(({node}) => node?.id || node?.className || node?.nodeName)]);
}).observe({type: "layout-shift", buffered: true});
window.paints = {};
new PerformanceObserver((list) => {
  for (const {startTime} of list.getEntries()) window.paints.largest = startTime;
}).observe({type: "largest-contentful-paint", buffered: true});
window.drawn = null;
let frame = 0;
const tick = () => { frame += 1; requestAnimationFrame(tick); };
tick();
const ask = window.fetch;
window.fetch = async (...asked) => {
  const answer = await ask(...asked);
  if (!/\\/api\\/search\\?.*limit=60\\b/.test(String(asked[0]))) return answer;
  const text = await answer.text();
  answer.text = async () => {
    const [came, then] = [performance.now(), frame];
    new MutationObserver((changes, observer) => {
      const grid = document.getElementById("grid");
      if (grid.hasAttribute("aria-busy") || !grid.querySelector("a")) return;
      observer.disconnect();
      const asks = performance.getEntriesByType("resource").filter(({startTime, name}) =>
        startTime > came && !/thumbnail|[/]api[/]stats|[?&]limit=1\\b/.test(name));
      window.drawn = {ms: performance.now() - came, frames: frame - then, asks: asks.length};
    }).observe(document.getElementById("grid"), {attributes: true});
    return text;
  };
  return answer;
};
"""
"""Notes what moves, the largest paint, and for an answer to a search how long after its text its
pictures have their places: in milliseconds, in frames, and in requests that it took. What may be
asked at any time besides is not among these: the counts, and what someone new may ask for."""

LOADED = """
const all = [...performance.getEntriesByType("resource"),
  ...performance.getEntriesByType("navigation")];
const answered = all.find(({name}) => name.includes("/api/images?"))?.responseEnd;
return answered && all.map(({name, startTime, encodedBodySize, initiatorType}) =>
  ({name, first: startTime < answered, bytes: encodedBodySize, by: initiatorType}));
"""
"""Each thing that was loaded, and whether it was asked for before the first answer had come."""


def loaded(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.until(lambda: page.js(LOADED), "the answer is noted")
    return found


def report(name: str, measured: dict[str, Any]) -> None:
    """Add to the file of what was measured."""
    file = screenshots() / "vitals.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    so_far = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps({**so_far, name: measured}, indent=2, sort_keys=True) + "\n")


def test_the_first_view_is_at_most_60_kilobytes_compressed(page: Page) -> None:
    page.open("/?collection=seeds")
    files = [each for each in loaded(page) if each["first"] and "/api/" not in each["name"]]
    sizes = {each["name"]: each["bytes"] for each in files}
    assert any(name.endswith("/js/page.js") for name in sizes)
    assert not any("/js/people/session.js" in name for name in sizes), "nobody signs in here"
    assert all(sizes.values()), "each has come with a body"
    report("first view", {"bytes": sum(sizes.values()), "files": len(sizes)})
    assert sum(sizes.values()) <= MOST_BYTES


def test_the_page_loads_only_from_its_own_address_and_the_bucket(
    page: Page, site: LocalStack
) -> None:
    page.open("/?q=a+cat&collection=seeds")
    page.click("item")
    page.until(lambda: page.js("return document.querySelector('.large.loaded')"), "the file shows")
    names = page.js("return performance.getEntriesByType('resource').map(({name}) => name)")
    origins = {f"{urlsplit(n).scheme}://{urlsplit(n).netloc}" for n in names if n[:4] == "http"}
    assert origins <= {page.url, site.s3_url}
    assert page.url in origins


def test_what_a_browser_reads_first_is_there(page: Page) -> None:
    page.open("/?collection=seeds")
    head = page.js(
        """
        const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";
        return {lang: document.documentElement.lang, title: document.title,
          description: meta("description"), viewport: meta("viewport"),
          scheme: meta("color-scheme"), colors: document.querySelectorAll(
            'meta[name="theme-color"][media]').length,
          icon: document.querySelector('link[rel="icon"]').href,
          blocking: [...document.scripts].filter((s) => s.type !== "module").length,
          unsized: [...document.querySelectorAll("body img")].filter((i) =>
            i.getBoundingClientRect().width && !(i.width && i.height)).length};
        """
    )
    assert (head["lang"], head["scheme"], head["colors"]) == ("en", "light dark", 2)
    assert head["title"] == "Image Intellisense"
    assert len(head["description"]) > 20
    assert "width=device-width" in head["viewport"]
    assert not any(word in head["viewport"] for word in ("maximum-scale", "user-scalable"))
    assert (head["blocking"], head["unsized"]) == (0, 0)
    assert page.js("return fetch(arguments[0]).then((a) => a.status)", head["icon"]) == 200


def test_nothing_moves_while_the_page_comes_and_an_answer_is_drawn_at_once(page_at: Page) -> None:
    page_at.open("/?collection=none-such")
    page_at.js("localStorage.clear()")
    page_at.run_first(WATCH)
    page_at.open("/")
    page_at.one("idea")  # the last thing to come: what someone new may ask
    page_at.until(
        lambda: page_at.js("return [...document.images].every((i) => i.complete)"),
        "each picture has come",
    )
    moved = page_at.js("return window.shifts")
    assert moved == [], moved

    page_at.search("a cat")
    drawn = page_at.until(lambda: page_at.js("return window.drawn"), "the answer is drawn")
    # How many frames that took goes into the report: a busy machine skips or adds some.
    assert drawn["asks"] == 0
    page_at.press(Keys.ESCAPE)
    paints = page_at.js(
        "return {...window.paints, ...Object.fromEntries(performance.getEntriesByType('paint')"
        ".map(({name, startTime}) => [name, startTime]))}"
    )
    asked = page_at.js("return performance.getEntriesByType('resource').length")
    shown = {"answer drawn after": drawn, "paints, ms": paints, "requests": asked}
    report(f"at {page_at.js('return innerWidth')} pixels", {**shown, "layout shift": 0})
