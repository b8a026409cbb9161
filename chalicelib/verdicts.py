"""What a record should say, given what was seen of its object. Pure: no calls, no clocks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from chalicelib.decoding import DECODER_VERSION, Prepared
from chalicelib.errors import IntellisenseError
from chalicelib.index.base import Versioned
from chalicelib.records import ImageRecord, collection_of
from chalicelib.storage import Archived, Fetched, Look, Missing, ObjectInfo, Oversized

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_OF_A_REASON = 300
"""Characters of what an index says when it refuses a record."""

Result = Literal["indexed", "rejected", "archived", "deleted", "unchanged", "failed"]


class ModelIdentity(Protocol):
    """Which model, in which form, makes the vectors."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def form(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one key ended; `error` is there when `result` is "failed" or "rejected"."""

    key: str
    result: Result
    error: IntellisenseError | None = None


@dataclass(slots=True)
class Attempt:
    """One look at one key, on its way through the three steps of ingest."""

    key: str
    id: str
    seen: Versioned | None = None
    look: Look | None = None
    prepared: Prepared | None = None
    sha256: str = ""
    error: IntellisenseError | None = None
    thumbnail_key: str = ""
    outcome: Outcome | None = None
    again: bool = False
    timings_ms: dict[str, float] = field(default_factory=dict)

    @property
    def record(self) -> ImageRecord | None:
        return self.seen.record if self.seen else None


def known_etag(record: ImageRecord | None, fingerprint: str) -> str:
    """The etag for a conditional GET; "" where the record must be made again anyway."""
    if record is None or record.model != fingerprint:
        return ""
    current = record.state == "ready" or (
        record.state == "rejected" and record.decoder_version == DECODER_VERSION
    )
    return record.etag if current else ""


def next_record(
    attempt: Attempt,
    vector: NDArray[np.float32] | None,
    *,
    bucket: str,
    encoder: ModelIdentity,
    max_bytes: int,
    now: datetime,
) -> ImageRecord | None:
    """What the record of `attempt` should say now; None where it says so already.

    `vector` is float32 [D] for an image that was decoded and embedded, else None.
    """
    before, look = attempt.record, attempt.look
    if isinstance(look, Missing):
        gone = before is not None and before.state == "deleted"
        return None if gone else _tombstone(attempt, bucket, now)
    assert isinstance(look, Fetched | Oversized | Archived)
    record = _described(attempt, look.info, bucket, encoder, now)
    if isinstance(look, Archived):
        if before and before.state == "archived" and before.etag == record.etag:
            return None
        return replace(record, state="archived", reason="In an archive storage class.")
    if isinstance(look, Oversized):
        size, limit = look.info.size / 1024**2, max_bytes / 1024**2
        return replace(record, reason=f"The file has {size:.0f} MB; the limit is {limit:.0f} MB.")
    if attempt.error is not None:
        return replace(record, reason=attempt.error.message)
    assert vector is not None
    return replace(record, state="ready", vector=vector)


def refused_record(record: ImageRecord, reason: str) -> ImageRecord:
    """What to store in place of `record`, which the index will never take: what names the object,
    and why, and nothing that the index might have stumbled over. A tombstone stays one."""
    return ImageRecord(
        id=record.id,
        bucket=record.bucket,
        key=record.key,
        name=record.name,
        collection=record.collection,
        state="deleted" if record.state == "deleted" else "rejected",
        indexed_at=record.indexed_at,
        owner=record.owner,
        etag=record.etag,
        bytes=record.bytes,
        uploaded_at=record.uploaded_at,
        model=record.model,
        form=record.form,
        decoder_version=record.decoder_version,
        reason=f"The index refused this image: {_shortened(reason)}",
    )


def _shortened(reason: str) -> str:
    """One line, with a full stop, that fits a page and any index."""
    text = " ".join(reason.split())
    if len(text) > MOST_OF_A_REASON:
        text = text[: MOST_OF_A_REASON - 1] + "…"
    return text if text.endswith(".") else text + "."


def thumbnail_folder(fingerprint: str) -> str:
    """What the keys of a model's thumbnails begin with: each index names thumbnails of its own,
    and they share a bucket."""
    return f"{fingerprint}/"


def _tombstone(attempt: Attempt, bucket: str, now: datetime) -> ImageRecord:
    """Says that the object is gone, so that a slower worker that saw it cannot bring it back."""
    return ImageRecord(
        id=attempt.id,
        bucket=bucket,
        key=attempt.key,
        name="",
        collection=collection_of(attempt.key),
        state="deleted",
        indexed_at=now,
    )


def _described(
    attempt: Attempt, info: ObjectInfo, bucket: str, encoder: ModelIdentity, now: datetime
) -> ImageRecord:
    """A record of everything but the verdict; "rejected" until something better is known."""
    return ImageRecord(
        id=attempt.id,
        bucket=bucket,
        key=attempt.key,
        name=info.name,
        collection=collection_of(attempt.key),
        state="rejected",
        indexed_at=now,
        owner=info.owner,
        etag=info.etag,
        version_id=info.version_id,
        bytes=info.size,
        uploaded_at=info.uploaded_at,
        sha256=attempt.sha256,
        model=encoder.fingerprint,
        form=encoder.form,
        decoder_version=DECODER_VERSION,
        **_facts(attempt.prepared),
    )


def _facts(prepared: Prepared | None) -> dict[str, Any]:
    if prepared is None:
        return {}
    names = ("format", "width", "height", "taken_at", "camera", "location", "perceptual_hash")
    return {name: getattr(prepared, name) for name in names}
