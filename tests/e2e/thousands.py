"""A stack with thousands of images: their records written straight into its index, since what is
tested with them is the page. They share a few thumbnails."""

from __future__ import annotations

import base64
import hashlib
import io
from datetime import datetime, timedelta, timezone

import numpy as np
from PIL import Image

from chalicelib import wiring
from chalicelib.clip import load_clip
from chalicelib.config import Settings
from chalicelib.index.base import Write
from chalicelib.records import ImageRecord, image_id
from tests.integration.local_stack import BUCKET, THUMBNAILS, LocalStack

SHAPES = ((3, 2), (2, 3), (4, 3), (1, 1), (16, 9), (9, 16), (7, 1), (1, 4))
"""Width by height; the last two are too wide and too narrow for a place of their own shape."""

NEWEST = datetime(2024, 6, 1, tzinfo=timezone.utc)
COLOURS = ("red", "green", "blue")


def fill(stack: LocalStack, count: int, *, first: int = 0) -> list[str]:
    """Puts images `first` and on there, each older than the one before; returns their ids."""
    for n, (width, height) in enumerate(SHAPES):
        picture = Image.new("RGB", (40 * width, 40 * height), (60 + 20 * n, 120, 200 - 20 * n))
        file = io.BytesIO()
        picture.save(file, "JPEG")
        stack.s3.put_object(
            Bucket=THUMBNAILS, Key=f"{n}.jpg", Body=file.getvalue(), ContentType="image/jpeg"
        )
    clip = load_clip(stack.model)
    settings = Settings(
        bucket=BUCKET,
        thumbnails_bucket=THUMBNAILS,
        index="embedded",
        index_folder=str(stack.data / "index"),
    )
    index = wiring.index_of(settings, clip)
    vectors = clip.embed_texts([f"a {colour} picture" for colour in COLOURS])
    records = [_record(n, vectors[n % len(COLOURS)], clip) for n in range(first, first + count)]
    try:
        outcomes = index.write([Write(record, None) for record in records])
    finally:
        index.close()
    assert set(outcomes) == {"written"}
    return [record.id for record in records]


def _record(n: int, vector: np.ndarray, clip: object) -> ImageRecord:
    width, height = SHAPES[n % len(SHAPES)]
    noise = np.random.default_rng(n).standard_normal(len(vector)) * 0.02
    mixed = vector + noise
    key = f"many/{n}.jpg"
    return ImageRecord(
        id=image_id(BUCKET, key),
        bucket=BUCKET,
        key=key,
        name=f"{n}.jpg",
        collection=("many", "few")[n % 2],
        state="ready",
        indexed_at=NEWEST,
        etag=hashlib.md5(key.encode(), usedforsecurity=False).hexdigest(),
        format="jpeg",
        width=400 * width,
        height=400 * height,
        uploaded_at=NEWEST - timedelta(minutes=n),
        sha256=hashlib.sha256(key.encode()).hexdigest(),
        model=str(getattr(clip, "fingerprint", "")),
        thumbnail_key=f"{n % len(SHAPES)}.jpg",
        placeholder=base64.b64encode(hashlib.sha512(key.encode()).digest()[:36]).decode(),
        vector=(mixed / np.linalg.norm(mixed)).astype(np.float32),
    )
