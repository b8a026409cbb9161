"""Chromium, and the page as a person has it: what can be seen, pressed and waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
)
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.e2e.axe import violations
from tests.e2e.looks import DRAWN, Looks, Size
from tests.needs import Chromium

PATIENCE = 90
"""Seconds until a wait is given up: a net for what hangs, not a measure."""

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,800",
)


def start_chromium(found: Chromium, profile: Path) -> Chrome:
    """A browser with an empty profile."""
    options = ChromeOptions()
    options.binary_location = str(found.browser)
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return Chrome(options=options, service=Service(str(found.driver)))


POLICIES = ("content security policy", "trusted type", "'trusted")
"""What Chromium's words on a violation hold, in lower case: it writes them in more ways."""

IMAGES = """
return (async () => {
if (!document.getElementById("grid")) return [];
const page = await (await import(new URL("js/main.js", document.baseURI))).started;
const images = page?.results.grid.items.map(({id, within}) => [id, within === false]) ?? [];
for (const [list, apart] of [["grid", false], ["rest", true]]) {
  const all = images.filter(([, beyond]) => beyond === apart);
  for (const link of document.querySelectorAll(`#${list} a`)) {
    const n = Number(link.parentElement.getAttribute("aria-posinset"));
    if (all[n - 1]?.[0] !== link.dataset.id) throw Error(`no. ${n} of ${list} is another image`);
  }
}
return images;
})();
"""
"""[id, whether it is beyond the cut-off] of all images shown."""

ENDS = ("ready", "rejected", "failed", "cancelled")


