"""What becomes of a session on the page: renewed, ended and taken up again, left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.e2e.member import ADMIN, ENDED, READER, UPLOADER, WATCH_ANSWERS, MemberPage
from tests.e2e.oidc_server import OidcServer
from tests.e2e.upload_room import slow_line, states
from tests.integration.local_stack import LocalStack

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]

Photo = Callable[..., Path]


def test_signing_out_asks_first_where_that_ends_uploads(member: MemberPage, photo: Photo) -> None:
    member.sign_in(UPLOADER, "/?collection=half")
    with slow_line(member, 2_000):
        member.choose(photo("half.png"))
        member.until(lambda: states(member) == {"half.png": "uploading"}, "it is on its way")
        member.click("account")
        member.click("sign-out")
        assert member.one("sign-out").text == "Uploads will end. Sign out?"
        member.press(Keys.ESCAPE)
        member.until(lambda: not member.all("account-menu"), "the menu is closed")
        member.click("account")
        member.until(lambda: member.one("sign-out").text == "Sign out", "it asks anew")
        member.click("sign-out")
        member.click("sign-out")
    member.signed_out()


def test_tokens_that_end_during_an_upload_are_renewed_and_no_file_is_lost(
    member: MemberPage, pool: OidcServer, photo: Photo
) -> None:
    pool.rotates = True
    member.sign_in(UPLOADER, "/?collection=long")
    names = [f"long-{n}.png" for n in range(6)]
    with slow_line(member, 20_000):
        member.choose(*[photo(name) for name in names])
        member.until(lambda: "uploading" in states(member).values(), "they are on their way")
        for _ in range(2):
            member.token_ends()
        assert "uploading" in states(member).values()
    for name in names:
        member.uploaded(name)
    assert member.all("sign-in") == []
    member.drawn()


def test_a_token_that_is_not_taken_is_renewed_once_for_all_who_wait(
    member: MemberPage, pool: OidcServer
) -> None:
    member.run_first(WATCH_ANSWERS)
    member.sign_in(READER)
    pool.asked.clear()
    member.js(
        """
        window.spoil = true;
        document.getElementById("search").value = "a rocket";
        document.getElementById("search-form").requestSubmit();
        """
    )
    # It asks for the status too, unless it is waiting for that already.
    both = "dispatchEvent(new Event('online')); return window.held.length === 2"
    member.until(lambda: member.js(both), "both are asked for")
    member.js("window.answers = []; window.held.forEach((go) => go())")

    def answered(path: str) -> list[int]:
        return [status for name, status in member.js("return answers") if name == path]

    for path in ("/api/search", "/api/stats"):
        member.until(lambda path=path: answered(path)[:2] == [401, 200], "refused, and then not")
    member.settled()
    assert member.one("item").get_attribute("title") == "rocket.jpg"
    assert pool.asked == ["refresh_token"]
    member.expected("401")


def test_after_the_session_has_ended_uploads_wait_and_go_on_after_sign_in(
    member: MemberPage, pool: OidcServer, photo: Photo
) -> None:
    member.sign_in(UPLOADER, "/?collection=wait")
    names = [f"wait-{n}.png" for n in range(6)]
    with slow_line(member, 20_000):
        member.choose(*[photo(name) for name in names])
        member.until(lambda: "uploading" in states(member).values(), "they are on their way")
        pool.forget_all()
        member.session_ends()
        assert "Sign in again" in member.one("sign-in").text
    assert set(states(member)) == set(names)
    assert set(states(member).values()) <= {"queued", "uploading", "waiting"}
    member.sign_in_aside(UPLOADER)
    member.until(lambda: not member.all("sign-in"), "the page goes on")
    for name in names:
        member.uploaded(name)
    assert member.driver.current_url == f"{member.url}/?collection=wait"
    member.expected(*ENDED)


def test_what_waits_for_one_person_is_not_done_as_another(
    member: MemberPage, pool: OidcServer, guarded: LocalStack, photo: Photo
) -> None:
    member.sign_in(UPLOADER, "/?collection=mine")
    pool.forget_all()
    member.session_ends()
    member.choose(photo("mine.png"))
    member.sign_in_aside(ADMIN)
    member.until(lambda: member.all("account") and not member.all("sign-in"), "the page is theirs")
    member.settled()
    member.click("account")
    assert ADMIN.email in member.one("account-menu").text
    assert states(member) == {}
    key = {"Authorization": f"Bearer {pool.access_token(ADMIN.name)}"}
    listed = guarded.request("GET", "/images?collection=mine", headers=key).json()
    assert listed["items"] == []
    member.expected(*ENDED)


def test_signing_out_leaves_nothing_in_the_browser_and_ends_other_tabs_too(
    member: MemberPage, pool: OidcServer
) -> None:
    member.sign_in(READER)
    picture = member.js("return document.querySelector('#grid img').src")
    first = member.driver.current_window_handle
    member.driver.switch_to.new_window("tab")
    member.visit()
    member.settled()  # signed in without being asked: the service knows who this is
    second = member.driver.current_window_handle
    member.driver.switch_to.window(first)
    member.click("account")
    member.click("sign-out")
    member.one("sign-in-button")
    member.until(lambda: member.kept()["cookies"] == [], "the cookies are gone")
    assert member.kept() == {"cookies": [], "tab": {}, "site": {}}
    member.until(lambda: pool.asked.count("revoke") == 2, "the tokens of both tabs are ended")
    for cache in ("no-store", "force-cache"):
        ask = "return fetch(arguments[0], {cache: arguments[1]}).then(answer => answer.status)"
        assert member.js(ask, picture, cache) == 401, cache
    member.driver.switch_to.window(second)
    member.one("sign-in-button")
    assert member.kept()["tab"] == {}
    member.driver.switch_to.window(first)
    member.expected("401")


def test_a_blocked_sign_in_window_is_told_and_this_window_does_it(
    member: MemberPage, pool: OidcServer
) -> None:
    member.run_first("window.open = () => null;")
    member.sign_in(READER, "/?q=a+rocket")
    member.session_ends()
    member.click("sign-in-button")
    member.problem("The browser blocked the sign-in window.")
    member.click("sign-in-instead")  # the service still knows who this is
    member.until(lambda: member.all("account") and not member.all("sign-in"), "signed in again")
    member.settled()
    assert member.driver.current_url == f"{member.url}/?q=a+rocket"
    member.expected(*ENDED)


def test_a_service_that_does_not_answer_ends_no_session(
    member: MemberPage, pool: OidcServer
) -> None:
    member.sign_in(READER)
    pool.down = True
    member.visit("/?q=a+clock")
    member.settled()
    assert "The sign-in service does not answer" in member.one("notice-error").text
    assert member.all("sign-in") == []
    pool.down = False
    member.until(member.ids, "the answer comes by itself")
    member.expected(*ENDED)


def test_the_focus_comes_back_to_where_it_was_when_the_session_ended(
    member: MemberPage, pool: OidcServer
) -> None:
    member.sign_in(READER, "/?collection=seeds")
    member.press("/", "a ro")
    member.session_ends()
    assert member.focused()["testid"] == "sign-in-button"
    member.sign_in_known()
    assert member.focused()["testid"] == "search"
    member.press("cket", Keys.ENTER)
    member.until(lambda: member.driver.title.startswith("a rocket"), "it is asked")
    member.settled()
    member.expected(*ENDED)
