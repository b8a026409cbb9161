"""Keys → index: the one place where the rules of order and failure stand (docs/architecture.md).

Read the record, then the object, then write only if the record is unchanged. S3 is strongly
consistent, so whoever writes last has seen the last state; whoever lost looks again. Events,
backfill, repair and prune all come through `Ingest`, so there is nothing to order between them.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Protocol

from aws_lambda_powertools import Logger

from chalicelib.decoding import DecoderPool, Gate
from chalicelib.errors import (
    IntellisenseError,
    OutOfTime,
    Permanent,
    Transient,
    UnusableVector,
)
from chalicelib.index.base import Index, Refused, Write
from chalicelib.log import SERVICE
from chalicelib.records import ImageRecord, image_id
from chalicelib.storage import Bucket, Fetched, Missing, Unchanged
from chalicelib.verdicts import (
    Attempt,
    ModelIdentity,
    Outcome,
    Result,
    known_etag,
    next_record,
    refused_record,
    thumbnail_folder,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.clip.pixels import PixelSpec

logger = Logger(service=SERVICE, child=True)

MAX_ROUNDS = 10
"""A key that changes under every one of so many looks goes back to the queue."""


class ImageEncoder(ModelIdentity, Protocol):
    """The part of `Clip` that ingest needs."""

    @property
    def pixel_spec(self) -> PixelSpec: ...
    @property
    def exact(self) -> bool: ...
    def embed_pixels(self, pixels: NDArray[np.uint8], /) -> NDArray[np.float32]: ...


class Ingest:
    """Brings the index in line with the bucket, key by key."""

    def __init__(
        self,
        *,
        bucket: Bucket,
        thumbnails: Bucket,
        index: Index,
        encoder: ImageEncoder,
        decoders: DecoderPool,
        max_bytes: int,
        pixel_budget: int,
        byte_budget: int,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._bucket = bucket
        self._thumbnails = thumbnails
        self._index = index
        self._encoder = encoder
        self._decoders = decoders
        self._max_bytes = max_bytes
        self._pixels = Gate(pixel_budget)
        self._bytes = Gate(byte_budget)
        self._clock = clock

    def process(self, keys: Iterable[str], *, deadline: float | None = None) -> dict[str, Outcome]:
        """Look at each key and make its record say what the bucket says.

        `deadline` is on `time.monotonic`'s clock; keys not begun by then end as "failed" with
        `OutOfTime`. Every key ends in the answer; nothing is raised for one image's sake.
        """
        pending = list(dict.fromkeys(keys))
        outcomes: dict[str, Outcome] = {}
        for _ in range(MAX_ROUNDS):
            if not pending:
                return outcomes
            attempts = self.round(pending, deadline=deadline)
            outcomes |= {a.key: a.outcome for a in attempts if a.outcome}
            pending = [a.key for a in attempts if a.again]
        busy = Transient(f"The object kept changing; {MAX_ROUNDS} looks were not enough.")
        return outcomes | {key: Outcome(key, "failed", busy) for key in pending}

    def round(self, keys: Sequence[str], *, deadline: float | None = None) -> list[Attempt]:
        """The three steps, once. Attempts whose write met a newer record have `again` set."""
        attempts = [Attempt(key, image_id(self._bucket.name, key)) for key in keys]
        try:
            self.read_records(attempts)
            self.read_objects(attempts, deadline=deadline)
            self.write(attempts)
        except IntellisenseError as error:
            for attempt in attempts:
                if attempt.outcome is None:
                    self._finish(attempt, "failed", error)
        return attempts

    # --- step 1: the records ------------------------------------------------------------------

    def read_records(self, attempts: Sequence[Attempt]) -> None:
        seen = self._index.read([a.id for a in attempts])
        for attempt in attempts:
            attempt.seen = seen.get(attempt.id)

    # --- step 2: the objects ------------------------------------------------------------------

    def read_objects(self, attempts: Sequence[Attempt], *, deadline: float | None = None) -> None:
        """GET and decode, several at a time, inside the byte and pixel budgets."""
        workers = max(2, 2 * self._decoders.size)
        with ThreadPoolExecutor(workers, thread_name_prefix="ingest") as pool:
            list(pool.map(lambda a: self._read_object(a, deadline), attempts))

    def _read_object(self, attempt: Attempt, deadline: float | None) -> None:
        if deadline is not None and time.monotonic() > deadline:
            attempt.error = OutOfTime("The function's time ran out before this image's turn.")
            return
        started = time.perf_counter()
        try:
            with ExitStack() as room:
                attempt.look = self._bucket.look(
                    attempt.key,
                    known_etag=known_etag(attempt.record, self._encoder.fingerprint),
                    max_bytes=self._max_bytes,
                    before_read=lambda size: room.enter_context(self._bytes(size)),
                )
                fetched = time.perf_counter()
                attempt.timings_ms["fetch"] = _ms(started, fetched)
                if isinstance(attempt.look, Fetched):
                    self._decode(attempt, attempt.look)
                    attempt.look = replace(attempt.look, data=b"")
                    attempt.timings_ms["decode"] = _ms(fetched)
        except IntellisenseError as error:
            attempt.error = error

    def _decode(self, attempt: Attempt, fetched: Fetched) -> None:
        attempt.sha256 = hashlib.sha256(fetched.data).hexdigest()
        spec, exact = self._encoder.pixel_spec, self._encoder.exact
        attempt.prepared = self._decoders.prepare(
            fetched.data, spec, exact=exact, gate=self._pixels
        )

    # --- step 3: embed and write --------------------------------------------------------------

    def write(self, attempts: Sequence[Attempt]) -> None:
        """One inference batch, one conditional bulk write; one more of what was refused."""
        for attempt in attempts:
            if isinstance(attempt.error, Transient):
                self._finish(attempt, "failed", attempt.error)
            elif isinstance(attempt.look, Unchanged):
                self._finish(attempt, "unchanged")
        vectors = self._embed([a for a in attempts if a.outcome is None and a.prepared])
        writes: list[tuple[Attempt, Write]] = []
        for attempt in attempts:
            if attempt.outcome is None:
                self._plan(attempt, vectors.get(attempt.id), writes)
        instead: list[tuple[Attempt, Write]] = []
        for attempt, write, reason in self._store(writes):
            record = refused_record(write.record, reason)
            attempt.error = Permanent(record.reason)
            instead.append((attempt, replace(write, record=record)))
        for attempt, _, _ in self._store(instead):
            self._finish(attempt, "failed", attempt.error)

    def _store(self, writes: Sequence[tuple[Attempt, Write]]) -> list[tuple[Attempt, Write, str]]:
        """Returns what the index will never take, each with its reason."""
        refused: list[tuple[Attempt, Write, str]] = []
        if not writes:
            return refused
        # Where this raises it is unknown what was written, so the thumbnails stay; reconcile
        # sweeps those that no record names.
        results = self._index.write([write for _, write in writes])
        for (attempt, write), result in zip(writes, results, strict=True):
            if result == "written":
                self._written(attempt, write.record)
                continue
            self._drop_thumbnail(attempt.thumbnail_key)
            if isinstance(result, Refused):
                refused.append((attempt, write, result.reason))
            else:
                attempt.again = True
        return refused

    def _embed(self, attempts: Sequence[Attempt]) -> dict[str, NDArray[np.float32]]:
        if not attempts:
            return {}
        started = time.perf_counter()
        import numpy as np

        pixels = [a.prepared.pixels for a in attempts if a.prepared]
        try:
            vectors = self._encoder.embed_pixels(np.stack(pixels))
        except UnusableVector:
            return self._embed_one_by_one(attempts)
        share = _ms(started) / len(attempts)
        for attempt in attempts:
            attempt.timings_ms["embed"] = share
        return {a.id: v for a, v in zip(attempts, vectors, strict=True)}

    def _embed_one_by_one(self, attempts: Sequence[Attempt]) -> dict[str, NDArray[np.float32]]:
        """A picture the model chokes on is rejected by itself, not with its batch-mates. A model
        that fails as a whole rejects nothing: that is no picture's fault."""
        vectors = {}
        for attempt in attempts:
            assert attempt.prepared is not None
            try:
                vectors[attempt.id] = self._encoder.embed_pixels(attempt.prepared.pixels[None])[0]
            except UnusableVector as error:
                attempt.error = error
        return vectors

    def _plan(
        self,
        attempt: Attempt,
        vector: NDArray[np.float32] | None,
        writes: list[tuple[Attempt, Write]],
    ) -> None:
        record = next_record(
            attempt,
            vector,
            bucket=self._bucket.name,
            encoder=self._encoder,
            max_bytes=self._max_bytes,
            now=self._clock(),
        )
        if record is None:
            self._finish(attempt, "unchanged")
            return
        if record.state == "ready" and attempt.prepared:
            # The random part makes each thumbnail belong to one attempt: whoever loses the
            # write can delete its own without harming the winner's.
            folder = thumbnail_folder(self._encoder.fingerprint)
            name = f"{folder}{record.id}/{record.etag}-{secrets.token_hex(4)}.webp"
            try:
                self._thumbnails.put(name, attempt.prepared.thumbnail, "image/webp")
            except Transient as error:
                self._finish(attempt, "failed", error)
                return
            attempt.thumbnail_key = name
            record = replace(record, thumbnail_key=name)
        writes.append((attempt, Write(record, attempt.seen.version if attempt.seen else None)))

    def _written(self, attempt: Attempt, record: ImageRecord) -> None:
        before = attempt.record
        if before and before.thumbnail_key != record.thumbnail_key:
            self._drop_thumbnail(before.thumbnail_key)
        result: Result = "indexed" if record.state == "ready" else record.state
        self._finish(attempt, result, attempt.error, record)

    def _drop_thumbnail(self, key: str) -> None:
        """Failing is harmless: reconcile sweeps thumbnails that no record names."""
        if not key:
            return
        try:
            self._thumbnails.delete(key)
        except Transient as error:
            logger.warning("thumbnail not deleted", thumbnail_key=key, reason=error.message)

    def _finish(
        self,
        attempt: Attempt,
        result: Result,
        error: IntellisenseError | None = None,
        record: ImageRecord | None = None,
    ) -> None:
        attempt.outcome = Outcome(attempt.key, result, error)
        log = logger.warning if result == "failed" else logger.info
        log(
            "image",
            image_id=attempt.id,
            result=result,
            reason=error.message if error else (record.reason if record else ""),
            timings_ms={k: round(v, 1) for k, v in attempt.timings_ms.items()},
        )

    def forget(self, key: str) -> Outcome:
        """After its object was deleted: make the record a tombstone now, not at the next event.

        Needs no model. When the object is there (again), nothing is written: its own event
        will bring it in.
        """
        for _ in range(MAX_ROUNDS):
            attempt = Attempt(key, image_id(self._bucket.name, key))
            self.read_records([attempt])
            attempt.look = self._bucket.look(key, max_bytes=0)
            if not isinstance(attempt.look, Missing):
                return Outcome(key, "unchanged")
            self.write([attempt])
            if attempt.outcome:
                return attempt.outcome
        raise Transient("The object kept changing while it was deleted.")


def _ms(start: float, end: float | None = None) -> float:
    return ((time.perf_counter() if end is None else end) - start) * 1000
