"""The third step of ingest up to the index: pixels become vectors, thumbnails are kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from chalicelib.errors import Transient, UnusableVector
from chalicelib.storage import Fetched
from chalicelib.thumbnails import Thumbnails
from chalicelib.verdicts import Attempt, Calibrated

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PUTS = 8
"""Thumbnails put at a time."""


class PixelEncoder(Calibrated, Protocol):
    def embed_pixels(self, pixels: NDArray[np.uint8], /) -> NDArray[np.float32]: ...


class Embedder:
    """Gives attempts their vectors, and puts their thumbnails."""

    def __init__(self, *, encoder: PixelEncoder, thumbnails: Thumbnails) -> None:
        self._encoder = encoder
        self._thumbnails = thumbnails

    def embed(self, attempts: Sequence[Attempt]) -> None:
        """One inference batch of what was decoded and has no vector yet; meanwhile its thumbnails
        are put."""
        ready = [a for a in attempts if a.prepared and a.vector is None and not a.ended]
        if not ready:
            return
        with ThreadPoolExecutor(min(len(ready), PUTS), thread_name_prefix="thumbnail") as pool:
            puts = pool.map(self._put_thumbnail, ready)
            self._embed(ready)
            list(puts)

    def _put_thumbnail(self, attempt: Attempt) -> None:
        assert attempt.prepared
        assert isinstance(attempt.look, Fetched)
        started = time.perf_counter()
        etag, data = attempt.look.info.etag, attempt.prepared.thumbnail
        try:
            attempt.thumbnail_key = self._thumbnails.put(
                self._encoder.fingerprint, attempt.id, etag, data
            )
        except Transient as error:
            attempt.error = error
        attempt.took("thumbnail", (started, time.perf_counter()))

    def _embed(self, attempts: Sequence[Attempt]) -> None:
        import numpy as np

        started = time.perf_counter()
        pixels = [a.prepared.pixels for a in attempts if a.prepared]
        try:
            self._place(attempts, self._encoder.embed_pixels(np.stack(pixels)))
        except UnusableVector:
            self._embed_one_by_one(attempts)
        span = (started, time.perf_counter())
        for attempt in attempts:
            attempt.took("embed", span, len(attempts))

    def _embed_one_by_one(self, attempts: Sequence[Attempt]) -> None:
        """A picture the model chokes on is rejected by itself, not with its batch-mates. A model
        that fails as a whole rejects nothing: that is no picture's fault."""
        for attempt in attempts:
            assert attempt.prepared is not None
            try:
                self._place([attempt], self._encoder.embed_pixels(attempt.prepared.pixels[None]))
            except UnusableVector as error:
                attempt.error = error

    def _place(self, attempts: Sequence[Attempt], rows: NDArray[np.float32]) -> None:
        """Give each attempt its row of `rows`, unit and float32 [N, D], as the index keeps it:
        measured by the model's calibration, where it has one (docs/adr/0031)."""
        calibration = self._encoder.calibration
        if calibration is None:
            for attempt, row in zip(attempts, rows, strict=True):
                attempt.vector = row
            return
        vectors, responses = calibration.stored(rows)
        for attempt, vector, response in zip(attempts, vectors, responses.tolist(), strict=True):
            attempt.vector, attempt.response = vector, response
            attempt.calibration = calibration.version
