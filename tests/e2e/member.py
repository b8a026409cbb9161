"""The page of a stack with sign-in, as someone has it who is a member there, or is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.e2e.browser import Page
from tests.e2e.oidc_server import OidcServer, User
from tests.integration.local_stack import LocalStack

ADMIN = User("ada", "counts-1843", ("admin",))
UPLOADER = User("grace", "compiles-1952", ("upload",))
READER = User("alan", "reads-1936")

ENDED = ("/oauth2/token",)
"""What a browser notes when a session has ended: no new token."""

WATCH_ANSWERS = """
window.answers = [];
window.spoilt = "";
window.under = 0;
window.held = [];
const ask = window.fetch;
window.fetch = async (...asked) => {
  const headers = asked[1]?.headers ?? {};
  const token = headers.authorization;
  window.under += 1;
  try {
    if (token && window.spoil) window.spoilt = token, window.spoil = false;
    if (token && token === window.spoilt) {
      headers.authorization = "Bearer spoilt";
      await new Promise((go) => window.held.push(go));
    }
    const answer = await ask(...asked);
    window.answers.push([new URL(asked[0], location).pathname, answer.status]);
    return answer;
  } finally {
    window.under -= 1;
  }
};
"""
"""Notes what each request was answered, and how many are under way. Once `spoil` is set, the token
in use reaches the API as one that it does not take, and no sooner than those who wait are let go:
`held`."""

TIME_PASSES = """
const {now} = Date;
Date.now = () => now() + arguments[0] * 1000;
document.dispatchEvent(new Event("visibilitychange")); // as for someone who comes back to the tab
Date.now = now;
"""


class MemberPage(Page):
    """Also the sign-in service's own page, in this window or one that the page opened."""

    def __init__(self, driver: Chrome, stack: LocalStack, oidc: OidcServer) -> None:
        super().__init__(driver, stack.url)
        self.stack = stack
        self.oidc = oidc

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """As everywhere; the page may also leave for the service while it is looked at."""

        def here() -> Any:
            try:
                return condition()
            except WebDriverException as error:
                if "navigation" in str(error.msg):
                    return None
                raise

        return super().until(here, what)

    def visit(self, address: str = "/") -> None:
        """Open it without waiting for images: nobody may be signed in."""
        self.driver.get(self.url + address)

    def enter(self, user: User, password: str = "") -> None:
        """Fill in the service's form, which this window shows or is about to."""
        self.until(lambda: self.driver.title == "Sign in at the pool", "the service asks who it is")
        field = self.driver.find_element
        field(By.NAME, "username").clear()
        field(By.NAME, "username").send_keys(user.name)
        field(By.NAME, "password").send_keys(password or user.password)
        own = self.driver.current_window_handle
        try:
            field(By.NAME, "enter").click()
        except WebDriverException as error:  # the window may close before the driver has its answer
            if "navigation" not in str(error.msg):
                self.until(lambda: own not in self.driver.window_handles, "the window closes")

    def sign_in(self, user: User, address: str = "/") -> None:
        self.visit(address)
        self.click("sign-in-button")
        self.enter(user)
        self.settled()
        self.one("account")

    def sign_in_aside(self, user: User) -> None:
        """In the window that the page opens for it, which closes by itself."""
        own = self.driver.current_window_handle
        before = set(self.driver.window_handles)
        self.click("sign-in-button")
        aside = self.until(lambda: set(self.driver.window_handles) - before, "a window opens")
        self.driver.switch_to.window(aside.pop())
        self.enter(user)
        self.until(lambda: set(self.driver.window_handles) == before, "the window closes")
        self.driver.switch_to.window(own)

    def sign_in_known(self) -> None:
        """The service knows who this is: the window that the page opens comes and goes."""
        before = set(self.driver.window_handles)
        self.click("sign-in-button")
        self.until(lambda: not self.all("sign-in"), "signed in again")
        self.until(lambda: set(self.driver.window_handles) == before, "the window closes")

    def signed_out(self) -> None:
        """Wait until it is asked who this is, and the service has been told to forget it."""
        self.one("sign-in-button")
        self.until(lambda: "revoke" in self.oidc.asked, "the refresh token is ended")

    def token_ends(self) -> None:
        """To the page the time of its token is over: it asks for another."""
        asked = self.oidc.asked.count("refresh_token")

        def renews() -> bool:
            self.js(TIME_PASSES, self.oidc.lifetime)  # in vain while it takes up the last one
            return self.oidc.asked.count("refresh_token") > asked

        self.until(renews, "it is renewed")

    def session_ends(self) -> None:
        """An administrator ends it, and the page comes to know."""
        self.oidc.revoke_all()
        self.token_ends()
        self.until(lambda: self.all("sign-in"), "the session has ended")

    def problem(self, begins: str) -> None:
        """Wait until the sign-in screen says that this is wrong."""
        told = "return document.querySelector('#sign-in[open] .problem')?.textContent ?? ''"
        self.until(lambda: self.js(told).startswith(begins), f"it is told: {begins}")

    def drawn(self) -> None:
        """Wait until each thumbnail has come."""
        widths = "return [...document.querySelectorAll('#grid img')].map((i) => i.naturalWidth)"
        self.until(lambda: all(self.js(widths)), "each thumbnail is drawn")

    def kept(self) -> dict[str, Any]:
        """What the browser keeps of this site: its cookies by name, and both storages."""
        cookies = self.driver.execute_cdp_cmd("Storage.getCookies", {})["cookies"]
        return {
            "cookies": sorted(c["name"] for c in cookies if c["domain"] == "127.0.0.1"),
            "tab": self.js("return {...sessionStorage}"),
            "site": self.js("return {...localStorage}"),
        }
