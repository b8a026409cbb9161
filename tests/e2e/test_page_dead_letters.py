"""What could not be processed, as the page shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.e2e.browser import Page
from tests.e2e.letters import give_up
from tests.integration.local_stack import BUCKET, LocalStack

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]

KEY = "trips/<b>a wide name without a place to break it</b>" + "x" * 80 + ".png"


@pytest.fixture(autouse=True)
def _nothing_waits(site: LocalStack) -> None:
    """Whatever other tests have left."""
    site.post("/dead-letters/discard", {"all": True, "reason": "another test's"})


def event(key: str) -> str:
    return json.dumps({"Records": [{"s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}}]})


def letters(site: LocalStack) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = site.get("/dead-letters")["items"]
    return items


def rows(page: Page, count: int) -> list[WebElement]:
    page.until(lambda: len(page.all("dead-item")) == count, f"{count} letters are listed")
    return page.all("dead-item")


def part(row: WebElement, name: str) -> WebElement:
    return row.find_element(By.CSS_SELECTOR, f'[data-testid="{name}"]')


def test_what_could_not_be_processed_is_tried_again_or_discarded_with_a_reason(
    page: Page, site: LocalStack
) -> None:
    give_up(
        site, event(KEY), error_code="storage_unavailable", error="S3 did not answer.", receives="5"
    )
    give_up(site, "no event", error_code="unreadable_message", error="The message is not JSON.")
    page.resize(320, 568)
    page.open()
    told = "2 could not be processed"
    page.until(lambda: page.one("status-dead").text == told, "both are counted")
    page.click("status-dead")
    failed, unread = rows(page, 2)
    name, reason, about = failed.find_element(By.TAG_NAME, "div").text.split("\n")[:3]
    assert (name, reason) == (KEY, "S3 did not answer.")
    assert about.startswith("Tried 5 times · ")
    assert "Not an event\nThe message is not JSON." in unread.text

    part(unread, "dead-discard").click()
    assert page.focused()["testid"] == "dead-reason"
    width = "return document.getElementById('dead').scrollWidth"
    assert page.js(width) <= 320
    page.press(Keys.ENTER)
    assert len(letters(site)) == 2
    page.press("   ", Keys.ENTER)
    assert len(letters(site)) == 2
    part(unread, "dead-reason").send_keys("sent by a test", Keys.ENTER)
    (failed,) = rows(page, 1)
    assert [letter["keys"] for letter in letters(site)] == [[KEY]]
    said = [x for x in site.log("api") if x.get("message") == "dead letter discarded"]
    assert (said[-1]["reason"], said[-1]["body"]) == ("sent by a test", "no event")

    part(failed, "dead-retry").click()
    rows(page, 0)
    assert "Nothing waits here." in page.one("dead").text
    assert letters(site) == []
    page.click("dead-close")
    page.until(lambda: not page.all("status-dead"), "the status line says nothing of it")
    assert page.js("return document.querySelectorAll('#dead b').length") == 0


def test_a_letter_that_is_gone_meanwhile_is_told_and_stays_until_the_list_is_opened_again(
    page: Page, site: LocalStack
) -> None:
    give_up(site, event("trips/gone.png"), error_code="internal", error="It failed.", receives="5")
    page.open()
    page.click("status-dead")
    (row,) = rows(page, 1)
    site.post("/dead-letters/discard", {"all": True, "reason": "meanwhile"})
    part(row, "dead-retry").click()
    told = "That did not work: No dead letter of this id was found; list them again."
    page.until(lambda: told in page.one("dead").text, "that is told")
    assert part(row, "dead-retry").is_enabled()
    page.click("dead-close")
    # The browser notes each answer that is an error; this one was asked for.
    assert all("/api/dead-letters/redrive" in line and "404" in line for line in page.console())
