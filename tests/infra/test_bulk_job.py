"""The job definition's own command, run as a process over a small library."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.records import image_id
from chalicelib.sharding import Shard
from tests.infra.bulk_stacks import bulk
from tests.integration.untold import untold_photos

pytestmark = pytest.mark.xdist_group("bulk_stacks")

ROOT = Path(__file__).resolve().parents[2]
COUNT = 12


@pytest.fixture
def services(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[wiring.Services]:
    """A library whose bucket holds photos that no event told of."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with untold_photos(tmp_path / "data", tiny, COUNT) as services:
        yield services


def image_said(dockerfile: str, instruction: str) -> str:
    """The last line of the image that begins so."""
    text = (ROOT / "container_embedder" / dockerfile).read_text().replace("\\\n", " ")
    stage = text.split("AS function")[0]
    return re.findall(rf"^{instruction} (.*)$", stage, re.MULTILINE)[-1]


def command_of(kind: str) -> list[str]:
    """What Batch starts: the image's entry point and the definition's command."""
    entry = json.loads(
        image_said("Dockerfile.gpu" if kind == "gpu" else "Dockerfile", "ENTRYPOINT")
    )
    assert entry[0] == "python3"
    return [sys.executable, *entry[1:], *container(kind)["Command"]]


def container(kind: str) -> dict[str, Any]:
    name = f"image-intellisense-reconcile-{kind}"
    found = bulk().one("AWS::Batch::JobDefinition", JobDefinitionName=name)
    properties: dict[str, Any] = found["ContainerProperties"]
    return properties


def environment_of(kind: str, services: wiring.Services, **more: str) -> dict[str, str]:
    """The image's and the definition's variables, with the test's places in place of AWS's."""
    image = dict(each.split("=", 1) for each in shlex.split(image_said("Dockerfile", "ENV")))
    assert image["IMAGES_MODEL_FOLDER"] == "/var/task/model"
    said = {each["Name"]: each["Value"] for each in container(kind)["Environment"]}
    assert not [name for name in said if not name.startswith("IMAGES_")]
    places = services.settings
    here = {
        "IMAGES_BUCKET": places.bucket,
        "IMAGES_THUMBNAILS_BUCKET": places.thumbnails_bucket,
        "IMAGES_ENDPOINT": places.endpoint,
        "IMAGES_S3_ENDPOINT": places.s3_endpoint,
        "IMAGES_REGION": places.region,
        "IMAGES_INDEX": "embedded",
        "IMAGES_INDEX_FOLDER": places.index_folder,
        "IMAGES_MODEL_FOLDER": places.model_folder,
    }
    plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    image.pop("PYTHONPATH")
    return {**plain, **keys, **image, **said, **here, **more}


def start(kind: str, services: wiring.Services, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command_of(kind), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env=environment_of(kind, services, **more),
    )  # fmt: skip


def finished(job: subprocess.Popen[str]) -> dict[str, Any]:
    answer, said = job.communicate(timeout=240)
    assert job.returncode == 0, said
    report: dict[str, Any] = json.loads(answer)
    return report


def ready(services: wiring.Services) -> int:
    return services.index.counts()["ready"]


def test_the_job_brings_the_library_up_to_date_and_tells_its_cost(
    services: wiring.Services,
) -> None:
    report = finished(start("cpu", services))
    assert ready(services) == COUNT
    assert report["results"] == {"indexed": COUNT}
    assert report["shard"] == "0/1"
    assert report["cost_usd"] >= 0
    again = finished(start("cpu", services))
    assert again["same"] == COUNT
    assert again["total"] == 0


def test_children_of_an_array_job_share_the_library(services: wiring.Services) -> None:
    array = {"AWS_BATCH_JOB_ARRAY_SIZE": "2"}
    children = [start("cpu", services, **array, AWS_BATCH_JOB_ARRAY_INDEX=n) for n in "01"]
    reports = [finished(child) for child in children]
    assert [report["shard"] for report in reports] == ["0/2", "1/2"]
    mine = [
        sum(
            Shard.parse(f"{n}/2").holds(image_id(services.settings.bucket, f"a/{k}.jpg"))
            for k in range(COUNT)
        )
        for n in range(2)
    ]
    assert [report["done"] for report in reports] == mine
    assert ready(services) == sum(mine) == COUNT


def test_the_job_for_gpus_does_not_start_without_one(services: wiring.Services) -> None:
    job = start("gpu", services)
    answer, said = job.communicate(timeout=240)
    assert (job.returncode, answer) == (1, "")
    assert "cuda" in said.lower()
    assert ready(services) == 0
