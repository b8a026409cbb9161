"""What a record should say, given what was seen of its object. Pure: no calls, no clocks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from chalicelib.decoding import DECODER_VERSION, Prepared
from chalicelib.errors import IntellisenseError, TooLarge
from chalicelib.index.base import Summary, Versioned
from chalicelib.records import ImageRecord, collection_of
from chalicelib.storage import Archived, Fetched, Look, Missing, ObjectInfo, Oversized
from chalicelib.tracing import Link, Span, upload_link

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.clip.calibration import Calibration

MOST_OF_A_REASON = 300
"""Characters of what an index says when it refuses a record."""

Result = Literal["indexed", "rejected", "archived", "deleted", "unchanged", "failed"]


class ModelIdentity(Protocol):
    """Which model, in which form, makes the vectors."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def form(self) -> str: ...


class Calibrated(ModelIdentity, Protocol):
    """The same, with what its vectors are measured by."""

    @property
    def calibration(self) -> Calibration | None: ...


@dataclass(frozen=True, slots=True)
class MadeWith:
    """What records are made with: the model's fingerprint, its calibration's version ("" without
    one) and what reads the text in pictures ("" where nothing does)."""

    model: str
    calibration: str = ""
    text_model: str = ""


def made_with(encoder: Calibrated, text_model: str = "") -> MadeWith:
    calibration = encoder.calibration
    return MadeWith(encoder.fingerprint, calibration.version if calibration else "", text_model)


Stale = Literal["other model", "retry", "calibration", "text"]


def stale(said: ImageRecord | Summary, now: MadeWith) -> Stale | None:
    """Why a record should be made again though its object is what it was; None: it should not.

    Where no text is read now, what was read before is as good as ever.
    """
    if said.model != now.model:
        return "other model"
    if said.state == "rejected" and said.decoder_version != DECODER_VERSION:
        return "retry"
    if said.state != "ready":
        return None
    if said.calibration != now.calibration:
        return "calibration"
    return None if now.text_model in ("", said.text_model) else "text"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one key ended; `error` is there when `result` is "failed" or "rejected".

    `timings_ms` gives milliseconds by stage: fetch, decode, thumbnail, embed, write; of the last
    two, which are a whole batch's, the image's share. `spans` gives when each stage began and
    ended; `trace` is the place that the upload has in its trace; `characters` counts those that
    were read in the picture now.
    """

    key: str
    result: Result
    error: IntellisenseError | None = None
    id: str = ""
    timings_ms: dict[str, float] = field(default_factory=dict, compare=False)
    spans: dict[str, Span] = field(default_factory=dict, compare=False)
    trace: Link | None = field(default=None, compare=False)
    characters: int = field(default=0, compare=False)

    @property
    def reason_code(self) -> str:
        """The stable code of `error`, "" where there is none."""
        return self.error.code if self.error else ""


@dataclass(slots=True)
class Attempt:
    """One look at one key, on its way through the three steps of ingest."""

    key: str
    id: str
    seen: Versioned | None = None
    look: Look | None = None
    prepared: Prepared | None = None
    vector: NDArray[np.float32] | None = None
    """As the index keeps it."""
    response: float = 0.0
    calibration: str = ""
    text_model: str = ""
    """What was asked to read the text in the picture; "" where nothing was."""
    sha256: str = ""
    error: IntellisenseError | None = None
    thumbnail_key: str = ""
    """Put for this attempt, and so far named by no record."""
    outcome: Outcome | None = None
    again: bool = False
    timings_ms: dict[str, float] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)

    def took(self, stage: str, span: Span, among: int = 1) -> None:
        """Note when `stage` began and ended; of what `among` images share, each has its share."""
        self.spans[stage] = span
        self.timings_ms[stage] = (span[1] - span[0]) * 1000 / among

    def end(self, result: Result, error: IntellisenseError | None) -> None:
        info = getattr(self.look, "info", None)
        trace = upload_link(info.trace, info.uploaded_at.timestamp()) if info else None
        self.outcome = Outcome(
            self.key,
            result,
            error,
            self.id,
            self.timings_ms,
            self.spans,
            trace,
            len(self.prepared.text) if self.prepared else 0,
        )

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be found out."""
        return self.error is not None or self.outcome is not None

    @property
    def record(self) -> ImageRecord | None:
        return self.seen.record if self.seen else None


def known_etag(record: ImageRecord | None, now: MadeWith) -> str:
    """The etag for a conditional GET; "" where the record must be made again anyway."""
    if record is None or record.state not in ("ready", "rejected") or stale(record, now):
        return ""
    return record.etag


def oversized(info: ObjectInfo, max_bytes: int) -> TooLarge:
    """Why an object over the limit is rejected; sizes in bytes."""
    size, limit = info.size / 1024**2, max_bytes / 1024**2
    return TooLarge(f"The file has {size:.0f} MB; the limit is {limit:.0f} MB.")


def next_record(
    attempt: Attempt, *, bucket: str, encoder: ModelIdentity, now: datetime
) -> ImageRecord | None:
    """What the record of `attempt` should say now; None where it says so already.

    An attempt without an error whose object was fetched has a vector by now.
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
    if attempt.error is not None:
        return replace(record, reason=attempt.error.message)
    assert attempt.vector is not None
    text, text_model = _text(attempt)
    return replace(
        record,
        state="ready",
        vector=attempt.vector,
        response=attempt.response,
        calibration=attempt.calibration,
        thumbnail_key=attempt.thumbnail_key,
        text=text,
        text_model=text_model,
    )


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


_FACTS = (
    "format",
    "width",
    "height",
    "taken_at",
    "camera",
    "lens",
    "exposure",
    "location",
    "perceptual_hash",
    "placeholder",
)


def _facts(prepared: Prepared | None) -> dict[str, Any]:
    if prepared is None:
        return {}
    return {name: getattr(prepared, name) for name in _FACTS}


def _text(attempt: Attempt) -> tuple[str, str]:
    """The text in the picture, and what read it. Where nothing does so now, but something did
    before in this very file, that stays."""
    before = attempt.record
    if attempt.text_model and attempt.prepared:
        return attempt.prepared.text, attempt.text_model
    if before and before.state == "ready" and before.sha256 == attempt.sha256:
        return before.text, before.text_model
    return "", ""
