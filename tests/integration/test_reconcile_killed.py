"""Reconcile in several processes at once, killed anywhere, while events go on."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.records import image_id
from container_embedder.reconciling import BATCH
from tests.integration.gate import Gate, gate_before
from tests.integration.local_stack import BUCKET
from tests.integration.pictures import jpeg
from tests.integration.processes import descendants, ended, eventually
from tests.integration.untold import finished, start, untold_photos

LET_THROUGH = 62
"""Images that a job may read before it waits to be killed. Two batches are read at once and none
is written before two are embedded, so that is what it takes for some to be written for certain."""
COUNT = 2 * 3 * LET_THROUGH + 8
"""More than two jobs, killed three times, can come to."""
AT_HAND = 3 * BATCH["cpu"]
"""Images that a job that is killed may have embedded and not written."""


@pytest.fixture
def services(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[wiring.Services]:
    """Over the S3 server of the one-machine stack, with objects that no event told of."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with untold_photos(tmp_path / "data", tiny, COUNT) as services:
        yield services


def held(services: wiring.Services) -> AbstractContextManager[Gate]:
    return gate_before(services.settings.endpoint, LET_THROUGH)


def ready(services: wiring.Services) -> int:
    return services.index.counts()["ready"]


def killed(job: subprocess.Popen[str]) -> None:
    children = descendants(job.pid)
    job.kill()
    job.communicate()
    ended(children)


def differences(services: wiring.Services) -> dict[str, Any]:
    objects = {(o.key, o.etag) for o in services.bucket.list()}
    records = [s for s in services.index.scan() if s.state != "deleted"]
    thumbnails = {o.key for o in services.thumbnails.list()}
    faults = {
        "otherwise": objects ^ {(s.key, s.etag) for s in records},
        "no thumbnail": {s.thumbnail_key for s in records} - thumbnails,
    }
    return {name: fault for name, fault in faults.items() if fault}


@pytest.mark.timeout(600)
def test_shards_that_are_killed_and_run_again_embed_everything_about_once(
    services: wiring.Services,
) -> None:
    kills = 0
    for wanted in (1, 40, 80):
        before = ready(services)
        with held(services) as one, held(services) as other:
            gates = enumerate((one, other))
            jobs = [start(services, "--shard", f"{n}/2", endpoint=gate.url) for n, gate in gates]
            eventually(lambda: ready(services), lambda seen, b=before, w=wanted: seen > max(b, w))  # type: ignore[misc]
            for job in jobs:
                killed(job)
                kills += 1
        assert ready(services) < COUNT
    reports = [finished(job) for job in [start(services, "--shard", f"{n}/2") for n in range(2)]]
    assert sum(report["listed"] for report in reports) == COUNT
    assert ready(services) == COUNT
    assert differences(services) == {}
    embedded = len(list(services.thumbnails.list()))
    assert COUNT <= embedded <= COUNT + kills * AT_HAND
    assert finished(start(services))["total"] == 0


@pytest.mark.timeout(600)
def test_events_and_a_reconcile_at_once_end_as_the_bucket_is(services: wiring.Services) -> None:
    chance = random.Random(7)
    job = start(services)
    eventually(lambda: ready(services))
    deeds = 0
    while job.poll() is None or deeds < 60:
        key = f"a/{chance.randrange(COUNT)}.jpg"
        if chance.random() < 0.4:
            services.bucket.delete(key)
        else:
            services.bucket.put(key, jpeg(1000 + deeds), "image/jpeg")
        outcome = services.ingest.process([key])[key]
        assert outcome.result != "failed", outcome
        deeds += 1
        record = services.index.read([image_id(BUCKET, key)])[image_id(BUCKET, key)].record
        now = {o.key: o.etag for o in services.bucket.list(key)}
        assert now.get(key, "") == record.etag
    report = finished(job)
    assert report["done"] == report["total"] == COUNT
    assert differences(services) == {}
