"""One stack and one browser for all tests here."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests import needs
from tests.e2e.browser import Page, start_chromium
from tests.e2e.looks import SIZES
from tests.e2e.member import ADMIN, READER, UPLOADER, MemberPage
from tests.e2e.oidc_server import OidcServer, providing
from tests.e2e.upload_way import UploadWay, upload_way
from tests.integration.local_stack import LocalStack, running
from tests.integration.processes import eventually

SEEDS = ("chelsea-the-cat.png", "clock.png", "rocket.jpg")
"""Photos that are there from the start, in the collection "seeds"."""


@pytest.fixture(scope="session")
def site(
    starter: Path, samples: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalStack]:
    """A stack of our own, since the page shows all that is in one; it holds the seeds."""
    folder = tmp_path_factory.mktemp("site")
    seeds = folder / "seeds"
    seeds.mkdir()
    for name in SEEDS:
        shutil.copy(samples / name, seeds)
    with running(folder / "data", starter, "--photos", seeds) as stack:
        yield stack.loaded()


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    found = needs.chromium()
    if found is None:
        pytest.fail(needs.GET_CHROMIUM)
    driver = start_chromium(found, tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def page(driver: Chrome, site: LocalStack) -> Iterator[Page]:
    """The page, not yet opened, and watched for what it complains of."""
    with Page(driver, site.url).watched() as page:
        yield page


@pytest.fixture(params=list(SIZES))
def page_at(request: pytest.FixtureRequest, page: Page) -> Page:
    """The page on a phone's screen and on a laptop's: each test runs at both."""
    page.of_size(request.param)
    return page


@pytest.fixture
def photo(samples: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a copy of a sample photo under the name that a test gives it."""

    def make(name: str, of: str = "chelsea-the-cat.png") -> Path:
        return Path(shutil.copy(samples / of, tmp_path / name))

    return make


@pytest.fixture(scope="session")
def quick(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack whose model costs nothing, for hundreds of files."""
    with running(tmp_path_factory.mktemp("quick") / "data", tiny) as stack:
        yield stack.loaded()


@pytest.fixture
def way(quick: LocalStack) -> Iterator[UploadWay]:
    """What lies between the page and the quick stack."""
    with upload_way(quick.url) as way:
        yield way


@pytest.fixture
def room(driver: Chrome, way: UploadWay) -> Iterator[Page]:
    """The page of the quick stack, by that way."""
    with Page(driver, way.url).watched() as page:
        yield page


@pytest.fixture(scope="session")
def pool() -> Iterator[OidcServer]:
    with providing(ADMIN, UPLOADER, READER) as server:
        yield server


@pytest.fixture(scope="session")
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
        answer = eventually(
            lambda: stack.request("POST", "/uploads", json=body, headers=key),
            lambda a: a.ok,  # the service's keys may not come in time at first
        )
        stack.s3_url = answer.json()["uploads"][0]["post"]["url"].rpartition("/")[0]
        seeds = [stack.put(f"seeds/{n}", (samples / n).read_bytes()) for n in SEEDS]
        for seed in seeds:
            at = f"/images/{seed}"
            eventually(lambda at=at: stack.request("GET", at, headers=key).status_code == 200)
        yield stack


@pytest.fixture
def member(driver: Chrome, guarded: LocalStack, pool: OidcServer) -> Iterator[MemberPage]:
    """A tab of its own in a browser that keeps nothing of this site yet."""
    pool.lifetime, pool.issued_ago, pool.rotates, pool.down = 3600.0, 0.0, False, False
    pool.forget_all()
    pool.asked.clear()
    first = driver.current_window_handle
    driver.switch_to.new_window("tab")
    data = {"origin": guarded.url, "storageTypes": "all"}
    driver.execute_cdp_cmd("Storage.clearDataForOrigin", data)
    driver.execute_cdp_cmd("Storage.clearCookies", {})
    try:
        with MemberPage(driver, guarded, pool).watched() as page:
            yield page
    finally:
        for window in driver.window_handles:
            if window != first:
                driver.switch_to.window(window)
                driver.close()
        driver.switch_to.window(first)
