"""A change of model, there and back, while photos come, change and go and people search."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from operator import le
from pathlib import Path
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.compare import Side, compare
from chalicelib.config import Settings
from chalicelib.errors import NotFound
from chalicelib.index.naming import index_name
from chalicelib.index.opensearch import OpenSearchIndex
from chalicelib.queries import SearchRequest
from chalicelib.reconcile import Report
from chalicelib.records import Filters, image_id
from container_embedder import reconciling
from tests.integration.gate import gate_before
from tests.integration.library_in_use import STABLE, Place, in_use
from tests.integration.local_stack import BUCKET, THUMBNAILS, environment
from tests.integration.pictures import jpeg
from tests.integration.processes import descendants, ended, eventually
from tests.unit import tiny_clip

STORES = ["embedded", "opensearch"]
BATCH = 16
"""Of one step of reconcile."""


@pytest.fixture
def s3_url(tmp_path: Path) -> Iterator[str]:
    """The S3 server of the one-machine stack, by itself, with both buckets."""
    command = [sys.executable, "-m", "local.server", "--data", str(tmp_path / "buckets")]
    command += ["--region", "us-east-1", "--bucket", BUCKET, "--bucket", THUMBNAILS]
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env=environment(AWS_ACCESS_KEY_ID="local", AWS_SECRET_ACCESS_KEY="local"),
    )  # fmt: skip
    with server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{json.loads(server.stdout.readline())['port']}"
        finally:
            server.kill()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(old, new): of no other test, so that their indexes are not either."""
    folder = tmp_path_factory.mktemp("models")
    old, new = (tiny_clip.build(folder / f"change-{n}", seed=100 + n) for n in range(2))
    return old, new


