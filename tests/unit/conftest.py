"""A library as the batch job finds it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chalicelib.config import Settings
from tests.integration.pictures import jpeg
from tests.unit import tiny_clip
from tests.unit.job_place import COUNT, Place


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model with other weights."""
    return tiny_clip.build(tmp_path_factory.mktemp("models") / "other", seed=1)


@pytest.fixture
def place(
    endpoint: str,
    tiny: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Place:
    number = abs(hash(request.node.nodeid)) % 10**12
    settings = Settings(
        bucket=f"photos-{number}",
        thumbnails_bucket=f"small-{number}",
        endpoint=endpoint,
        region="us-east-1",
        index_folder=str(tmp_path / "index"),
        model_folder=str(tiny),
        decoders=1,
    )
    for name in [n for n in os.environ if n.startswith(("AWS_", "IMAGES_"))]:
        monkeypatch.delenv(name)
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    for name, value in (settings.environment() | keys).items():
        monkeypatch.setenv(name, value)
    made = Place(settings, capsys)
    for bucket in (settings.bucket, settings.thumbnails_bucket):
        made.s3.create_bucket(Bucket=bucket)
    return made


@pytest.fixture
def full(place: Place) -> Place:
    for number in range(COUNT):
        place.photos.put(f"a/{number}.jpg", jpeg(number), "image/jpeg")
    return place
