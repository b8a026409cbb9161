"""The grid: thousands of pictures of which few are in the document, and none moves by itself."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.keys import Keys

from tests.e2e.between import Hold, Say, between
from tests.e2e.browser import Page
from tests.e2e.looks import SIZES, Size
from tests.e2e.thousands import fill
from tests.integration.local_stack import LocalStack, running

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("e2e")]

MOST_NODES = 9000
"""Some 17 for each of 200 places, with what the browser makes for a picture, and the page's own."""

Note = Callable[[str, object], None]

COUNT = 5000

MOST_PLACES = 140
"""Pictures in the document at 1280 x 800: three screens of some seven rows of four to eight."""

SCROLL_THROUGH = """
const [list, done] = arguments;
const begun = performance.now();
const walk = (window.walk ??= {seen: new Map(), faults: [], most: 0, long: []});
walk.tasks ??= new PerformanceObserver((tasks) =>
  walk.long.push(...tasks.getEntries().map((e) => e.duration)));
walk.tasks.observe({type: "longtask"});
const frame = () => new Promise((go) => requestAnimationFrame(go));
const more = document.getElementById("more");
(async () => {
  let end = false;
  while (!end && performance.now() - begun < 5000) {
    await frame();
    await frame();
    const places = [...document.querySelectorAll(list)];
    walk.most = Math.max(walk.most, places.length);
    for (const place of places) {
      const {top, bottom} = place.getBoundingClientRect();
      if (bottom <= 0 || top >= innerHeight) continue;
      const n = Number(place.getAttribute("aria-posinset"));
      const {id} = place.querySelector("a").dataset;
      if ((walk.seen.get(n) ?? id) !== id) walk.faults.push(n);
      walk.seen.set(n, id);
    }
    const low = scrollY + innerHeight >= document.documentElement.scrollHeight - 1;
    end = low && more.hidden;
    if (!low) scrollBy({top: innerHeight * 0.8, behavior: "instant"});
  }
  const {seen, faults, most, long} = walk;
  done({end, seen: [...seen].sort(([a], [b]) => a - b), faults, most, long});
})();
"""
"""Goes on down for some seconds; `end` says whether there is nothing further down."""

SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const {value, startTime, sources} of list.getEntries())
    window.shifts.push([value, startTime, ...sources.map(({node}) =>
      node?.outerHTML?.slice(0, 60) ?? node?.textContent)]);
}).observe({type: "layout-shift", buffered: true});
window.asking = [];
new MutationObserver(([{target}]) => {
  if (!target.hasAttribute("aria-busy")) return;
  const span = [performance.now(), Infinity];
  window.asking.push(span);
  requestAnimationFrame(() => requestAnimationFrame(() => (span[1] = performance.now())));
}).observe(document, {subtree: true, attributeFilter: ["aria-busy"]});
"""
"""Every shift, and the frames in which the page first draws that it has been asked: what gives way
to another question in these is no fault. (What browsers call recent input ends half a second after
a key, which on a busy machine may be before the page has drawn anything.)"""

UNASKED = """
const asked = (time) => window.asking.some(([from, to]) => from <= time && time <= to);
return window.shifts.filter(([, time]) => !asked(time)).reduce((sum, [n]) => sum + n, 0);
"""
"""What web.dev calls the cumulative layout shift, not only of the worst second."""


@pytest.fixture(scope="module")
def many(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with running(tmp_path_factory.mktemp("many") / "data", tiny) as stack:
        fill(stack.loaded(), COUNT)
        yield stack


@contextmanager
def on_the_way(driver: Chrome, stack: LocalStack) -> Iterator[tuple[Page, Any]]:
    with between(stack.url) as middle, Page(driver, middle.url).watched() as page:
        yield page, middle


def a_file() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (90, 60), (200, 30, 30)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def grid(driver: Chrome, many: LocalStack) -> Iterator[Page]:
    """The page over thousands, whose thumbnails are one: where they stand is looked at here, and to
    make the stack sign and send each of thousands took most of the time."""
    thumbnail = Say(200, a_file(), {"Content-Type": "image/png"})
    with on_the_way(driver, many) as (page, middle):
        middle.fault = lambda path: thumbnail if "/thumbnail" in path else None
        yield page


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Note:
    """Keeps a measurement with the test's report; none is held to a time."""
    return lambda name, value: request.node.user_properties.append((name, value))


def at_top(page: Page) -> tuple[int, float]:
    """The first picture below the bar, and where it stands."""
    script = """
      const below = (e) => e.getBoundingClientRect().bottom > 84;
      const place = [...document.querySelectorAll("#grid li")].find(below);
      return place && [Number(place.ariaPosInSet), place.getBoundingClientRect().top];
    """
    n, top = page.until(lambda: page.js(script), "a picture is at the top")
    return int(n), float(top)