@pytest.fixture(params=STORES)
def settings(
    request: pytest.FixtureRequest,
    s3_url: str,
    models: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Settings]:
    """For the old model, with each kind of index."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    made = Settings(
        bucket=BUCKET,
        thumbnails_bucket=THUMBNAILS,
        endpoint=s3_url,
        region="us-east-1",
        index_folder=str(tmp_path / "index"),
        model_folder=str(models[0]),
        log_queries=False,
    )
    if request.param == "embedded":
        yield made
        return
    node = request.getfixturevalue("opensearch_node")
    made = replace(
        made,
        index="opensearch",
        opensearch_url=node.url,
        opensearch_auth="none",
        opensearch_replicas="0",
    )
    try:
        yield made
    finally:
        shelf = wiring.shelf_of(made)
        for model in models:
            with contextlib.suppress(NotFound):
                shelf.drop(name_of(made, model))


def with_model(settings: Settings, model: Path) -> Settings:
    return replace(settings, model_folder=str(model))


def name_of(settings: Settings, model: Path) -> str:
    clip = wiring.clip_of(with_model(settings, model))
    return index_name(clip.name, clip.fingerprint)


# --- there and back --------------------------------------------------------------------------


def change_model(place: Place, new: wiring.Services) -> tuple[Report, Report]:
    """As docs/operations.md says it; returns what the two runs of reconcile did."""
    old = place.deployed
    for name in ("changed", "gone"):
        place.put(f"between/{name}.jpg", jpeg(random.randrange(10**6)))
    seen_to(place)
    first = reconciling.run(new)
    sides = [Side("", services.index, services.clip) for services in (old, new)]
    eventually(
        lambda: compare(*sides, words=["red"], sample=5).coverage,
        lambda seen: seen.in_both >= STABLE,
    )
    # These only the old functions see.
    place.put("between/changed.jpg", jpeg(random.randrange(10**6)))
    place.put("between/new.jpg", jpeg(random.randrange(10**6)))
    place.delete("between/gone.jpg")
    seen_to(place)
    place.deploy(new)
    assert between(new) != between(old)
    return first, reconciling.run(new)


def seen_to(place: Place) -> None:
    """Waits until the deployed index says of "between" what the bucket says."""
    services = place.deployed
    now = {o.key: o.etag for o in services.bucket.list("between/")}
    eventually(lambda: between(services), lambda seen: seen == now)


def between(services: wiring.Services) -> dict[str, str]:
    """Key → etag, as the index has it."""
    ids = [image_id(BUCKET, f"between/{name}.jpg") for name in ("changed", "new", "gone")]
    found = [held.record for held in services.index.read(ids).values()]
    return {record.key: record.etag for record in found if record.state != "deleted"}


@pytest.fixture
def place(settings: Settings) -> Iterator[Place]:
    services = wiring.build(settings)
    place = Place(services)
    for number in range(STABLE):
        services.bucket.put(f"stable/{number}.jpg", jpeg(number), "image/jpeg")
    assert reconciling.run(services).results == {"indexed": STABLE}
    found = SearchRequest(text="red", filters=Filters(collection="stable"))
    eventually(lambda: services.search.search(found).total, lambda total: total == STABLE)
    yield place
    services.close()


@pytest.mark.timeout(600)
def test_the_model_is_changed_and_changed_back_and_nobody_notices(
    place: Place, settings: Settings, models: tuple[Path, Path]
) -> None:
    old = place.deployed
    new = wiring.build(with_model(settings, models[1]))
    with in_use(place):
        first, second = change_model(place, new)
    assert first.results["indexed"] >= STABLE
    assert 1 <= second.total < STABLE
    assert place.differences(new) == {}
    with in_use(place):
        first, second = change_model(place, old)
        eventually(lambda: place.searches >= 20)
    # Going back costs what has changed, no more.
    assert 1 <= first.total < STABLE
    assert 1 <= second.total < STABLE
    assert place.differences(old) == {}
    shelf = wiring.shelf_of(settings)
    assert {name_of(settings, model) for model in models} <= set(shelf.names())
    new.close()


# --- interrupted ------------------------------------------------------------------------------

COUNT = 120


def start(settings: Settings, model: Path, errors: Path) -> subprocess.Popen[str]:
    """`reconcile --model` as a person runs it, in a process group of its own."""
    command = [sys.executable, "-m", "container_embedder.batch_job", "reconcile", "--model"]
    with errors.open("a") as said:
        return subprocess.Popen(
            [*command, str(model)], stdout=subprocess.PIPE, stderr=said, text=True,
            env=environment(**settings.environment()), start_new_session=True,
        )  # fmt: skip


def test_an_interrupted_reconcile_goes_on_where_it_was(
    settings: Settings, models: tuple[Path, Path], tmp_path: Path
) -> None:
    errors = tmp_path / "errors.txt"
    new = wiring.build(with_model(settings, models[1]))
    for number in range(COUNT):
        new.bucket.put(f"{number}.jpg", jpeg(number), "image/jpeg")

    def indexed() -> int:
        if isinstance(new.index, OpenSearchIndex):
            new.index.refresh()
        return Counter(s.state for s in new.index.scan())["ready"]

    so_far = 0
    for how, wanted in ((signal.SIGKILL, 20), (signal.SIGINT, 60)):
        # The first run reads enough for two batches to be written, and less than the second is to
        # come to; of the second the last image never comes.
        let_through = 4 * BATCH - 2 if how == signal.SIGKILL else COUNT - so_far - 1
        with gate_before(settings.endpoint, let_through) as gate:
            job = start(replace(settings, endpoint=gate.url), models[1], errors)
            eventually(indexed, partial(le, wanted))
            children = descendants(job.pid)
            if how == signal.SIGKILL:
                job.kill()
            else:
                os.killpg(job.pid, how)
            gate.open()
            answer, _ = job.communicate(timeout=240)
            assert (job.returncode, answer) == (130 if how == signal.SIGINT else -how, "")
            ended(children)
        so_far = indexed()
        assert wanted <= so_far < COUNT
    said = errors.read_text()
    assert "the same command again goes on from here" in said
    assert "Traceback" not in said

    job = start(settings, models[1], errors)
    report: dict[str, Any] = json.loads(job.communicate(timeout=240)[0])
    assert job.returncode == 0
    assert report["results"] == {"indexed": COUNT - so_far}
    assert indexed() == COUNT
    # Embedded for nothing are at most the three batches at hand when a run was killed, and the one
    # when it was interrupted.
    thumbnails = len(list(new.thumbnails.list()))
    assert COUNT <= thumbnails <= COUNT + 4 * BATCH
    new.close()
