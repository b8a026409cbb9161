"""A calibrated model on one machine: answers end somewhere, and a change places images anew."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib import wiring
from chalicelib.queries import SearchRequest
from chalicelib.thresholds import NOTE, Measured
from tests.integration.gate import gate_before
from tests.integration.local_stack import run_local, running
from tests.integration.pictures import jpeg, plain
from tests.integration.processes import descendants, ended, eventually
from tests.integration.untold import finished, start, untold_photos
from tests.unit import tiny_clip
from tests.unit.tiny_calibration import calibrated

COUNT = 90


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_clip.build(tmp_path / "model")


@pytest.fixture
def library(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[wiring.Services]:
    """Over the S3 server of the one-machine stack, with objects that no event told of."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with untold_photos(tmp_path / "data", model, COUNT) as services:
        yield services


def placed(library: wiring.Services) -> Counter[str]:
    """How many images are searchable, by the version of the calibration they are placed by."""
    return Counter(s.calibration for s in library.index.scan() if s.state == "ready")


@pytest.mark.timeout(600)
def test_a_run_that_is_killed_and_run_again_places_every_image_anew(
    library: wiring.Services, model: Path
) -> None:
    versions = [calibrated(model)]
    assert finished(start(library))["results"] == {"indexed": COUNT}
    assert placed(library) == {versions[0]: COUNT}
    versions.append(calibrated(model, 1))
    with gate_before(library.settings.endpoint, COUNT - 1) as gate:
        job = start(library, endpoint=gate.url)
        eventually(lambda: placed(library)[versions[1]])
        children = descendants(job.pid)
        job.kill()
        job.communicate()
        ended(children)
    seen = placed(library)
    assert (seen.total(), set(seen)) == (COUNT, set(versions))
    left = placed(library)[versions[0]]
    report = finished(start(library))
    assert (report["causes"], report["results"]) == ({"calibration": left}, {"indexed": left})
    assert placed(library) == {versions[1]: COUNT}
    found = Measured.from_json(library.index.note(NOTE))
    assert found is not None
    assert (found.calibration, found.ready) == (versions[1], COUNT)
    assert finished(start(library))["total"] == 0
    with closing(wiring.build(library.settings)) as fresh:
        page = fresh.search.search(SearchRequest(text="red", closest=True))
        assert (page.total, page.threshold) == (COUNT, found.texts)


@pytest.mark.timeout(600)
def test_a_stack_on_one_machine_sees_at_its_start_that_its_model_was_calibrated(
    model: Path, tmp_path: Path
) -> None:
    count = 12
    with running(tmp_path / "data", model) as stack:
        for number in range(count):
            stack.put(f"a/{number}.jpg", jpeg(number))
        eventually(lambda: len(stack.records()), lambda seen: seen == count)
        eventually(stack.reports)
        assert "has no calibration" in stack.said
        assert {r.calibration for r in stack.records()} == {""}
    version = calibrated(model)
    with running(tmp_path / "data", model) as stack:
        eventually(stack.reports, lambda reports: len(reports) == 2)
        assert stack.reports()[-1]["causes"] == {"calibration": count}
        assert {r.calibration for r in stack.records()} == {version}
        assert "has no calibration" not in stack.said
        measured = eventually(
            lambda: [x for x in stack.log("worker") if x.get("message") == "thresholds"]
        )
        assert measured[-1]["ready"] == count
        assert stack.differences().keys() <= {"thumbnail of nothing"}


@pytest.mark.timeout(600)
def test_once_answers_up_to_the_cut_off_and_with_closest_beyond_it(
    model: Path, tmp_path: Path
) -> None:
    model, photos, data = (
        tiny_clip.build(tmp_path / "model"),
        tmp_path / "photos",
        tmp_path / "data",
    )
    calibrated(model)
    photos.mkdir()
    for colour in ("red", "green", "blue"):
        (photos / f"{colour}.jpg").write_bytes(plain(colour))
    done = run_local(data, model, "--photos", photos, "--once", "blue", "--limit", "1")
    assert re.fullmatch(r" +100%  photos/[0-9a-z]{26}/blue\.jpg\n", done.stdout)
    done = run_local(data, model, "--once", "qwxz vbnm")
    assert done.stdout == ""
    assert done.stderr.endswith("Nothing here matches. --closest shows the closest.\n")
    done = run_local(data, model, "--once", "qwxz vbnm", "--closest")
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr.endswith("Nothing here matches.\n")
