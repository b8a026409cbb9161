"""Names written to be anything but a name, on every screen where names are: each is shown as text,
nothing of it runs, and no screen breaks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import Page
from tests.e2e.hostile_names import NAMES, photo, seen
from tests.e2e.letters import give_up
from tests.integration.local_stack import BUCKET, LocalStack, running
from tests.integration.processes import eventually

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("e2e")]

COLLECTIONS = [
    name for name in NAMES.values() if re.fullmatch(r"[^/\\\x00-\x1f\ufffe\uffff]+", name)
]
"""Those that can be the first part of a key, which people who put files straight into the bucket
choose as they like."""

BROKEN = """
const outer = document.scrollingElement;
const strange = document.querySelectorAll("img[src=x], iframe, style, template, body script,"
  + " [onerror], [onclick], [onload], [onmouseover], [onfocus], form[action]");
return [window.ran ?? null, strange.length, document.querySelectorAll("#grid").length,
  Math.max(0, outer.scrollWidth - innerWidth)];
"""
"""What ran, elements that no page of ours has, elements named as ours, pixels too wide."""

CHIP = "return document.querySelector('.chip .of').textContent"


@pytest.fixture(scope="module")
def named(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack of photos whose names, cameras, lenses and collections are hostile."""
    with running(tmp_path_factory.mktemp("named") / "data", tiny) as stack:
        assert stack.url
        for number, name in enumerate(NAMES.values()):
            stack.upload(f"{name}.jpg", photo(name, number), collection="named")
        for number, name in enumerate(COLLECTIONS):
            stack.put(f"{name[:200]}/{name[:80]}.jpg", photo(name, number))
        eventually(lambda: len(stack.images()), lambda n: n == len(NAMES) + len(COLLECTIONS))
        yield stack


@pytest.fixture
def strange(driver: Chrome, named: LocalStack) -> Iterator[Page]:
    with Page(driver, named.url).watched() as page:
        page.resize(320, 568)
        yield page


def plain(text: str) -> str:
    """Without the marks that keep what is written from right to left to itself."""
    return re.sub("[\u2068\u2069]", "", text)


def unbroken(page: Page) -> None:
    assert page.js(BROKEN) == [None, 0, 1, 0]


WIDE = """
const outer = document.getElementById(arguments[0]);
const edge = outer.getBoundingClientRect().left + outer.clientWidth;
const clips = (e) => e !== outer && (getComputedStyle(e).overflowX !== "visible"
  || (e.parentElement && clips(e.parentElement)));
const wide = (e) => e.getBoundingClientRect().right > edge + 1 && !clips(e);
return outer.scrollWidth <= outer.clientWidth ? [] : ["too wide",
  ...[...outer.querySelectorAll("*")].filter(wide).map((e) => e.outerHTML.slice(0, 200))];
"""
"""What in a dialog is too wide for it."""


def test_there_are_thirty_of_them_and_the_photos_carry_them(named: LocalStack) -> None:
    assert len(NAMES) >= 30
    items = {item["name"][:-4]: item for item in named.images(collection="named")}
    assert set(items) == set(NAMES.values())
    for name, item in items.items():
        if name.isascii() and name.isprintable():
            assert item["camera"] == item["lens"] == name[:100].strip()


def test_the_grid_and_the_larger_view_show_them_as_text(strange: Page, named: LocalStack) -> None:
    strange.open()
    items = named.images()
    every = {item["id"] for item in items}
    to_the_end = "scrollTo(0, document.body.scrollHeight)"
    strange.until(lambda: strange.js(to_the_end) or set(strange.ids()) == every, "all are listed")
    strange.js("scrollTo(0, 0)")
    by_id = {item["id"]: item for item in items}
    titles = "return [...document.querySelectorAll('#grid a')].map((e) => [e.dataset.id, e.title])"
    first = strange.ids()[0]
    strange.until(lambda: first in dict(strange.js(titles)), "the first are in view")
    for image, title in strange.js(titles):
        assert plain(title) == seen(by_id[image]["name"])
    unbroken(strange)
    strange.shot("hostile-grid")

    strange.click("item")
    look = """
        const at = new URLSearchParams(location.search).get("image");
        const facts = [...document.querySelectorAll(".facts dt")].map((dt) =>
          [dt.textContent, dt.nextElementSibling.textContent]);
        return [at, document.querySelector("#viewer h2")?.textContent, Object.fromEntries(facts)];
    """
    for number, image in enumerate(strange.ids()):
        if number:
            strange.press(Keys.ARROW_RIGHT)
        item = by_id[image]
        strange.until(
            lambda i=image, n=item["name"]: (
                (now := strange.js(look))[0] == i and plain(now[1] or "") == seen(n)
            ),
            f"{item['name']!r} is shown",
        )
        facts = strange.js(look)[2]
        for title, field in (("Camera", "camera"), ("Lens", "lens"), ("Collection", "collection")):
            assert plain(facts.get(title, "")) == seen(item[field]), field
        unbroken(strange)
        assert strange.js(WIDE, "viewer") == [], item["name"]
    strange.shot("hostile-viewer")


