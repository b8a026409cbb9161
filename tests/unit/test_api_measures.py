"""What API and search measure, and what they log of requests that are not answered."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from chalicelib import measures, wiring
from chalicelib.config import Settings
from chalicelib.library import Library
from tests.unit.emf import Metric, metrics_in
from tests.unit.logs import captured
from tests.unit.test_api import Site

API = (("service", "api"),)
FILES = {"files": [{"name": f"{n}.jpg", "type": "image/jpeg", "size": 9} for n in range(3)]}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site()
    monkeypatch.setattr(wiring, "services", lambda: made.services)
    return made


@pytest.fixture
def _measured() -> Iterator[None]:
    measures.under("our-photos")
    yield
    measures.under("")


def written(capsys: pytest.CaptureFixture[str]) -> list[Metric]:
    return metrics_in(capsys.readouterr().out)


@pytest.mark.usefixtures("_measured")
def test_a_search_says_how_long_its_parts_took(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.known.put("x.png")
    site.known.ingest().process(["x.png"])
    answer = site.call("GET", "/search?q=x")
    assert answer.status == 200
    found = written(capsys)
    assert {(m.namespace, m.dimensions, m.unit) for m in found} == {
        ("our-photos", API, "Milliseconds")
    }
    assert {m.name: m.values for m in found} == {
        f"Search{part.title()}": (spent,) for part, spent in answer.json["timings_ms"].items()
    }


@pytest.mark.usefixtures("_measured")
def test_a_search_without_an_answer_is_counted(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.call("GET", "/search?q=nothing")
    assert [m.values for m in written(capsys) if m.name == "NoAnswer"] == [(1,)]


@pytest.mark.usefixtures("_measured")
def test_uploads_are_counted_by_files(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with captured() as log:
        assert site.call("POST", "/uploads", FILES).status == 201
        picture = base64.b64encode(b"picture").decode()
        assert site.call("POST", "/images", {"file": picture}).status == 201
    assert written(capsys) == [
        Metric("our-photos", API, "Uploads", "Count", (count,)) for count in (3, 1)
    ]
    said = [(line["message"], line["owner"], line["files"], line["bytes"]) for line in log()]
    assert said == [("upload", "", 3, 27), ("upload", "", 1, 7)]


@pytest.mark.usefixtures("_measured")
def test_errors_of_ours_are_counted_by_code_and_callers_are_only_logged(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with captured() as log:
        assert site.call("GET", "/search").status == 400
        assert site.call("PUT", "/search").status == 405
        site.index.down = True
        answer = site.call("GET", "/search?q=x")
    assert answer.status == 503
    dimensions = (("code", "index_unavailable"), ("service", "api"))
    assert written(capsys) == [Metric("our-photos", dimensions, "Errors", "Count", (1,))]
    said = [(line["level"], line["message"], line["code"]) for line in log()]
    assert said == [
        ("INFO", "request refused", "invalid_request"),
        ("INFO", "request refused", "method_not_allowed"),
        ("ERROR", "request failed", "index_unavailable"),
    ]
    last = log()[-1]
    assert last["request_id"] == answer.json["error"]["request_id"]
    assert last["reason"] == answer.json["error"]["message"]


@pytest.mark.usefixtures("_measured")
def test_a_fault_of_ours_is_an_error_too(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Library, "list", broken)
    with captured() as log:
        assert site.call("GET", "/images").status == 500
    (error,) = written(capsys)
    assert error.dimensions == (("code", "internal"), ("service", "api"))
    assert [line["code"] for line in log() if line["message"] == "request failed"] == ["internal"]


def test_without_a_namespace_nothing_is_written(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.call("POST", "/uploads", FILES)
    site.call("GET", "/search?q=x")
    site.index.down = True
    site.call("GET", "/search?q=x")
    assert "_aws" not in capsys.readouterr().out


def test_the_namespace_is_a_setting() -> None:
    least = {"IMAGES_BUCKET": "a", "IMAGES_THUMBNAILS_BUCKET": "b"}
    assert Settings.load(least).metrics == ""
    assert Settings.load(least | {"IMAGES_METRICS": "our-photos"}).metrics == "our-photos"
