"""A tiny model's calibration, made as a real one's is, from a few nouns and photos."""

from __future__ import annotations

from pathlib import Path

from models.calibrate import Source, calibrate
from tests.integration.pictures import jpeg

PHOTOS = 20


def calibrated(model: Path, number: int = 0) -> str:
    """Calibrate the model in the folder `model`; returns the version, another for each `number`."""
    photos = model.with_name(f"{model.name}-photos-{number}")
    photos.mkdir()
    for photo in range(PHOTOS):
        (photos / f"{photo}.jpg").write_bytes(jpeg(10_000 + PHOTOS * number + photo))
    nouns = [f"thing {number} {noun}" for noun in range(60)]
    return calibrate(model, Source(nouns, photos)).version
