"""Each screen as someone has it: on a phone and a laptop, light and dark. A picture of each is kept
in a folder to be looked at, and axe-core finds nothing wrong with any."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.e2e.axe import COLOURS
from tests.e2e.browser import Page
from tests.e2e.letters import give_up
from tests.e2e.looks import SIZES
from tests.e2e.member import ADMIN, READER, MemberPage
from tests.integration.local_stack import BUCKET, LocalStack, running

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]

Photo = Callable[..., Path]


def looked_at(page: Page, screen: str) -> None:
    """Keep pictures of what is to be seen, and have axe look at it too."""
    found = []
    for size in SIZES:
        page.of_size(size)
        for theme, rules in (("light", ()), ("dark", COLOURS)):  # all else is the same in the dark
            page.prefers(color_scheme=theme)
            page.shot(screen)
            found += [f"{screen}, {size}, {theme}: {line}" for line in page.axe(*rules)]
    page.looks.reset()
    assert found == []


@pytest.fixture(scope="module")
def gallery(starter: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack with all sample photos, as `make demo` has it."""
    with running(tmp_path_factory.mktemp("gallery") / "data", starter, samples=True) as stack:
        yield stack.loaded()


@pytest.fixture
def full(driver: Chrome, gallery: LocalStack) -> Iterator[Page]:
    with Page(driver, gallery.url).watched() as page:
        yield page


@pytest.fixture
def empty(driver: Chrome, tiny: Path, tmp_path: Path) -> Iterator[Page]:
    """The page of a stack that has nothing yet."""
    with running(tmp_path / "data", tiny) as stack, Page(driver, stack.url).watched() as page:
        yield page


def test_the_first_screen_of_an_empty_library(empty: Page) -> None:
    empty.open()
    empty.one("empty-choose")
    looked_at(empty, "empty-library")
    empty.one("empty-terminal").find_element(By.CSS_SELECTOR, "summary").click()
    looked_at(empty, "empty-terminal")


def test_the_library_what_is_asked_of_it_and_its_answers(full: Page) -> None:
    full.open()
    full.until(lambda: len(full.all("idea")) == 4, "someone new is offered what to ask")
    looked_at(full, "first-screen")
    full.click("ideas-close")
    looked_at(full, "library")
    full.click("help-toggle")
    looked_at(full, "help")
    full.press(Keys.ESCAPE)
    full.click("filters-toggle")
    looked_at(full, "filters")
    full.open("/?q=a+cat")
    looked_at(full, "results")
    full.open("/?q=a+cat&closest=true")
    looked_at(full, "results-closest")
    full.open("/?q=page")
    looked_at(full, "results-text")
    full.open("/?q=qwxzv+bnmrtk")
    looked_at(full, "nothing-matches")
    full.open("/?q=a+cat&collection=none-such&camera=Canon")
    looked_at(full, "nothing-filtered")


def test_a_search_by_pictures_and_the_larger_view(full: Page, gallery: LocalStack) -> None:
    cat = gallery.get("/search", q="a cat", limit=1)["items"][0]["id"]
    rocket = gallery.get("/search", q="a rocket", limit=1)["items"][0]["id"]
    full.open(f"/?q=night&like={cat}.-{rocket}&not=grass")
    full.one("chip")
    looked_at(full, "chips")
    full.open("/?q=a+cat")
    full.click("item")
    full.until(lambda: full.js("return document.querySelector('.large.loaded')"), "it shows")
    looked_at(full, "viewer")
    full.click("search-part")
    looked_at(full, "viewer-part")
    full.press(Keys.ESCAPE)
    full.click("delete")
    looked_at(full, "viewer-delete")


def test_uploads_under_way_and_ended(page: Page, photo: Photo, tmp_path: Path) -> None:
    words = tmp_path / "words.png"
    words.write_text("words, not pixels")
    page.open("/?collection=screens")
    page.choose(photo("ready.png"), words, photo("leaflet.pdf"))
    page.uploaded("ready.png")
    refused = page.uploaded("words.png", "rejected").get_attribute("data-id")
    looked_at(page, "uploads-ended")
    page.click("uploads-close")
    page.rejected(refused)
    looked_at(page, "rejected")
    page.discard(refused)
    page.console()  # the type that the API was asked about


def test_what_could_not_be_processed(page: Page, site: LocalStack) -> None:
    key = {"bucket": {"name": BUCKET}, "object": {"key": "trips/lost.png"}}
    body = json.dumps({"Records": [{"s3": key}]})
    give_up(site, body, error_code="internal", error="S3 did not answer.", receives="5")
    page.open()
    page.click("status-dead")
    page.one("dead-item")
    looked_at(page, "dead-letters")
    page.one("dead-item").find_element(By.CSS_SELECTOR, '[data-testid="dead-discard"]').click()
    looked_at(page, "dead-letters-discard")
    site.post("/dead-letters/discard", {"all": True, "reason": "a test's"})


def test_an_api_that_does_not_answer(page: Page) -> None:
    page.run_first(
        "const ask = window.fetch; window.fetch = (...a) => String(a[0]).includes('/api/')"
        " ? Promise.reject(new TypeError('Failed to fetch')) : ask(...a);"
    )
    page.open("/?q=a+cat")
    page.one("notice-error")
    looked_at(page, "offline")


def test_sign_in_and_the_account(member: MemberPage) -> None:
    member.visit()
    member.one("sign-in-button")
    looked_at(member, "sign-in")
    member.sign_in(ADMIN)
    member.drawn()
    member.click("account")
    looked_at(member, "account")


def test_someone_who_may_only_look(member: MemberPage) -> None:
    member.sign_in(READER)
    member.drawn()
    looked_at(member, "reader")
