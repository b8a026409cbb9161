"""The second step of ingest: the objects, fetched and decoded."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from chalicelib.decoding import DecoderPool
from chalicelib.errors import IntellisenseError, OutOfTime
from chalicelib.gate import Gate
from chalicelib.storage import Bucket, Fetched, Oversized
from chalicelib.verdicts import Attempt, Calibrated, known_etag, made_with, oversized

if TYPE_CHECKING:
    from chalicelib.clip.pixels import PixelSpec

READERS_A_DECODER = 4
"""Threads that wait for S3 or hold what it gave, for each process that decodes: a GET takes some
30 ms, the decoding of a photo about as long."""


GRACE_S = 1.0
"""What those that heed the deadline may take to say so; who takes longer is left behind."""


class PixelSource(Calibrated, Protocol):
    """How the model wants its pictures."""

    @property
    def pixel_spec(self) -> PixelSpec: ...
    @property
    def exact(self) -> bool: ...


class Reader:
    """Reads several objects at a time, holding no more than its budgets of bytes and pixels."""

    def __init__(
        self,
        *,
        bucket: Bucket,
        encoder: PixelSource,
        decoders: DecoderPool,
        max_bytes: int,
        pixel_budget: int,
        byte_budget: int,
        text_model: str = "",
    ) -> None:
        """`text_model`: what the decoders read the text in pictures with; "": it is not read."""
        self._bucket = bucket
        self._encoder = encoder
        self._decoders = decoders
        self._max_bytes = max_bytes
        self._text_model = text_model
        self._pixels = Gate(pixel_budget)
        self._bytes = Gate(byte_budget)

    def read(self, attempts: Sequence[Attempt], *, deadline: float | None = None) -> None:
        """GET and decode. What goes wrong is each attempt's own `error`; those
        that are not done by `deadline` (`time.monotonic`) are out of time."""
        if not attempts:
            return
        workers = min(len(attempts), READERS_A_DECODER * self._decoders.size)
        pool = ThreadPoolExecutor(workers, thread_name_prefix="ingest")
        begun = {pool.submit(self._read, attempt, deadline): attempt for attempt in attempts}
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) + GRACE_S
        try:
            done, late = wait(begun, timeout=left)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        pool.shutdown(wait=not late, cancel_futures=True)
        for future in late:
            # Its thread goes on for nobody: an attempt with an error is not written any more.
            begun[future].error = OutOfTime("S3 did not answer within the function's time.")
        for future in done:
            future.result()

    def _read(self, attempt: Attempt, deadline: float | None) -> None:
        if deadline is not None and time.monotonic() > deadline:
            attempt.error = OutOfTime("The function's time ran out before this image's turn.")
            return
        try:
            with ExitStack() as room:
                self._fetch(attempt, room)
                if isinstance(attempt.look, Oversized):
                    attempt.error = oversized(attempt.look.info, self._max_bytes)
                elif isinstance(attempt.look, Fetched):
                    self._decode(attempt, attempt.look, deadline)
        except IntellisenseError as error:
            attempt.error = error

    def _fetch(self, attempt: Attempt, room: ExitStack) -> None:
        started = time.perf_counter()
        attempt.look = self._bucket.look(
            attempt.key,
            known_etag=known_etag(attempt.record, made_with(self._encoder, self._text_model)),
            max_bytes=self._max_bytes,
            before_read=lambda size: room.enter_context(self._bytes(size)),
        )
        attempt.took("fetch", (started, time.perf_counter()))

    def _decode(self, attempt: Attempt, fetched: Fetched, deadline: float | None) -> None:
        started = time.perf_counter()
        attempt.look = replace(fetched, data=b"")
        attempt.sha256 = hashlib.sha256(fetched.data).hexdigest()
        spec, exact = self._encoder.pixel_spec, self._encoder.exact
        attempt.prepared = self._decoders.prepare(
            fetched.data,
            spec,
            exact=exact,
            read_text=bool(self._text_model),
            gate=self._pixels,
            until=math.inf if deadline is None else deadline,
        )
        attempt.text_model = self._text_model
        attempt.took("decode", (started, time.perf_counter()))
