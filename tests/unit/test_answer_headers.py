"""What every answer says to browsers and caches, whichever route gave it."""

from __future__ import annotations

import pytest

import app as routes
from chalicelib.index.base import Write
from tests.unit.test_api import Site, serve
from tests.unit.test_search import record

ID = record(1).id
BODIES = {
    "/uploads": {"files": [{"name": "a.png", "size": 1}]},
    "/images": {"file": "QUJD"},
    "/search": {"text": "a cat"},
    "/dead-letters/redrive": {"all": True},
    "/dead-letters/discard": {"reason": "a test", "all": True},
}
ROUTES = sorted(
    (method, path)
    for path, methods in routes.app.routes.items()
    for method in methods
    if method != "OPTIONS"
)


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[f"{m} {p}" for m, p in ROUTES])
def test_no_answer_is_guessed_at_or_kept_for_others(
    method: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = serve(Site(), monkeypatch)
    site.index.write([Write(record(1, thumbnail_key="t/1.jpg"), None)])
    known = path.replace("{id}", ID) + ("?q=cat" if (method, path) == ("GET", "/search") else "")
    answer = site.call(method, known, BODIES.get(path) if method == "POST" else None)
    assert answer.status < 400, answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    directives = {part.strip() for part in answer.headers["cache-control"].split(",")}
    if answer.status == 302:
        # By the browser that may see it alone, and for less than the address is good for.
        (age,) = (d.removeprefix("max-age=") for d in directives if d.startswith("max-age="))
        assert directives == {"private", f"max-age={age}"}
        assert int(age) < site.settings.presign_seconds
    elif path == "/openapi.json":
        assert "no-store" not in directives
    else:
        assert directives == {"no-store"}
    assert not {"server", "x-powered-by", "access-control-allow-origin"} & set(answer.headers)
