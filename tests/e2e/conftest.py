"""One stack and one browser for all tests here."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests import needs
from tests.e2e.browser import Page, start_chromium
from tests.integration.local_stack import LocalStack, running

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
    """The page, not yet opened. Whatever a test does, the console stays clean."""
    page = Page(driver, site.url)
    page.console()
    yield page
    complaints = page.console()
    page.leave()
    assert complaints == []


@pytest.fixture
def photo(samples: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a copy of a sample photo under the name that a test gives it."""

    def make(name: str, of: str = "chelsea-the-cat.png") -> Path:
        return Path(shutil.copy(samples / of, tmp_path / name))

    return make