class Page:
    """The page in one browser window. Elements are named by their `data-testid`."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url
        self.looks = Looks(driver)
        self.forbidden: list[str] = []
        self._scripts: list[str] = []

    # --- opening ------------------------------------------------------------------------------

    def open(self, address: str = "/", host: str = "127.0.0.1") -> None:
        self.driver.get(self.url.replace("127.0.0.1", host) + address)
        self.settled()

    def reload(self) -> None:
        self.driver.refresh()
        self.settled()

    def run_first(self, script: str) -> None:
        """Run `script` before the page's own, at each opening until the end of the test."""
        made = self.driver.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument", {"source": script}
        )
        self._scripts.append(made["identifier"])

    def resize(self, width: int, height: int) -> None:
        self.looks.of_pixels(width, height, mobile=True)

    def of_size(self, size: Size) -> None:
        """A phone's screen and touch, or a laptop's."""
        self.looks.of_size(size)

    def prefers(self, **media: str) -> None:
        """What the system prefers: `color_scheme="dark"`, `reduced_motion="reduce"`,
        `contrast="more"`, `forced_colors="active"`."""
        self.looks.prefers(**media)

    def shot(self, name: str) -> Path:
        """A picture of what is to be seen, once it has come to rest; kept in a folder."""
        self.until(lambda: self.js(DRAWN), "all pictures in sight have come")
        return self.looks.shot(name)

    @contextmanager
    def watched(self) -> Iterator[Self]:
        """Whatever a test does meanwhile, the console stays clean; and what a policy of the page
        forbids is a failure even where the test has looked through the console itself. It begins
        as someone new here, whatever other tests have had this browser remember."""
        site = {"origin": self.url, "storageTypes": "local_storage"}
        self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", site)
        self.console()
        self.forbidden.clear()
        yield self
        complaints = self.console()
        self.leave()
        assert not self.forbidden, self.forbidden
        assert not complaints, complaints

    def leave(self) -> None:
        """Undo what a test has set, and leave the page."""
        for script in self._scripts:
            self.driver.execute_cdp_cmd(
                "Page.removeScriptToEvaluateOnNewDocument", {"identifier": script}
            )
        self._scripts.clear()
        self.driver.execute_cdp_cmd("Browser.resetPermissions", {})
        self.looks.reset()
        self.driver.get("about:blank")
        away = {
            "type": "mouseMoved",
            "x": 0,
            "y": 0,
        }  # the next page begins with nothing pointed at
        self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", away)

    # --- looking ------------------------------------------------------------------------------

    def all(self, name: str) -> list[WebElement]:
        """Those that can be seen."""

        def seen() -> tuple[list[WebElement]]:
            found = self.driver.find_elements(By.CSS_SELECTOR, f'[data-testid="{name}"]')
            return ([element for element in found if element.is_displayed()],)

        (elements,) = self.until(seen, f"{name} is not being redrawn")
        return list(elements)

    def one(self, name: str) -> WebElement:
        """The first that can be seen, as soon as there is one."""
        return self.until(lambda: self.all(name), f"{name} is to be seen")[0]

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """What `condition` returns, once that is true. Elements redrawn meanwhile are looked up
        anew."""
        wait = WebDriverWait(
            self.driver, PATIENCE, 0.05, ignored_exceptions=[StaleElementReferenceException]
        )
        return wait.until(lambda _: condition(), f"waited in vain until {what}")

    def js(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def settled(self) -> None:
        """Wait until an answer is drawn, and none is under way."""
        drawn = (
            "const grid = document.getElementById('grid');"
            # Neither is there while another page, such as that of sign-in, is still open.
            "const notice = document.getElementById('notice');"
            "return Boolean(grid && notice && !grid.hasAttribute('aria-busy') && ("
            "document.querySelector('.grid li') || !notice.hidden))"
        )
        self.until(lambda: self.js(drawn), "an answer is drawn")

    def ids(self) -> list[str]:
        """The images shown, in order."""
        return [image for image, _ in self._images()]

    def beyond(self) -> list[str]:
        """Of these, those that stand apart as less alike."""
        return [image for image, beyond in self._images() if beyond]

    def _images(self) -> list[tuple[str, bool]]:
        """All that the page shows, and whether they stand apart; those in the document, which are
        only what is near the view, are held against it."""
        return [(image, beyond) for image, beyond in self.js(IMAGES)]

    def said(self, sentence: str) -> None:
        """Wait until screen readers are told that."""
        told = "return document.getElementById('announce')?.textContent.trim()"
        self.until(lambda: self.js(told) == sentence, f"{sentence!r} is said")

    def marked(self, name: str) -> list[str]:
        """The words marked in the first element of that name."""
        marks = "return [...arguments[0].querySelectorAll('mark')].map((e) => e.innerText)"
        return list(self.until(lambda: (self.js(marks, self.one(name)),), f"{name} is there")[0])

    def asked(self) -> dict[str, str]:
        """What the address asks for."""
        return dict(parse_qsl(urlsplit(self.driver.current_url).query))

    def chips(self) -> list[str]:
        """What the search is made of, where it is more than words."""
        return [" ".join(chip.text.split()) for chip in self.all("chip")]

    def facts(self) -> dict[str, str]:
        """The facts beside the larger view."""
        pairs = "[...document.querySelectorAll('.facts dt')].map(d => [d, d.nextElementSibling])"
        script = f"return {pairs}.map(p => p.map(e => e.textContent))"
        return dict(self.js(script))

    def focused(self) -> dict[str, str]:
        """`data-testid` and `data-id` of what has the focus."""
        return dict(self.js("return {...document.activeElement.dataset}"))

    def axe(self, *only: str) -> list[str]:
        """What axe-core finds wrong with the page as it is, once it has come to rest; by all of
        its rules, or `only` by these."""
        self.until(lambda: self.js(DRAWN), "all pictures in sight have come")
        return violations(self.driver, *only)

    def console(self) -> list[str]:
        """What the browser complained of since last asked. What its policies have forbidden is
        noted in `forbidden` too, whoever asks."""
        entries = self.driver.get_log("browser")
        said = [e["message"] for e in entries if e["level"] in ("WARNING", "SEVERE")]
        self.forbidden += [line for line in said if any(part in line.lower() for part in POLICIES)]
        return said

    def expected(self, *parts: str) -> None:
        """What the browser complained of so far is of these kinds, and is forgotten."""
        assert [line for line in self.console() if not any(part in line for part in parts)] == []

    # --- doing --------------------------------------------------------------------------------

    def click(
        self, name: str, nth: int = 0, of: Callable[[WebElement], bool] = lambda _: True
    ) -> None:
        """Press the `nth` of those that can be seen and `of` is true for, as soon as it can be
        pressed: not while it is being redrawn, or something on its way out still covers it."""

        def pressed() -> bool:
            wanted = list(filter(of, self.all(name)))[nth : nth + 1]
            if not wanted:
                return False
            try:
                wanted[0].click()
            except (ElementClickInterceptedException, ElementNotInteractableException):
                return False
            return True

        self.until(pressed, f"{name} can be pressed")

    def press(self, *keys: str) -> None:
        """Keys, to whatever has the focus."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def search(self, words: str) -> None:
        box = self.one("search")
        box.clear()
        box.send_keys(words, Keys.ENTER)
        self.until(lambda: self.driver.title.startswith(words), f"{words!r} is asked")
        self.settled()

    def choose(self, *files: Path) -> None:
        """Files, by the picker."""
        picker = self.driver.find_element(By.CSS_SELECTOR, '[data-testid="file-input"]')
        picker.send_keys("\n".join(map(str, files)))

    def uploaded(self, name: str, state: str = "ready") -> WebElement:
        """The row of an upload once it has ended, in the state it should end in."""

        def ended() -> WebElement | None:
            for row in self.all("upload-row"):
                if row.text.split("\n")[0] == name and row.get_attribute("data-state") in ENDS:
                    return row
            return None

        row: WebElement = self.until(ended, f"the upload of {name} ends")
        assert row.get_attribute("data-state") == state, row.text
        return row

    def rejected(self, image: str) -> WebElement:
        """Its row in the list of rejected files, which is opened if it is not."""
        if not self.all("rejected"):
            self.click("status-rejected")

        def row() -> WebElement | None:
            rows = self.all("rejected-item")
            return next((r for r in rows if r.get_attribute("data-id") == image), None)

        found: WebElement = self.until(row, "the rejected file is listed")
        return found

    def discard(self, image: str) -> None:
        """Delete a rejected file, in the list of them: press, and press again."""
        button = self.rejected(image).find_element(By.CSS_SELECTOR, "button")
        button.click()
        assert button.text == "Really delete?"
        button.click()
        gone = "return !document.querySelector(`#rejected [data-id='${arguments[0]}']`)"
        self.until(lambda: self.js(gone, image), "it is gone from the list")
