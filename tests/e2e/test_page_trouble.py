"""The page in trouble: a slow network, none at all, an API that fails or is asked too often, and
addresses that have ended. Played on a real server between Chromium and a real stack."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import requests
from botocore.config import Config
from selenium.webdriver import Chrome

from tests.e2e.between import Between, Half, Hold, Say, between
from tests.e2e.browser import Page
from tests.e2e.hurry import hurried
from tests.e2e.looks import SIZES
from tests.integration.local_stack import LocalStack
from tests.integration.processes import eventually

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]

SEARCH, THUMBNAIL = "/api/search", "/thumbnail"
JSON = {"Content-Type": "application/json"}
PROXY_PAGE = b"<!doctype html><title>502 Bad Gateway</title><h1>502</h1>"
THROTTLED = Say(429, b'{"message":"Too Many Requests"}', {**JSON, "Retry-After": "1"})
LATER = Say(429, THROTTLED.body, {**JSON, "Retry-After": "3600"})


def error(status: int, code: str, message: str, **headers: str) -> Say:
    body = {"error": {"code": code, "message": message, "request_id": "r-4711"}}
    return Say(status, json.dumps(body).encode(), {**JSON, **headers})


@pytest.fixture
def middle(site: LocalStack) -> Iterator[Between]:
    with between(site.url) as middle:
        yield middle


NOTED = """
window.noted = [];
addEventListener("DOMContentLoaded", () => {
  for (const id of ["announce", "status", "summary"]) {
    const line = document.getElementById(id);
    const note = new MutationObserver(() => noted.push([id, line.textContent.trim()]));
    note.observe(line, {childList: true, characterData: true, subtree: true});
  }
});
"""


class TroubledPage(Page):
    """One whose console may tell of failed requests, and of nothing else."""

    def told(self, line: str, begins: str) -> None:
        """Wait until a line has said that since the page was opened, if only for a moment."""
        said = "return (window.noted ?? []).some(([id, text]) => id === arguments[0]"
        script = f"{said} && text.startsWith(arguments[1]))"
        self.until(lambda: self.js(script, line, begins), f"{line} says {begins!r}")

    def offline(self, off: bool = True) -> None:
        line = {"offline": off, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", line)

    def notice(self, *texts: str) -> str:
        """Wait until a notice tells all that."""

        def told() -> str:
            shown = self.js("return document.getElementById('notice')?.innerText ?? ''")
            return str(shown) if all(text in shown for text in texts) else ""

        text: str = self.until(told, f"a notice tells {texts}")
        return text

    def status(self) -> str:
        """The status line; on a phone there may be nothing to see in it."""
        return str(self.js("return document.getElementById('status')?.textContent ?? ''"))

    def ask(self, words: str) -> None:
        """Without waiting for an answer. At once: what is typed is asked for whenever the keys
        pause."""
        ask = "const box = document.getElementById('search'); box.value = arguments[0];"
        self.js(f"{ask} box.form.requestSubmit();", words)


@pytest.fixture(params=list(SIZES))
def troubled(
    request: pytest.FixtureRequest, driver: Chrome, middle: Between
) -> Iterator[TroubledPage]:
    page = TroubledPage(driver, middle.url)
    page.console()
    page.of_size(request.param)
    page.run_first(NOTED)
    driver.execute_cdp_cmd("Network.enable", {})
    yield page
    page.offline(False)
    driver.execute_cdp_cmd("Network.disable", {})
    complaints = [c for c in page.console() if "Failed to load resource" not in c]
    page.leave()
    assert (complaints, page.forbidden) == ([], [])


def test_an_answer_that_takes_long_is_awaited_in_words_and_a_new_search_calls_it_off(
    troubled: TroubledPage, middle: Between
) -> None:
    troubled.run_first(hurried(10))
    troubled.open("/?collection=seeds")
    shown = troubled.ids()
    release = threading.Event()
    middle.first(1, Hold(release), SEARCH)
    troubled.ask("a rocket")
    troubled.told("summary", "Searching…")
    assert troubled.ids() == shown, "what was there stays until the answer has come"
    for line in ("summary", "announce"):
        troubled.told(line, "Still searching: the connection or the server is slow")
    troubled.search("a clock")
    assert "clock" in troubled.one("item").get_attribute("title")
    release.set()
    assert troubled.asked()["q"] == "a clock"


def test_without_a_network_what_is_loaded_stays_and_the_search_goes_on_when_it_is_back(
    troubled: TroubledPage,
) -> None:
    troubled.open("/?collection=seeds")
    shown = troubled.ids()
    troubled.js(
        "return Promise.all([...document.querySelectorAll('.grid img')].map(i=>i.decode()))"
    )
    troubled.until(
        lambda: troubled.js("return Boolean(document.querySelector('.stage'))"), "viewer"
    )
    troubled.offline()
    offline = "You are offline. What is here stays, and this page goes on when you are back"
    troubled.until(lambda: troubled.status() == offline, "it says so")
    troubled.told("announce", offline)

    troubled.one("item").click()
    assert troubled.one("viewer").get_attribute("aria-label"), "the larger view works"
    troubled.press("\ue00c")  # Escape
    troubled.until(lambda: not troubled.all("viewer"), "it is closed")
    troubled.until(lambda: "image=" not in troubled.driver.current_url, "the address too is back")

    troubled.ask("a rocket")
    troubled.notice("You are offline", "tries again by itself when you are back")
    troubled.shot("trouble-offline")
    troubled.driver.back()
    troubled.until(lambda: troubled.ids() == shown, "what was found before is there")
    troubled.driver.forward()
    troubled.notice("You are offline")
    troubled.offline(False)
    troubled.until(
        lambda: troubled.ids() and troubled.one("item").get_attribute("title") == "rocket.jpg",
        "the answer comes by itself",
    )
    troubled.until(lambda: troubled.status() != offline, "the line is as before")


HTML = {"Content-Type": "text/html"}
TROUBLES: dict[str, tuple[Any, list[str]]] = {
    "500": (
        error(500, "internal", "It broke."),
        ["It broke.", "internal · request r-4711", "The fault is not yours"],
    ),
    "503": (
        error(503, "index_unavailable", "The index is busy."),
        ["The index is busy.", "tries again by itself", "r-4711"],
    ),
    "gateway": (
        Say(502, PROXY_PAGE, {**HTML, "x-amzn-RequestId": "gw-1"}),
        ["answered 502 in its place", "http_502 · request gw-1"],
    ),
    "portal": (Say(200, PROXY_PAGE, HTML), ["not the API", "asks you to sign in"]),
    "cut": (Say(200, b'{"items": [{"id": "4f', JSON), ["The answer broke off on its way."]),
    "broken": (Half(), ["The API does not answer", "tries again by itself"]),
}


@pytest.mark.parametrize(("fault", "told"), TROUBLES.values(), ids=TROUBLES.keys())
def test_an_api_that_fails_is_told_of_and_asked_again_by_itself(
    troubled: TroubledPage, middle: Between, fault: Any, told: list[str]
) -> None:
    troubled.run_first(hurried(10))
    troubled.open("/?collection=seeds")
    failed = list[str]()

    def fails(path: str) -> Any:
        return failed.append(path) or fault if SEARCH in path else None

    middle.fault = fails
    troubled.ask("a rocket")
    troubled.notice(*told)
    troubled.shot(f"trouble-{next(name for name, (f, _) in TROUBLES.items() if f == fault)}")
    middle.fault = lambda _: None
    eventually(troubled.ids)  # by itself: later each time that it is in vain
    assert troubled.one("item").get_attribute("title") == "rocket.jpg"
    assert middle.times(SEARCH, "rocket") == len(failed) + 1


def test_trying_again_by_hand_asks_at_once(troubled: TroubledPage, middle: Between) -> None:
    troubled.open("/?collection=seeds")
    # So much later that the page does not try by itself before.
    broken = error(500, "internal", "Broken.", **{"Retry-After": "3600"})
    middle.fault = lambda path: broken if SEARCH in path else None
    troubled.ask("a rocket")
    troubled.notice("Broken.")
    middle.fault = lambda _: None
    troubled.click("retry")
    troubled.until(troubled.ids, "the answer shows")


def test_a_throttled_search_waits_as_told_and_goes_on_a_bounded_number_of_times(
    troubled: TroubledPage, middle: Between
) -> None:
    troubled.open("/?collection=seeds")
    middle.first(2, THROTTLED, SEARCH)
    troubled.ask("a rocket")
    said = "Too many requests at once. Goes on by itself at "
    troubled.told("status", said)
    troubled.settled()
    assert middle.times(SEARCH, "rocket") == 3
    assert troubled.one("item").get_attribute("title") == "rocket.jpg"
    troubled.until(lambda: said not in troubled.status(), "the line is as before")

    # The last says "in an hour", so that it is not asked once more while we look.
    answers = [THROTTLED] * 3

    def throttles(path: str) -> Say | None:
        return (answers.pop() if answers else LATER) if SEARCH in path else None

    middle.fault = throttles
    troubled.ask("a clock")
    troubled.notice("Too many requests at once", "Goes on by itself at")
    assert middle.times(SEARCH, "clock") == 4, "it was asked four times, and no more for now"
    middle.fault = lambda _: None
    troubled.click("retry")
    troubled.until(troubled.ids, "the answer shows")


def test_a_long_wait_is_told_and_kept_to(troubled: TroubledPage, middle: Between) -> None:
    troubled.open("/?collection=seeds")
    later = error(429, "quota_exceeded", "Enough for today.", **{"Retry-After": "3600"})
    middle.fault = lambda path: later if SEARCH in path else None
    troubled.ask("a rocket")
    troubled.notice("Too many requests at once", "Enough for today.", "quota_exceeded")
    # Whatever else goes well meanwhile, the search is not asked again before its time.
    before = middle.times("/api/stats")
    troubled.js("document.dispatchEvent(new Event('visibilitychange'))")
    troubled.until(lambda: middle.times("/api/stats") > before, "the status is asked")
    troubled.until(lambda: troubled.status(), "and has come")
    assert middle.times(SEARCH) == 1
    middle.fault = lambda _: None
    troubled.search("a clock")
    assert troubled.ids()


@pytest.fixture
def ended(site: LocalStack) -> Say:
    """What a cache on the way may go on saying: the address of a picture that was signed for a
    second, which is over."""
    image = site.get("/images", collection="seeds")["items"][0]["id"]
    at = urlsplit(site.request("GET", f"/images/{image}/thumbnail").headers["Location"]).path
    bucket, _, key = at.lstrip("/").partition("/")
    s3 = boto3.client(
        "s3", endpoint_url=site.s3_url, region_name="us-east-1",
        aws_access_key_id="local", aws_secret_access_key="local",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )  # fmt: skip
    params = {"Bucket": bucket, "Key": key}
    signed = s3.generate_presigned_url("get_object", Params=params, ExpiresIn=1)
    eventually(lambda: requests.get(signed, timeout=60).status_code == 403)
    return Say(302, headers={"Location": signed, "Cache-Control": "private, max-age=3600"})


def drawn(page: Page) -> bool:
    """Whether each thumbnail shows."""
    places = "[...document.querySelectorAll('.grid li')]"
    return bool(page.js(f"return {places}.every((li) => li.classList.contains('loaded'))"))


def test_a_picture_whose_address_has_ended_is_asked_for_once_more(
    troubled: TroubledPage, middle: Between, ended: Say
) -> None:
    seen = set[str]()

    def caches(path: str) -> Say | None:
        first = path.split("?")[0] not in seen
        seen.add(path.split("?")[0])
        return ended if THUMBNAIL in path and first else None

    middle.fault = caches
    troubled.open("/?collection=seeds")
    troubled.until(lambda: drawn(troubled), "all are drawn in the end")
    pictures = len(troubled.ids())
    assert middle.times(THUMBNAIL) == 2 * pictures
    assert not troubled.js("return document.querySelector('.grid .broken')")

    seen.clear()
    middle.asked.clear()
    middle.fault = lambda path: ended if THUMBNAIL in path or "/file" in path else None
    troubled.reload()
    broken = "return document.querySelectorAll('.grid .broken').length"
    troubled.until(lambda: troubled.js(broken) == pictures, "they are given up")
    # What was first asked for the browser remembered itself.
    assert middle.times(THUMBNAIL) == pictures, "without a loop"
    assert "rocket.jpg" in troubled.js("return document.querySelector('.grid').innerText")


def test_a_file_that_does_not_come_leaves_the_preview_and_a_way_to_ask_again(
    troubled: TroubledPage, middle: Between, ended: Say
) -> None:
    large = "return document.querySelector('.frame .large.loaded')?.naturalWidth ?? 0"
    troubled.open("/?collection=seeds")
    image, other, *_ = troubled.ids()

    def fault(path: str) -> Say | None:
        if f"{other}/file" in path:
            return Say(503)
        return ended if f"{image}/file" in path and "v=" not in path else None

    middle.fault = fault
    troubled.one("item").click()
    troubled.one("viewer")
    troubled.press("+", "+")  # a phone's screen needs no more than the preview
    troubled.until(lambda: troubled.js(large), "an address that has ended is signed anew")

    troubled.press("0", "\ue014", "+", "+")  # the next one
    told = "return document.querySelector('.note:not([hidden])')?.innerText ?? ''"
    said = "The file did not come; this is a preview. Try again"
    troubled.until(lambda: troubled.js(told) == said, "it says so")
    shown = "return document.querySelector('.frame .small').alt"
    assert troubled.js(shown), "what is to be seen has its name"
    assert middle.times(f"{other}/file") <= 3, "once ahead, and twice when it was looked at"
    middle.fault = lambda _: None
    troubled.click("file-retry")
    troubled.until(lambda: troubled.js(large), "it shows")
    assert not troubled.js(told)
    assert troubled.js("return document.activeElement.classList.contains('frame')")


def test_a_page_without_its_settings_says_so(troubled: TroubledPage, middle: Between) -> None:
    middle.fault = lambda path: Say(200, b"{oops", JSON) if "config.json" in path else None
    troubled.open()
    troubled.notice("config.json", "cannot be read", "Whoever runs this site")
    middle.fault = lambda path: Say(404) if "config.json" in path else None
    troubled.click("retry")
    troubled.until(troubled.ids, "without a file the API is beside the page")
    said = [line for line in troubled.console() if "Failed to load resource" not in line]
    assert len(said) == 1
    assert "JSON" in said[0], "why is in the console"
