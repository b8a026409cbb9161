"""Labelled photos in the index of one machine, as ingest would have put them there."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bench.quality_photos import Photo
from chalicelib.clip import Clip
from chalicelib.clip.calibration import Calibration
from chalicelib.errors import Permanent
from chalicelib.index.base import Write
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.records import ImageRecord, image_id

Rows = NDArray[np.float32]

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
BATCH = 32
IMAGES_TIMED = 100
INGESTED = 10
"""Photos in one invocation of the embedder (infra: the queue's batch size)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Photos as a model sees them: `rows` are unit vectors, float32 [N, D], of `photos`, which lack
    those that cannot be read. Seconds for one, in batches."""

    photos: list[Photo]
    rows: Rows
    seconds: float


def seen_by(clip: Clip, photos: list[Photo]) -> Seen:
    """Progress goes to stderr. Raises ModelError where the model fails."""
    rows: list[Rows] = []
    good: list[Photo] = []
    started = time.perf_counter()
    for first in tqdm(range(0, len(photos), BATCH), desc="photos", disable=None, leave=False):
        batch = photos[first : first + BATCH]
        found = clip.embed_images_each([photo.path.read_bytes() for photo in batch])
        for photo, row in zip(batch, found, strict=True):
            if not isinstance(row, Permanent):
                rows.append(row)
                good.append(photo)
    seconds = (time.perf_counter() - started) / max(1, len(photos))
    return Seen(good, np.stack(rows) if rows else np.empty((0, clip.dim), np.float32), seconds)


def id_of(number: int) -> str:
    """The id of the photo in place `number`."""
    return image_id("bench", f"{number:07}")


@contextmanager
def filled(rows: Rows, calibration: Calibration | None) -> Iterator[EmbeddedIndex]:
    """An index of the photos with these unit vectors, calibrated where there is one. Their names
    say nothing, so that only meaning finds them."""
    responses = np.zeros(len(rows), np.float32)
    if calibration is not None:
        rows, responses = calibration.stored(rows)
    version = "" if calibration is None else calibration.version
    with tempfile.TemporaryDirectory(prefix="quality-") as folder:
        index = EmbeddedIndex(Path(folder), dim=rows.shape[1], model="bench")
        with closing(index):
            index.ensure()
            records = [
                ImageRecord(
                    id=id_of(number),
                    bucket="bench",
                    key=f"{number:07}",
                    name=f"{number:07}",
                    collection="",
                    state="ready",
                    etag=f"{number:032x}",
                    uploaded_at=NOW,
                    indexed_at=NOW,
                    vector=row,
                    response=float(response),
                    calibration=version,
                )
                for number, (row, response) in enumerate(zip(rows, responses, strict=True))
            ]
            index.write([Write(record, None) for record in records])
            yield index


def seconds_to_calibrate(rows: Rows, calibration: Calibration) -> float:
    """What one image costs at ingest, the median of some batches as the embedder has them."""
    taken = []
    calibration.stored(rows[:1])
    for first in range(0, min(IMAGES_TIMED, len(rows)), INGESTED):
        batch = rows[first : first + INGESTED]
        started = time.perf_counter()
        calibration.stored(batch)
        taken.append((time.perf_counter() - started) / len(batch))
    return median(taken)
