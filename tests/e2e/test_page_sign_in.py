"""Signing in on the page, in Chromium, at a provider shaped like Cognito, on the real stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.e2e.letters import give_up
from tests.e2e.member import ADMIN, READER, UPLOADER, WATCH_ANSWERS, MemberPage
from tests.e2e.oidc_server import OidcServer, providing
from tests.integration.local_stack import LocalStack, running
from tests.integration.processes import eventually

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]

Photo = Callable[..., Path]
SEEDS = ("clock.png", "rocket.jpg")
ENDED = ("/oauth2/token", "/thumbnail")
"""What a browser notes when a session has ended: no new token, and a picture without its cookie."""
DRAWN = "return [...document.querySelectorAll('#grid img')].map((picture) => picture.naturalWidth)"


@pytest.fixture(scope="module")
def pool() -> Iterator[OidcServer]:
    with providing(ADMIN, UPLOADER, READER) as server:
        yield server


@pytest.fixture(scope="module")
def guarded(
    pool: OidcServer, starter: Path, samples: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalStack]:
    """A stack with sign-in, and the seeds straight in its bucket."""
    folder = tmp_path_factory.mktemp("guarded")
    file = folder / "sign-in.json"
    file.write_text(pool.file())
    with running(folder / "data", starter, "--sign-in", file) as stack:
        pool.redirects.add(f"{stack.url}/")
        key = {"Authorization": f"Bearer {pool.access_token(ADMIN.name)}"}
        body = {"files": [{"name": "any.png", "size": 1}]}
        answer = stack.request("POST", "/uploads", json=body, headers=key)
        stack.s3_url = answer.json()["uploads"][0]["post"]["url"].rpartition("/")[0]
        seeds = [stack.put(f"seeds/{n}", (samples / n).read_bytes()) for n in SEEDS]
        for seed in seeds:
            at = f"/images/{seed}"
            eventually(lambda at=at: stack.request("GET", at, headers=key).status_code == 200)
        yield stack


@pytest.fixture
def page(driver: Chrome, guarded: LocalStack, pool: OidcServer) -> Iterator[MemberPage]:
    """A tab of its own in a browser that keeps nothing of this site yet."""
    pool.lifetime, pool.issued_ago, pool.rotates, pool.down = 3600.0, 0.0, False, False
    pool.forget_all()
    pool.asked.clear()
    first = driver.current_window_handle
    driver.switch_to.new_window("tab")
    data = {"origin": guarded.url, "storageTypes": "all"}
    driver.execute_cdp_cmd("Storage.clearDataForOrigin", data)
    driver.execute_cdp_cmd("Storage.clearCookies", {})
    page = MemberPage(driver, guarded, pool)
    page.console()
    yield page
    complaints = page.console()
    page.leave()
    for window in driver.window_handles:
        if window != first:
            driver.switch_to.window(window)
            driver.close()
    driver.switch_to.window(first)
    assert complaints == []


def test_a_shared_search_is_there_after_the_sign_in_that_it_asked_for(
    page: MemberPage, pool: OidcServer
) -> None:
    page.visit("/?q=a+clock&collection=seeds")
    assert "Sign in to search" in page.one("sign-in").text
    assert page.all("search") == []
    page.click("sign-in-button")
    page.enter(READER)
    page.settled()
    page.until(lambda: not page.all("sign-in"), "the screen is gone")
    assert page.driver.current_url == f"{page.url}/?q=a+clock&collection=seeds"
    assert page.one("search").get_attribute("value") == "a clock"
    assert page.one("item").get_attribute("title") == "clock.png"
    assert pool.asked == ["authorization_code"]


def test_thumbnails_and_the_larger_view_come_by_the_cookie(
    page: MemberPage, guarded: LocalStack
) -> None:
    page.sign_in(READER)
    page.until(lambda: all(width > 0 for width in page.js(DRAWN)), "each thumbnail is drawn")
    picture = page.js("return document.querySelector('#grid img').src")
    assert requests.get(picture, allow_redirects=False, timeout=30).status_code == 401
    page.click("item")
    page.until(lambda: page.js("return document.querySelector('.large.loaded')"), "the file shows")
    assert page.kept()["cookies"] == ["cognito", "session"]
    assert page.js("return document.cookie") == ""


def test_a_wrong_password_is_told_and_tried_again_and_giving_up_is_told_too(
    page: MemberPage, pool: OidcServer
) -> None:
    page.visit()
    page.click("sign-in-button")
    page.enter(READER, "guessed")
    problem = page.until(lambda: page.driver.find_element(By.ID, "problem").text, "it is refused")
    assert problem == "Incorrect username or password."
    page.driver.find_element(By.NAME, "cancel").click()
    assert page.problem() == "The sign-in service said no: The user cancelled"
    assert page.driver.current_url == f"{page.url}/"
    page.click("sign-in-button")
    page.enter(READER)
    page.settled()
    assert pool.asked == ["authorization_code"]


def test_a_reader_is_offered_neither_upload_nor_delete_and_is_told_why_a_drop_is_not_taken(
    page: MemberPage, pool: OidcServer, guarded: LocalStack
) -> None:
    page.sign_in(READER)
    assert page.all("upload-button") == []
    page.js(
        """
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File(["bytes"], "drop.png", {type: "image/png"}));
        window.drag = (kind) => document.body.dispatchEvent(
          new DragEvent(kind, {dataTransfer, bubbles: true, cancelable: true}));
        drag("dragenter");
        """
    )
    cover = page.driver.find_element(By.ID, "drop")
    assert cover.text == "You may search here, but not upload"
    page.js("drag('drop')")
    said = "return document.getElementById('announce').textContent"
    page.until(lambda: page.js(said) == "You may search here, but not upload", "it is said")
    assert page.rows() == {}
    page.click("item")
    page.one("viewer")
    assert page.all("delete") == []
    page.click("viewer-close")
    page.click("account")
    assert "May search, but not upload" in page.one("account-menu").text

    key = {"Authorization": f"Bearer {pool.access_token(READER.name)}"}
    answer = guarded.request("POST", "/uploads", json={"files": []}, headers=key)
    assert answer.status_code == 403


def test_an_uploader_may_delete_what_is_theirs_and_nothing_else(
    page: MemberPage, photo: Photo
) -> None:
    page.sign_in(UPLOADER, "/?collection=own")
    page.choose(photo("own.png"))
    page.uploaded("own.png")
    page.click("uploads-close")
    page.click("item")
    page.click("delete")
    page.click("confirm-delete")
    page.until(lambda: page.all("notice-empty") or page.all("notice-nothing"), "it is gone")
    page.open("/?collection=seeds")
    page.click("item")
    page.one("viewer")
    assert page.all("delete") == []


def test_what_could_not_be_processed_is_shown_to_whoever_may_see_to_it(
    page: MemberPage, guarded: LocalStack
) -> None:
    give_up(guarded, "no event")
    page.sign_in(READER)
    page.until(lambda: "images" in page.one("status").text, "the status is drawn")
    assert page.all("status-dead") == []
    page.click("account")
    page.click("sign-out")
    page.one("sign-in-button")
    page.sign_in(ADMIN)
    page.click("status-dead")
    page.click("dead-discard")
    page.one("dead-reason").send_keys("made for this test", Keys.ENTER)
    page.until(lambda: not page.all("dead-item"), "it is discarded")
    page.click("dead-close")


def test_signing_out_asks_first_where_that_ends_uploads(page: MemberPage, photo: Photo) -> None:
    page.sign_in(UPLOADER, "/?collection=half")
    with page.slow_uploads(20_000):
        page.choose(photo("half.png"))
        page.until(lambda: page.rows() == {"half.png": "uploading"}, "it is on its way")
        page.click("account")
        page.click("sign-out")
        assert page.one("sign-out").text == "Uploads will end. Sign out?"
        page.press(Keys.ESCAPE)
        page.click("account")
        assert page.one("sign-out").text == "Sign out"
        page.click("sign-out")
        page.click("sign-out")
    page.one("sign-in-button")


def test_tokens_that_end_during_an_upload_are_renewed_and_no_file_is_lost(
    page: MemberPage, pool: OidcServer, photo: Photo
) -> None:
    pool.lifetime, pool.rotates = 3, True
    page.sign_in(UPLOADER, "/?collection=long")
    names = [f"long-{n}.png" for n in range(6)]
    with page.slow_uploads(250_000):
        page.choose(*[photo(name) for name in names])
        page.until(lambda: pool.asked.count("refresh_token") >= 2, "the token ends twice")
        assert "uploading" in page.rows().values()
    for name in names:
        page.uploaded(name)
    assert page.all("sign-in") == []
    # A cookie of three seconds may end on its way; the next one brings what it did not.
    page.until(lambda: all(width > 0 for width in page.js(DRAWN)), "each thumbnail is drawn")
    page.expected("/thumbnail")


def test_a_token_that_is_not_taken_is_renewed_once_for_all_who_wait(
    page: MemberPage, pool: OidcServer
) -> None:
    page.run_first(WATCH_ANSWERS)
    page.sign_in(READER)
    pool.asked.clear()
    page.js(
        """
        window.answers = [];
        window.spoil = true;
        document.getElementById("search").value = "a rocket";
        document.getElementById("search-form").requestSubmit();
        dispatchEvent(new Event("online")); // asks for the status too
        """
    )
    page.until(lambda: page.js("return answers.filter(a => a[1] === 401).length >= 2"), "refused")
    page.settled()
    assert page.one("item").get_attribute("title") == "rocket.jpg"
    answered = [tuple(each) for each in page.js("return answers")]
    assert pool.asked == ["refresh_token"]
    for path in ("/api/search", "/api/stats"):
        assert [status for name, status in answered if name == path][:2] == [401, 200]
    page.expected("401")


def test_after_the_session_has_ended_uploads_wait_and_go_on_after_sign_in(
    page: MemberPage, pool: OidcServer, photo: Photo
) -> None:
    pool.lifetime = 3
    page.sign_in(UPLOADER, "/?collection=wait")
    names = [f"wait-{n}.png" for n in range(6)]
    with page.slow_uploads(200_000):
        page.choose(*[photo(name) for name in names])
        pool.revoke_all()
        pool.forget_all()
        page.until(lambda: "Sign in again" in page.one("sign-in").text, "it is asked who this is")
    assert set(page.rows()) == set(names)
    assert set(page.rows().values()) <= {"queued", "uploading", "waiting"}
    page.sign_in_aside(UPLOADER)
    page.until(lambda: not page.all("sign-in"), "the page goes on")
    for name in names:
        page.uploaded(name)
    assert page.driver.current_url == f"{page.url}/?collection=wait"
    page.expected(*ENDED)


def test_what_waits_for_one_person_is_not_done_as_another(
    page: MemberPage, pool: OidcServer, guarded: LocalStack, photo: Photo
) -> None:
    pool.lifetime = 3
    page.sign_in(UPLOADER, "/?collection=mine")
    pool.revoke_all()
    pool.forget_all()
    page.until(lambda: page.all("sign-in"), "the session has ended")
    page.choose(photo("mine.png"))
    page.sign_in_aside(ADMIN)
    page.until(lambda: page.all("account") and not page.all("sign-in"), "the page is theirs")
    page.settled()
    page.click("account")
    assert ADMIN.email in page.one("account-menu").text
    assert page.rows() == {}
    key = {"Authorization": f"Bearer {pool.access_token(ADMIN.name)}"}
    listed = guarded.request("GET", "/images?collection=mine", headers=key).json()
    assert listed["items"] == []
    page.expected(*ENDED)


def test_signing_out_leaves_nothing_in_the_browser_and_ends_other_tabs_too(
    page: MemberPage, pool: OidcServer
) -> None:
    page.sign_in(READER)
    picture = page.js("return document.querySelector('#grid img').src")
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    page.visit()
    page.settled()  # signed in without being asked: the service knows who this is
    second = page.driver.current_window_handle
    page.driver.switch_to.window(first)
    page.click("account")
    page.click("sign-out")
    page.one("sign-in-button")
    page.until(lambda: page.kept()["cookies"] == [], "the cookies are gone")
    assert page.kept() == {"cookies": [], "tab": {}, "site": {}}
    assert pool.asked.count("revoke") == 2
    ask = "return fetch(arguments[0], {cache: 'no-store'}).then(answer => answer.status)"
    assert page.js(ask, picture) == 401
    page.driver.switch_to.window(second)
    page.one("sign-in-button")
    assert page.kept()["tab"] == {}
    page.driver.switch_to.window(first)
    page.expected("401")


def test_an_answer_to_a_sign_in_that_was_not_asked_for_is_not_used(
    page: MemberPage, pool: OidcServer
) -> None:
    page.visit("/?code=stolen&state=forged")
    assert page.problem().startswith("This window did not ask for the sign-in")
    assert page.driver.current_url == f"{page.url}/"
    page.visit("/?code=stolen&state=w.forged")
    assert page.problem().startswith("The page that asked for this sign-in is no longer open")
    assert pool.asked == []


def test_a_blocked_sign_in_window_is_told_and_this_window_does_it(
    page: MemberPage, pool: OidcServer
) -> None:
    pool.lifetime = 3
    page.run_first("window.open = () => null;")
    page.sign_in(READER, "/?q=a+rocket")
    pool.revoke_all()
    pool.lifetime = 3600
    page.until(lambda: page.all("sign-in"), "the session has ended")
    page.click("sign-in-button")
    assert page.problem().startswith("The browser blocked the sign-in window.")
    page.click("sign-in-instead")  # the service still knows who this is
    page.until(lambda: page.all("account") and not page.all("sign-in"), "signed in again")
    page.settled()
    assert page.driver.current_url == f"{page.url}/?q=a+rocket"
    page.expected(*ENDED)


def test_a_service_that_does_not_answer_ends_no_session(page: MemberPage, pool: OidcServer) -> None:
    page.sign_in(READER)
    pool.down = True
    page.visit("/?q=a+clock")
    page.settled()
    assert "The sign-in service does not answer" in page.one("notice-error").text
    assert page.all("sign-in") == []
    pool.down = False
    page.until(page.ids, "the answer comes by itself")
    page.expected(*ENDED)


def test_clocks_that_differ_are_named(page: MemberPage, pool: OidcServer) -> None:
    pool.issued_ago = 2 * 3600
    page.visit()
    page.click("sign-in-button")
    page.enter(READER)
    assert "are 120 minutes apart. Set this device's clock" in page.problem()
    page.expected("401")


def test_a_browser_that_keeps_no_cookies_is_told_to(page: MemberPage) -> None:
    off = "Emulation.setDocumentCookieDisabled"
    page.driver.execute_cdp_cmd(off, {"disabled": True})
    page.visit()
    assert page.problem().startswith("This browser keeps no cookies for this site")
    page.driver.execute_cdp_cmd(off, {"disabled": False})
    page.click("sign-in-button")
    page.enter(READER)
    page.settled()


def test_sign_in_and_sign_out_by_the_keyboard_alone(page: MemberPage) -> None:
    page.visit()
    page.one("sign-in-button")
    for knows_closedby in (True, False):  # not every browser does
        if not knows_closedby:
            page.js("document.getElementById('sign-in').removeAttribute('closedby')")
        page.press(Keys.ESCAPE, Keys.ESCAPE, Keys.ESCAPE)
        assert page.focused()["testid"] == "sign-in-button"
    page.press(Keys.ENTER)
    page.until(lambda: page.driver.title == "Sign in at the pool", "the service asks")
    page.press(READER.name, Keys.TAB, READER.password, Keys.ENTER)
    page.settled()
    page.one("account")
    for _ in range(8):
        if page.focused().get("testid") == "account":
            break
        page.press(Keys.TAB)
    page.press(Keys.ENTER)
    page.one("account-menu")
    page.press(Keys.ESCAPE)
    assert page.all("account-menu") == []
    assert page.focused()["testid"] == "account"
    page.press(Keys.ENTER, Keys.TAB)
    assert page.focused()["testid"] == "sign-out"
    page.press(Keys.ENTER)
    page.one("sign-in-button")


def test_the_focus_comes_back_to_where_it_was_when_the_session_ended(
    page: MemberPage, pool: OidcServer
) -> None:
    pool.lifetime = 3
    page.sign_in(READER, "/?collection=seeds")
    page.press("/", "a ro")
    pool.revoke_all()
    page.until(lambda: page.all("sign-in"), "the session has ended")
    assert page.focused()["testid"] == "sign-in-button"
    pool.lifetime = 3600
    page.click("sign-in-button")  # the service knows who this is: its window comes and goes
    page.until(lambda: not page.all("sign-in"), "signed in again")
    assert page.focused()["testid"] == "search"
    page.press("cket", Keys.ENTER)
    page.until(lambda: page.driver.title.startswith("a rocket"), "it is asked")
    page.settled()
    page.expected(*ENDED)


def test_the_sign_in_screens_fit_a_small_phone(page: MemberPage, pool: OidcServer) -> None:
    pool.lifetime = 3
    page.resize(320, 568)
    page.visit("/?code=stolen&state=forged")
    fits = "return document.querySelector('#sign-in').scrollWidth <= innerWidth"
    assert page.problem()
    assert page.js(fits)
    page.sign_in(UPLOADER)
    assert page.js("return document.scrollingElement.scrollWidth") <= 320
    page.click("account")
    box = page.one("account-menu").rect
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 320
    pool.revoke_all()
    page.until(lambda: page.all("sign-in"), "the session has ended")
    assert page.js(fits)
    page.expected(*ENDED)


def test_the_page_names_where_it_may_ask_for_tokens(guarded: LocalStack, pool: OidcServer) -> None:
    answer = guarded.request("GET", "/")
    policy = answer.headers["Content-Security-Policy"]
    connect = next(p for p in policy.split("; ") if p.startswith("connect-src"))
    assert connect.split()[-1] == pool.url
    assert guarded.get("/config.json")["sign_in"]["client_id"] == pool.client_id
