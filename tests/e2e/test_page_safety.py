"""The page does what it was written to do and nothing else, whatever a name or a file says."""

from __future__ import annotations

import pytest

from tests.e2e.browser import Page

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]

WAYS_IN = {
    "a script in the page": "const s = document.createElement('script');"
    "s.append('window.ran = true'); document.body.append(s);",
    "a handler in an attribute": "document.body.setAttribute('onclick', 'window.ran = true');",
    "a style in an attribute": "document.body.setAttribute('style', 'color: red');",
    "a style in the page": "const s = document.createElement('style');"
    "s.append('body { color: red }'); document.body.append(s);",
    "markup from a text": "document.body.innerHTML = '<b>x</b>';",
    "code from a text": "window.setTimeout('window.ran = true');",
    "another site's API": "fetch('https://example.org/').catch(() => {});",
    "another site's picture": "new Image().src = 'https://example.org/x.png';",
    "another site's frame": "const f = document.createElement('iframe');"
    "f.src = 'https://example.org/'; document.body.append(f);",
    "a form to another site": "const f = document.createElement('form');"
    "f.action = 'https://example.org/'; document.body.append(f); f.submit();",
    "another base": "const b = document.createElement('base');"
    "b.href = 'https://example.org/'; document.head.append(b);",
    "a worker": "try { new Worker('js/main.js') } catch {}",
    "a policy for Trusted Types": "try { trustedTypes.createPolicy('any', {}) } catch {}",
}


def test_the_policies_forbid_each_way_in_and_that_is_noticed(page: Page) -> None:
    page.open("/?collection=none-such")
    color = page.js("return getComputedStyle(document.body).color")

    def noticed() -> bool:
        page.console()
        return bool(page.forbidden)

    for way, script in WAYS_IN.items():
        page.js(f"try {{ {script} }} catch (error) {{ console.error(String(error)) }}")
        page.until(noticed, f"the browser says that a policy forbids {way}")
        page.forbidden.clear()
        assert page.js("document.body.click(); return window.ran") is None, way
    assert page.js("return getComputedStyle(document.body).color") == color
    # What is noticed twice may be told of once more, later.
    page.leave()
    page.console()
    page.forbidden.clear()