def scroll_to(page: Page, top: int) -> None:
    """As far down, over as many pages of the answer as that takes."""
    script = "scrollTo({top: arguments[0], behavior: 'instant'}); return scrollY"
    page.until(lambda: page.js(script, top) == top, f"{top} pixels are there")
    drawn = """
      return [...document.querySelectorAll(".grid li")].some((place) => {
        const {top, bottom} = place.getBoundingClientRect();
        return top < innerHeight / 2 && bottom > innerHeight / 2;
      });
    """
    page.until(lambda: page.js(drawn), "pictures stand there")


def scrolled_through(page: Page, places: str) -> dict[str, Any]:
    """What there was to be seen from the top to the end of all, however long that takes."""
    told: dict[str, Any] = {"end": False, "seen": []}
    while not told["end"]:

        def further(before: int = len(told["seen"])) -> dict[str, Any] | None:
            now = page.driver.execute_async_script(SCROLL_THROUGH, places)
            return now if now["end"] or len(now["seen"]) > before else None

        told = page.until(further, "there is more to be seen further down")
    return told


def nodes(page: Page) -> int:
    """Of all documents, whether in one or only kept; what nobody keeps is thrown away first."""
    page.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    return int(page.driver.execute_cdp_cmd("Memory.getDOMCounters", {})["nodes"])


def position(page: Page) -> int:
    """Which picture has the focus, from 1; 0: none has."""
    script = "return Number(document.activeElement.closest('li')?.ariaPosInSet ?? 0)"
    return int(page.js(script))


def test_all_of_thousands_are_seen_once_with_few_of_them_in_the_document(
    grid: Page, many: LocalStack, note: Note
) -> None:
    truth = [image["id"] for image in many.images()]
    assert len(truth) == COUNT
    grid.open()
    told = scrolled_through(grid, "#grid li")
    note("long tasks, ms", told["long"])
    note("places", told["most"])
    assert told["faults"] == []
    assert told["seen"] == [[n + 1, image] for n, image in enumerate(truth)]
    assert told["most"] <= MOST_PLACES
    grid.until(lambda: nodes(grid) < MOST_NODES, "what is kept outside the document has an end too")
    assert grid.ids() == truth
    assert grid.one("end").text == "That is all: 5,000 images"
    assert not grid.all("more")


def test_a_search_goes_on_to_the_thousandth(grid: Page) -> None:
    grid.open("/?q=red&copies=all&closest=true")
    told = scrolled_through(grid, ".grid li")
    assert len(grid.ids()) == 1000
    assert told["most"] <= MOST_PLACES
    assert grid.one("end").text.startswith("These are the best 1,000.")


def test_keys_walk_over_what_is_not_in_the_document(grid: Page) -> None:
    grid.open()
    grid.js("document.querySelector('#grid a').focus()")
    grid.press(Keys.END)
    grid.until(lambda: position(grid) > 40, "the last that is there has the focus")
    first = position(grid)
    grid.until(lambda: len(grid.ids()) > 150, "more have come")
    grid.press(Keys.END)
    grid.until(lambda: position(grid) > first + 60, "the last of them has it")
    far = position(grid)
    grid.press(Keys.ARROW_LEFT)
    grid.until(lambda: position(grid) == far - 1, "the one before")
    grid.press(Keys.ARROW_RIGHT, Keys.ARROW_UP)
    grid.until(lambda: far - 12 < position(grid) < far - 1, "the one above")
    above = position(grid)
    grid.press(Keys.PAGE_UP)
    grid.until(lambda: above - 40 < position(grid) < above - 4, "one a screen further up")
    grid.press(Keys.HOME)
    grid.until(lambda: position(grid) == 1, "the first")
    seen = [1]
    for _ in range(30):
        grid.press(Keys.ARROW_DOWN)
        grid.until(lambda: position(grid) > seen[-1], "a row further down")
        seen.append(position(grid))
    assert all(2 <= after - before <= 14 for before, after in pairwise(seen))
    covered = (
        "const r = document.activeElement.getBoundingClientRect();"
        "return document.activeElement.contains(document.elementFromPoint("
        "r.left + r.width / 2, r.top + r.height / 2))"
    )
    grid.until(lambda: grid.js(covered), "what has the focus can be seen")


