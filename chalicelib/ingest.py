"""Keys → index: the one place where the rules of order and failure stand (docs/architecture.md).

Read the record, then the object, then write only if the record is unchanged. S3 is strongly
consistent, so whoever writes last has seen the last state; whoever lost looks again. Events,
backfill, repair and prune all come through `Ingest`, so there is nothing to order between them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timezone
from itertools import islice
from typing import Any, Protocol

from aws_lambda_powertools import Logger

from chalicelib.decoding import DecoderPool
from chalicelib.embedding import Embedder, PixelEncoder
from chalicelib.errors import IntellisenseError, InvalidRequest, Permanent, Transient
from chalicelib.index.base import Index, Refused, Write
from chalicelib.index.checks import stored_vector
from chalicelib.log import SERVICE
from chalicelib.overlap import in_order
from chalicelib.reading import PixelSource, Reader
from chalicelib.records import ImageRecord, image_id
from chalicelib.storage import Bucket, Missing, Unchanged
from chalicelib.thumbnails import Thumbnails
from chalicelib.verdicts import (
    Attempt,
    MadeWith,
    Outcome,
    Result,
    made_with,
    next_record,
    refused_record,
)

logger = Logger(service=SERVICE, child=True)

MAX_ROUNDS = 10
"""A key that changes under every one of so many looks goes back to the queue."""


class ImageEncoder(PixelSource, PixelEncoder, Protocol):
    """The part of `Clip` that ingest needs."""


def log_outcome(outcome: Outcome, **more: Any) -> None:
    """One structured line for one image; no key, since people put names into those."""
    log = logger.warning if outcome.result == "failed" else logger.info
    log(
        "image",
        image_id=outcome.id,
        result=outcome.result,
        code=outcome.reason_code,
        reason=outcome.error.message if outcome.error else "",
        characters=outcome.characters,
        timings_ms={stage: round(value, 1) for stage, value in outcome.timings_ms.items()},
        **more,
    )


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
        text_model: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._bucket = bucket
        self._thumbnails = Thumbnails(thumbnails)
        self._index = index
        self._encoder = encoder
        self._reader = Reader(
            bucket=bucket,
            encoder=encoder,
            decoders=decoders,
            max_bytes=max_bytes,
            pixel_budget=pixel_budget,
            byte_budget=byte_budget,
            text_model=text_model,
        )
        self._embedder = Embedder(encoder=encoder, thumbnails=self._thumbnails)
        self._text_model = text_model
        self._clock = clock

    @property
    def made_with(self) -> MadeWith:
        """What the records are made with that are written now."""
        return made_with(self._encoder, self._text_model)

    def process(self, keys: Iterable[str], *, deadline: float | None = None) -> dict[str, Outcome]:
        """Look at each key and make its record say what the bucket says.

        `deadline` is on `time.monotonic`'s clock; keys not decoded by then end as "failed" with
        `OutOfTime`, the others are embedded and written after it. Every key ends in the answer;
        nothing is raised for one image's sake.
        """
        pending = list(dict.fromkeys(keys))
        outcomes: dict[str, Outcome] = {}
        for _ in range(MAX_ROUNDS):
            if not pending:
                return outcomes
            attempts = self.round(pending, deadline=deadline)
            outcomes |= {a.key: a.outcome for a in attempts if a.outcome}
            pending = [a.key for a in attempts if a.again]
        busy = Transient(
            f"The object kept changing; {MAX_ROUNDS} looks were not enough.", code="kept_changing"
        )
        return outcomes | {
            key: Outcome(key, "failed", busy, image_id(self._bucket.name, key)) for key in pending
        }

    def stream(self, keys: Iterable[str], *, batch: int) -> Generator[Outcome, None, None]:
        """`process` for any number of keys, `batch` at a time, as they come to their ends.

        Two batches are read and decoded ahead of the one that is embedded, on the thread that
        asks, while those before it are written. `keys` are taken as they are needed. Whoever
        stops early closes the generator: what was embedded is written, nothing else begins.
        """
        rest = iter(keys)
        batches = iter(lambda: list(dict.fromkeys(islice(rest, batch))), [])
        read = in_order(self._read, batches, workers=2, ahead=2, name="read")
        with closing(read), closing(self._written(map(self._embedded, read))) as written:
            for attempts in written:
                yield from (a.outcome for a in attempts if a.outcome)
                yield from self.process(a.key for a in attempts if a.again).values()

    def _written(self, embedded: Iterator[list[Attempt]]) -> Generator[list[Attempt], None, None]:
        return in_order(self._stored, embedded, workers=2, ahead=2, name="write", finish=True)

    def round(self, keys: Sequence[str], *, deadline: float | None = None) -> list[Attempt]:
        """The three steps, once. Attempts whose write met a newer record have `again` set."""
        return self._stored(self._embedded(self._read(keys, deadline)))

    def _read(self, keys: Sequence[str], deadline: float | None = None) -> list[Attempt]:
        attempts = [Attempt(key, image_id(self._bucket.name, key)) for key in keys]

        def look(attempts: Sequence[Attempt]) -> None:
            self.read_records(attempts)
            self.read_objects(attempts, deadline=deadline)

        return self._tried(look, attempts)

    def _embedded(self, attempts: list[Attempt]) -> list[Attempt]:
        return self._tried(self.embed, attempts)

    def _stored(self, attempts: list[Attempt]) -> list[Attempt]:
        return self._tried(self.write, attempts)

    def _tried(
        self, step: Callable[[Sequence[Attempt]], None], attempts: list[Attempt]
    ) -> list[Attempt]:
        """What a step raises is the end of all whose end it has not told."""
        try:
            step(attempts)
        except IntellisenseError as error:
            self._fail(attempts, error)
        return attempts

    # --- step 1: the records ------------------------------------------------------------------

    def read_records(self, attempts: Sequence[Attempt]) -> None:
        seen = self._index.read([a.id for a in attempts])
        for attempt in attempts:
            attempt.seen = seen.get(attempt.id)

    # --- step 2: the objects ------------------------------------------------------------------

    def read_objects(self, attempts: Sequence[Attempt], *, deadline: float | None = None) -> None:
        self._reader.read(attempts, deadline=deadline)

    # --- step 3: embed and write --------------------------------------------------------------

    def embed(self, attempts: Sequence[Attempt]) -> None:
        self._embedder.embed(attempts)

    def write(self, attempts: Sequence[Attempt]) -> None:
        """Embed what is not embedded yet; one conditional bulk write; one more of what the index
        refused."""
        self.embed(attempts)
        for attempt in attempts:
            if attempt.outcome is not None:
                continue
            if isinstance(attempt.error, Transient):
                self._finish(attempt, "failed", attempt.error)
        started = time.perf_counter()
        writes = list(self._writes(attempts))
        instead: list[tuple[Attempt, Write]] = []
        for attempt, write, reason in self._store(writes, started):
            record = refused_record(write.record, reason)
            attempt.error = Permanent(record.reason, code="index_refused")
            instead.append((attempt, replace(write, record=record)))
        for attempt, _, _ in self._store(instead, started):
            self._finish(attempt, "failed", attempt.error)

    def _writes(self, attempts: Sequence[Attempt]) -> Iterator[tuple[Attempt, Write]]:
        for attempt in attempts:
            if attempt.outcome is not None:
                continue
            record = None
            if not isinstance(attempt.look, Unchanged):
                record = next_record(
                    attempt, bucket=self._bucket.name, encoder=self._encoder, now=self._clock()
                )
            if record is None:
                record = self._as_it_is(attempt)
            if record.state == "ready" and record.vector is None:
                # It was given another or lost it since it was read: another worker was faster.
                attempt.again = True
                continue
            if not record.thumbnail_key:
                self._drop_thumbnail(attempt)
            yield attempt, Write(record, attempt.seen.version if attempt.seen else None)

    def _as_it_is(self, attempt: Attempt) -> ImageRecord:
        """What is written where nothing has changed. A slower worker may have read this record
        too, and then the object while it was another for a moment: it must not find the record
        as it was. (A, a look at B, A again, a look at A; then the look at B is written.)"""
        before = attempt.record
        assert before
        if before.state != "ready":
            return before
        vector = self._index.vector(attempt.id)
        with suppress(InvalidRequest):
            # The vector is read after the record, and must go with its response still: between
            # the two a change of calibration may have placed the image anew.
            if vector is not None:
                vector = stored_vector(vector, len(vector), before.response)
                return replace(before, vector=vector)
        return before

    def _store(
        self, writes: Sequence[tuple[Attempt, Write]], started: float
    ) -> list[tuple[Attempt, Write, str]]:
        """Returns what the index will never take, each with its reason."""
        refused: list[tuple[Attempt, Write, str]] = []
        if not writes:
            return refused
        try:
            results = self._index.write([write for _, write in writes])
        except IntellisenseError:
            # It is unknown what was written, so the thumbnails stay; reconcile sweeps those that
            # no record names.
            for attempt, _ in writes:
                attempt.thumbnail_key = ""
            raise
        span = (started, time.perf_counter())
        for (attempt, write), result in zip(writes, results, strict=True):
            attempt.took("write", span, len(writes))
            if result == "written":
                self._note_written(attempt, write.record)
                continue
            self._drop_thumbnail(attempt)
            if isinstance(result, Refused):
                refused.append((attempt, write, result.reason))
            else:
                attempt.again = True
        return refused

    def _note_written(self, attempt: Attempt, record: ImageRecord) -> None:
        attempt.thumbnail_key = ""
        before = attempt.record
        if before and before.thumbnail_key != record.thumbnail_key:
            self._thumbnails.drop(before.thumbnail_key)
        result: Result = "indexed" if record.state == "ready" else record.state
        if before == replace(record, vector=None):
            result = "unchanged"
        self._finish(attempt, result, attempt.error)

    def _drop_thumbnail(self, attempt: Attempt) -> None:
        self._thumbnails.drop(attempt.thumbnail_key)
        attempt.thumbnail_key = ""

    def _fail(self, attempts: Sequence[Attempt], error: IntellisenseError) -> None:
        for attempt in attempts:
            if attempt.outcome is None:
                self._finish(attempt, "failed", error)

    def _finish(
        self, attempt: Attempt, result: Result, error: IntellisenseError | None = None
    ) -> None:
        self._drop_thumbnail(attempt)
        attempt.end(result, error)

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
                return Outcome(key, "unchanged", id=attempt.id)
            self.write([attempt])
            if attempt.outcome:
                return attempt.outcome
        raise Transient("The object kept changing while it was deleted.")
