"""axe-core: what on a screen keeps someone out. It is taken at set-up out of a pinned, hashed
wheel, read as data, never committed; its licence is in NOTICE.

The page's policies forbid code from a text, so that axe runs as a browser's extension would: in a
world of its own beside the page's scripts, which the DevTools protocol makes
(https://chromedevtools.github.io/devtools-protocol/tot/Page/#method-createIsolatedWorld).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome

from models.cache import cache_folder
from models.wheels import get_wheels, read_from_wheel

LOCK = Path(__file__).with_name("axe-wheel.lock")
WHEEL, FILE = "axe-playwright-python", "axe_playwright_python/axe.min.js"

RUN = """
((only) => axe.run(document, {resultTypes: ["violations"],
    ...(only.length ? {runOnly: only} : {rules: {"target-size": {enabled: true}}})})
  .then(({violations}) => violations.flatMap(({id, impact, nodes}) => nodes.map((node) =>
    `${impact} ${id}: ${node.target.join(" ")}: ${node.failureSummary.replace(/\\s+/g, " ")}`)))
)(%s)
"""
"""All rules of WCAG 2.2 A and AA and of good practice. That of small targets (2.5.8) is off
unless asked for (https://github.com/dequelabs/axe-core/blob/develop/doc/rule-descriptions.md)."""


def axe_script(cache: Path) -> Path:
    """The script under `cache`, made when it is not there.

    Raises `Transient` when its wheel cannot be fetched, `ModelError` when it is another one.
    """
    file = cache / "axe" / "axe.min.js"
    if not file.is_file():
        wheel = get_wheels(cache / "wheels", lock=LOCK)[WHEEL]
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_bytes(read_from_wheel(wheel, FILE))
        part.replace(file)
    return file


COLOURS = ("color-contrast", "link-in-text-block")
"""The rules that look at colours."""


def violations(driver: Chrome, *only: str) -> list[str]:
    """What axe finds on the page as it is: weight, rule, element and what is wrong with it. By
    all rules, or `only` by these."""
    tree = driver.execute_cdp_cmd("Page.getFrameTree", {})
    world = {"frameId": tree["frameTree"]["frame"]["id"], "worldName": "axe"}
    context = driver.execute_cdp_cmd("Page.createIsolatedWorld", world)["executionContextId"]

    def evaluate(script: str) -> Any:
        asked = {"expression": script, "contextId": context, "awaitPromise": True}
        answer = driver.execute_cdp_cmd("Runtime.evaluate", {**asked, "returnByValue": True})
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    if evaluate("typeof axe") != "object":
        evaluate(axe_script(cache_folder()).read_text(encoding="utf-8") + ";0")
    return list(evaluate(RUN % json.dumps(only)))