def test_the_focus_stays_though_its_row_is_far_out_of_sight(grid: Page) -> None:
    grid.open()
    grid.js("document.querySelectorAll('#grid a')[5].focus()")
    assert position(grid) == 6
    scroll_to(grid, 4000)
    scroll_to(grid, 9000)
    assert position(grid) == 6
    drawn = "return [...document.querySelectorAll('#grid li')].map(e => Number(e.ariaPosInSet))"
    there = grid.js(drawn)
    assert there == sorted(there), "the document has them in their order"
    assert there[:3] == [5, 6, 7]
    assert there[3] > 100
    grid.press(Keys.TAB)
    assert position(grid) == 7, "Tab goes on from there"
    grid.until(lambda: grid.js("return scrollY") < 2000, "and the view follows")


def test_going_back_finds_the_place_that_was_left(grid: Page) -> None:
    grid.open()
    scroll_to(grid, 7000)
    before, many_of = at_top(grid), len(grid.ids())
    grid.search("red")
    assert grid.js("return scrollY") == 0
    above = "document.getElementById('results').style.paddingTop = '131px'"
    grid.js(above)  # as if a line had come there
    grid.driver.back()
    # A page of it may have come after its pictures were counted, and before it was left.
    grid.until(
        lambda: "q" not in grid.asked() and len(grid.ids()) >= many_of, "the library is there again"
    )
    grid.until(lambda: at_top(grid) == before, "where it was left")

    links = "return [...document.querySelectorAll('#grid a')].find(e => \
      e.getBoundingClientRect().top > 100).click()"
    grid.js(links)
    grid.one("viewer")
    grid.press(Keys.ARROW_RIGHT, Keys.ESCAPE)
    grid.until(lambda: position(grid) > before[0], "the focus is on the picture that was shown")
    assert abs(at_top(grid)[1] - before[1]) < 400


def test_a_window_of_another_width_keeps_the_picture_that_was_at_its_top(grid: Page) -> None:
    grid.open()
    scroll_to(grid, 6000)
    wide = "return innerWidth === arguments[0]"
    n, top = at_top(grid)
    for width in (900, 500, 1100):
        grid.looks.of_pixels(width, 800, mobile=False)
        grid.until(lambda w=width: grid.js(wide, w), "the window has that width")
        place = f"#grid li[aria-posinset='{n}']"
        script = f'return document.querySelector("{place}")?.getBoundingClientRect().top'
        grid.until(
            lambda s=script, t=top: (now := grid.js(s)) is not None and abs(now - t) < 2,
            f"picture {n} stands where it stood",
        )


@pytest.mark.parametrize("size", list(SIZES))
def test_nothing_shifts_while_answers_come_and_are_narrowed_down(grid: Page, size: Size) -> None:
    grid.of_size(size)
    grid.run_first(SHIFTS)
    grid.open()
    loaded = "return document.querySelectorAll('#grid .loaded').length > 3"
    grid.until(lambda: grid.js(loaded), "the first pictures are there")
    scroll_to(grid, 5000)
    scroll_to(grid, 0)
    assert grid.js("return window.shifts") == []
    grid.search("red")
    grid.click("narrow-chip")
    grid.until(lambda: "collection" in grid.asked(), "it is narrowed down")
    grid.settled()
    assert grid.js(UNASKED) < 0.01, grid.js("return window.shifts")
    grid.open("/?q=green")
    assert grid.js(UNASKED) < 0.01, grid.js("return window.shifts")


def test_what_the_line_above_says_of_a_slow_answer_moves_no_picture(grid: Page) -> None:
    grid.of_size("phone")
    grid.open()
    top = "return document.getElementById('grid').getBoundingClientRect().top"
    before = grid.until(lambda: grid.all("status-images") and grid.js(top), "all are counted")
    grid.driver.execute_async_script(
        """
        import("/js/texts.js").then(({texts}) => {
          document.getElementById("summary").textContent = texts.slow;
          arguments[0]();
        });
        """
    )
    assert grid.js(top) == before


def test_the_numbers_stand_on_the_pictures_where_they_are_asked_for(
    grid: Page, many: LocalStack
) -> None:
    grid.open()
    assert not grid.all("scores-toggle"), "the library has none"
    grid.search("red")
    assert not grid.all("item-score")
    grid.click("scores-toggle")
    first = grid.one("item-score").text
    best = many.get("/search", q="red", limit=1, collapse="near")["items"][0]["score"]
    assert first.split(" · ")[0] == f"{best:.3f}"
    assert grid.asked()["scores"] == "true"
    grid.reload()
    assert grid.one("item-score").text == first
    grid.search("blue")
    assert grid.all("item-score"), "the next search has them too"
    grid.click("scores-toggle")
    grid.until(lambda: not grid.all("item-score"), "they are gone")
    assert "scores" not in grid.asked()


