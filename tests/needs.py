"""`python -m tests.needs`: make what the tests need, and say what is missing and how to get it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from chalicelib.errors import IntellisenseError
from local.samples import sample_photos
from models.cache import cache_folder
from models.starter import build_starter
from tests import opensearch_server, versitygw_server
from tests.e2e.axe import axe_script
from tests.hostile.corpora import corpora

GET_CHROMIUM = (
    "The tests of the page need Chromium and its driver. Debian and Ubuntu: "
    "apt install chromium chromium-driver; macOS: brew install --cask chromium chromedriver; "
    "or name them: CHROMIUM=… CHROMEDRIVER=…"
)

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class Chromium(NamedTuple):
    browser: Path
    driver: Path


def chromium() -> Chromium | None:
    """Those that CHROMIUM and CHROMEDRIVER name, else those on the PATH."""
    browser = _program("CHROMIUM", *_BROWSERS)
    driver = _program("CHROMEDRIVER", "chromedriver")
    return Chromium(browser, driver) if browser and driver else None


def _program(variable: str, *names: str) -> Path | None:
    named = os.environ.get(variable)
    found = [path for name in ((named,) if named else names) if (path := shutil.which(name))]
    return Path(found[0]) if found else None


def _starter(cache: Path) -> None:
    if not os.environ.get("INTELLISENSE_STARTER"):
        build_starter(cache / "models" / "starter", cache)


_PARTS: list[tuple[Callable[[Path], object], str]] = [
    (_starter, "The starter model was not built"),
    (lambda _: versitygw_server.make_ready(), "The S3 server that enforces policies was not built"),
    (sample_photos, "The sample photos were not made"),
    (corpora, "The odd pictures of other projects were not fetched"),
    (axe_script, "axe-core was not fetched"),
    (lambda _: opensearch_server.make_ready(), "OpenSearch was not made ready"),
]
"""What makes each part under the cache, and what to say where it did not come about."""


def _missing(part: tuple[Callable[[Path], object], str]) -> str | None:
    make, sentence = part
    try:
        make(cache_folder())
    except IntellisenseError as error:
        return f"{sentence}: {error.message}"
    return None


def _made() -> list[str]:
    """Make model, pictures and servers, two at a time; returns what did not come about."""
    with ThreadPoolExecutor(2) as threads:
        return [sentence for sentence in threads.map(_missing, _PARTS) if sentence]


def main() -> int:
    missing = _made()
    if chromium() is None:
        missing.append(GET_CHROMIUM)
    for sentence in missing:
        print(f"missing: {sentence}", file=sys.stderr)  # noqa: T201
    if not missing:
        return 0
    if os.environ.get("CI"):
        return 1
    print("The tests that need it say so; all others run.", file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