def test_an_address_that_asks_for_them_is_what_it_says_and_no_more(
    strange: Page, named: LocalStack
) -> None:
    image = {item["name"][:-4]: item["id"] for item in named.images(collection="named")}
    for name in NAMES.values():
        if not name.isprintable():
            continue  # no address holds it as it is
        wanted = name[:200].strip()
        asked = quote_plus(wanted)
        filters = f"collection={asked}&camera={asked}"
        strange.open(f"/?q={asked}&like={image[name]}&not={asked}&{filters}")
        strange.until(lambda: len(strange.chips()) >= 3, "the chips are drawn")
        strange.until(
            lambda n=name: plain(strange.js(CHIP)) == seen(f"{n}.jpg"), "the chip names it"
        )
        assert strange.one("filter-collection").get_attribute("value") == wanted
        assert strange.one("filter-camera").get_attribute("value") == wanted
        assert strange.one("search").get_attribute("value") == wanted
        unbroken(strange)
    strange.shot("hostile-query")


def test_the_collections_are_offered_as_they_are_called(strange: Page) -> None:
    strange.open("/?q=red&closest=true")
    strange.click("filters-toggle")
    offered = "return [...document.querySelectorAll('#collections option')].map((o) => o.value)"
    strange.until(lambda: set(strange.js(offered)) & set(COLLECTIONS), "some have been met")
    ours = {"named", "chosen", "refused"}  # also what other tests here put in
    assert set(strange.js(offered)) - ours <= {name[:200] for name in COLLECTIONS}
    unbroken(strange)
    strange.shot("hostile-filters")


def test_files_that_are_refused_and_letters_tell_their_names_as_text(
    strange: Page, named: LocalStack
) -> None:
    for name in NAMES.values():
        named.upload(f"{name}.jpg", b"words, not pixels", collection="refused")
        key = {"bucket": {"name": BUCKET}, "object": {"key": quote_plus(f"trips/{name}.jpg")}}
        give_up(named, json.dumps({"Records": [{"s3": key}]}), error_code="internal", error=name)
    refused = {"collection": "refused", "state": "rejected"}
    eventually(lambda: len(named.images(**refused)), lambda n: n == len(NAMES))
    strange.open()
    for what, rows in (("rejected", "rejected-item"), ("dead", "dead-item")):
        strange.click(f"status-{what}")
        names = (
            f"return [...document.querySelectorAll('[data-testid={rows}] strong')]"
            ".map((e) => e.textContent)"
        )
        strange.until(lambda n=names: len(strange.js(n)) >= 10, "some are listed")
        said = {plain(name).removeprefix("trips/") for name in strange.js(names)}
        assert said <= {seen(f"{name}.jpg") for name in NAMES.values()}
        assert strange.js(WIDE, what) == []
        unbroken(strange)
        strange.shot(f"hostile-{what}")
        strange.press(Keys.ESCAPE)


def test_files_to_be_uploaded_are_listed_under_their_names(
    strange: Page, named: LocalStack, tmp_path: Path
) -> None:
    files = []
    for number, name in enumerate(NAMES.values()):
        if re.search(r"[/\x00-\x1f]", name) or len(name.encode()) > 250:
            continue  # no file is called that
        files.append(tmp_path / f"{name}.jpg")
        files[-1].write_bytes(photo(name, number))
    strange.open("/?collection=chosen")
    strange.choose(*files)
    listed = (
        "return [...document.querySelectorAll('#uploads li[data-state=ready] .name')]"
        ".map((name) => name.textContent)"
    )
    eventually(lambda: len(named.images(collection="chosen")), lambda n: n == len(files))
    strange.click("uploads-more-ready")
    some = strange.until(lambda: len(n := strange.js(listed)) == len(files) and n, "all are listed")
    assert {plain(name) for name in some} == {seen(file.name) for file in files}
    unbroken(strange)
    strange.shot("hostile-uploads")