def test_when_an_answer_is_on_the_screen_is_noted(grid: Page, note: Note) -> None:
    grid.open("/?q=red")
    noted = "return performance.getEntriesByName('answer-drawn').map(e => e.duration)"
    (took,) = grid.until(lambda: grid.js(noted), "it is noted")
    note("from the answer to the screen, ms", took)
    grid.search("blue")
    grid.until(lambda: len(grid.js(noted)) == 1, "the last one only")


def test_a_page_that_does_not_come_is_asked_for_again(driver: Chrome, many: LocalStack) -> None:
    with on_the_way(driver, many) as (page, middle):
        middle.fault = lambda path: Say(404, b"{}") if "cursor=" in path else None
        page.open()
        page.js("scrollTo(0, document.documentElement.scrollHeight)")
        failed = "Loading more did not work. Try again"
        page.until(lambda: page.one("more").text == failed, "it says so")
        page.said(failed)
        before = page.ids()
        middle.fault = lambda _: None
        page.js("document.querySelector('#more button').focus()")
        page.press(Keys.ENTER)
        page.until(lambda: len(page.ids()) > len(before), "the next page is there")
        assert page.ids()[: len(before)] == before
        page.until(lambda: position(page) == len(before) + 1, "the focus is on its first picture")
        page.console()


PLACEHOLDERS = """
const places = [...document.querySelectorAll("#grid li")].slice(0, 16);
return places.map((place) => {
  const canvas = place.querySelector("canvas"), img = place.querySelector("img");
  const [at, of] = [canvas.getBoundingClientRect(), img.getBoundingClientRect()];
  const [w, h] = ["width", "height"].map((name) => img.getAttribute(name));
  const fit = Math.min(of.width / w, of.height / h);
  const whole = place.classList.contains("whole");
  const width = whole ? fit * w : of.width;
  const height = whole ? fit * h : of.height;
  const pixel = [...canvas.getContext("2d").getImageData(0, 0, 1, 1).data];
  return {shape: [canvas.width, canvas.height], pixel, higher: height > width,
    opacity: getComputedStyle(img).opacity, fade: getComputedStyle(img).transitionDuration,
    off: [at.left + at.width / 2 - of.left - of.width / 2, at.width - width,
      at.top + at.height / 2 - of.top - of.height / 2, at.height - height].map(Math.abs)};
});
"""


def test_a_placeholder_stands_just_where_its_picture_will_be(
    driver: Chrome, many: LocalStack
) -> None:
    come = threading.Event()
    with on_the_way(driver, many) as (page, middle):
        middle.fault = lambda path: Hold(come) if "/thumbnail" in path else None
        page.prefers(reduced_motion="reduce")
        # Pictures that stand there before all of the page has come would hold up its opening.
        page.open("/?collection=none-such")
        page.click("nothing-clear")
        page.settled()
        told = page.js(PLACEHOLDERS)
        come.set()
        loaded = "return document.querySelector('#grid .loaded img') && \
          getComputedStyle(document.querySelector('#grid .loaded img')).opacity"
        page.until(lambda: page.js(loaded) == "1", "the picture is over it")
    assert {tuple(each["shape"]) for each in told} == {(4, 3), (3, 4)}
    assert [each["shape"] == [3, 4] for each in told] == [each["higher"] for each in told]
    assert {each["opacity"] for each in told} == {"0"}
    assert {each["fade"] for each in told} <= {"0s"}, "no fade where no motion is wanted"
    assert max(max(each["off"]) for each in told) < 1
    assert len({tuple(each["pixel"]) for each in told}) == len(told)


def test_what_arrives_does_not_move_what_is_looked_at(grid: Page, many: LocalStack) -> None:
    grid.run_first(SHIFTS)
    grid.open()
    scroll_to(grid, 3000)
    before, ids = at_top(grid), grid.ids()
    image = many.upload("new.png", a_file(), collection="many")
    many.known(image)
    try:
        # As when somebody comes back to the tab: it looks at once, not at the next of its turns.
        grid.js("document.dispatchEvent(new Event('visibilitychange'))")
        chip = grid.one("fresh")
        assert chip.text == "1 new image"
        grid.said("1 new image")
        assert at_top(grid) == before
        assert grid.ids() == ids
        ActionChains(grid.driver).move_to_element(chip).click().perform()
        grid.until(lambda: grid.ids()[0] == image, "it is shown")
        assert grid.ids()[1:] == ids
        assert grid.focused()["id"] == image
        assert grid.js("return scrollY") == 0
        assert not grid.all("fresh")
        assert grid.js("return window.shifts") == []
    finally:
        grid.leave()  # else it might still ask for the picture
        many.request("DELETE", f"/images/{image}")
