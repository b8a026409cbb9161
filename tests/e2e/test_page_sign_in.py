"""Signing in on the page at a provider shaped like Cognito: who comes in, and to what."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.e2e.letters import give_up
from tests.e2e.member import ADMIN, ENDED, READER, UPLOADER, WATCH_ANSWERS, MemberPage
from tests.e2e.oidc_server import OidcServer
from tests.e2e.upload_room import states
from tests.integration.local_stack import LocalStack

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]

Photo = Callable[..., Path]


def test_a_shared_search_is_there_after_the_sign_in_that_it_asked_for(
    member: MemberPage, pool: OidcServer
) -> None:
    member.visit("/?q=a+clock&collection=seeds")
    assert "Sign in to search" in member.one("sign-in").text
    assert member.all("search") == []
    member.click("sign-in-button")
    member.enter(READER)
    member.settled()
    member.until(lambda: not member.all("sign-in"), "the screen is gone")
    assert member.driver.current_url == f"{member.url}/?q=a+clock&collection=seeds"
    assert member.one("search").get_attribute("value") == "a clock"
    assert member.one("item").get_attribute("title") == "clock.png"
    assert pool.asked == ["authorization_code"]


def test_thumbnails_and_the_larger_view_come_by_the_cookie(
    member: MemberPage, guarded: LocalStack
) -> None:
    member.sign_in(READER)
    member.drawn()
    picture = member.js("return document.querySelector('#grid img').src")
    assert requests.get(picture, allow_redirects=False, timeout=30).status_code == 401
    member.click("item")
    member.until(
        lambda: member.js("return document.querySelector('.large.loaded')"), "the file shows"
    )
    assert member.kept()["cookies"] == ["cognito", "session"]
    assert member.js("return document.cookie") == ""


def test_a_wrong_password_is_told_and_tried_again_and_giving_up_is_told_too(
    member: MemberPage, pool: OidcServer
) -> None:
    member.visit()
    member.click("sign-in-button")
    member.enter(READER, "guessed")
    problem = member.until(
        lambda: member.driver.find_element(By.ID, "problem").text, "it is refused"
    )
    assert problem == "Incorrect username or password."
    member.driver.find_element(By.NAME, "cancel").click()
    member.problem("The sign-in service said no: The user cancelled")
    assert member.driver.current_url == f"{member.url}/"
    member.click("sign-in-button")
    member.enter(READER)
    member.settled()
    assert pool.asked == ["authorization_code"]


def test_a_reader_is_offered_neither_upload_nor_delete_and_may_drop_one_picture_to_search_by(
    member: MemberPage, pool: OidcServer, guarded: LocalStack, samples: Path
) -> None:
    member.sign_in(READER)
    assert member.all("upload-button") == []
    member.js(
        """
        const dataTransfer = new DataTransfer();
        for (const name of ["drop.png", "other.png"])
          dataTransfer.items.add(new File(["bytes"], name, {type: "image/png"}));
        window.drag = (kind) => document.body.dispatchEvent(
          new DragEvent(kind, {dataTransfer, bubbles: true, cancelable: true}));
        drag("dragenter");
        """
    )
    cover = member.driver.find_element(By.ID, "drop")
    assert cover.text == "Drop a picture to search by it"
    member.js("drag('drop')")
    said = "return document.getElementById('announce').textContent"
    member.until(lambda: member.js(said) == "You may search here, but not upload", "it is said")
    assert states(member) == {}
    member.js(
        """
        const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], "one.png", {type: "image/png"}));
        document.body.dispatchEvent(
          new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true}));
        """,
        base64.b64encode((samples / "chelsea-the-cat.png").read_bytes()).decode(),
    )
    member.until(lambda: member.chips() == ["Like a picture of yours"], "it is searched by")
    member.settled()
    member.click("item")
    member.one("viewer")
    assert member.all("delete") == []
    member.click("viewer-close")
    member.click("account")
    assert "May search, but not upload" in member.one("account-menu").text

    key = {"Authorization": f"Bearer {pool.access_token(READER.name)}"}
    answer = guarded.request("POST", "/uploads", json={"files": []}, headers=key)
    assert answer.status_code == 403


def test_an_uploader_may_delete_what_is_theirs_and_nothing_else(
    member: MemberPage, photo: Photo
) -> None:
    member.sign_in(UPLOADER, "/?collection=own")
    member.choose(photo("own.png"))
    member.uploaded("own.png")
    member.click("uploads-close")
    member.click("item")
    member.click("delete")
    member.click("confirm-delete")
    member.until(lambda: member.all("notice-empty") or member.all("notice-nothing"), "it is gone")
    member.open("/?collection=seeds")
    member.click("item")
    member.one("viewer")
    assert member.all("delete") == []


def test_what_could_not_be_processed_is_shown_to_whoever_may_see_to_it(
    member: MemberPage, guarded: LocalStack
) -> None:
    give_up(guarded, "no event")
    member.sign_in(READER)
    member.until(lambda: "images" in member.one("status").text, "the status is drawn")
    assert member.all("status-dead") == []
    member.click("account")
    member.click("sign-out")
    member.signed_out()
    member.sign_in(ADMIN)
    member.click("status-dead")
    member.click("dead-discard")
    member.one("dead-reason").send_keys("made for this test", Keys.ENTER)
    member.until(lambda: not member.all("dead-item"), "it is discarded")
    member.click("dead-close")


def test_an_answer_to_a_sign_in_that_was_not_asked_for_is_not_used(
    member: MemberPage, pool: OidcServer
) -> None:
    member.visit("/?code=stolen&state=forged")
    member.problem("This window did not ask for the sign-in")
    assert member.driver.current_url == f"{member.url}/"
    member.visit("/?code=stolen&state=w.forged")
    member.problem("The page that asked for this sign-in is no longer open")
    assert pool.asked == []


def test_clocks_that_differ_are_named(member: MemberPage, pool: OidcServer) -> None:
    pool.issued_ago = 2 * 3600 - 30  # half a minute may pass until it is told
    member.run_first(WATCH_ANSWERS)
    member.visit()
    member.click("sign-in-button")
    member.enter(READER)
    member.problem(
        "The clock of this device and that of the sign-in service are 120 minutes apart."
        " Set this device's clock"
    )
    member.until(lambda: member.js("return window.under === 0"), "nothing is asked any more")
    member.expected("401")


def test_a_browser_that_keeps_no_cookies_is_told_to(member: MemberPage) -> None:
    off = "Emulation.setDocumentCookieDisabled"
    member.driver.execute_cdp_cmd(off, {"disabled": True})
    member.visit()
    member.problem("This browser keeps no cookies for this site")
    member.driver.execute_cdp_cmd(off, {"disabled": False})
    member.click("sign-in-button")
    member.enter(READER)
    member.settled()


def test_sign_in_and_sign_out_by_the_keyboard_alone(member: MemberPage) -> None:
    member.visit()
    member.one("sign-in-button")
    for knows_closedby in (True, False):  # not every browser does
        if not knows_closedby:
            member.js("document.getElementById('sign-in').removeAttribute('closedby')")
        member.press(Keys.ESCAPE, Keys.ESCAPE, Keys.ESCAPE)
        member.until(
            lambda: member.focused().get("testid") == "sign-in-button", "it is still to be pressed"
        )
    member.press(Keys.ENTER)
    member.until(lambda: member.driver.title == "Sign in at the pool", "the service asks")
    field = "return document.activeElement?.name"
    member.until(lambda: member.js(field) == "username", "the first field has the focus")
    member.press(READER.name, Keys.TAB, READER.password, Keys.ENTER)
    member.settled()
    member.one("account")
    for _ in range(8):
        if member.focused().get("testid") == "account":
            break
        member.press(Keys.TAB)
    member.press(Keys.ENTER)
    member.one("account-menu")
    member.press(Keys.ESCAPE)
    member.until(lambda: not member.all("account-menu"), "the menu is closed")
    assert member.focused()["testid"] == "account"
    member.press(Keys.ENTER, Keys.TAB)
    assert member.focused()["testid"] == "sign-out"
    member.press(Keys.ENTER)
    member.signed_out()


def test_the_sign_in_screens_fit_a_small_phone(member: MemberPage) -> None:
    member.resize(320, 568)
    member.visit("/?code=stolen&state=forged")
    fits = "return document.querySelector('#sign-in').scrollWidth <= innerWidth"
    member.problem("This window did not ask")
    assert member.js(fits)
    member.sign_in(UPLOADER)
    assert member.js("return document.scrollingElement.scrollWidth") <= 320
    member.click("account")
    box = member.one("account-menu").rect
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 320
    member.session_ends()
    assert member.js(fits)
    member.expected(*ENDED)


def test_the_page_names_where_it_may_ask_for_tokens(guarded: LocalStack, pool: OidcServer) -> None:
    answer = guarded.request("GET", "/")
    policy = answer.headers["Content-Security-Policy"]
    connect = next(p for p in policy.split("; ") if p.startswith("connect-src"))
    assert connect.split()[-1] == pool.url
    assert guarded.get("/config.json")["sign_in"]["client_id"] == pool.client_id
