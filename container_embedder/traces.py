"""What the embedder writes into traces: of each image how it ended, and its stages.

An image is told in the trace of its upload, which its object's metadata name; else in that of
whoever put the object, which S3 hands on with its event
(https://docs.aws.amazon.com/xray/latest/devguide/xray-services-s3.html); else in the function's
own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from chalicelib.tracing import Link, Note, Tracer, document, how_it_failed, service, told
from chalicelib.verdicts import Outcome

SEGMENT = "embedder"
SUBSEGMENT = "image"
"""Its name in another's trace, and that of its part of the function's own."""


def note_images(
    tracer: Tracer, outcomes: Mapping[str, Outcome], headers: Mapping[str, str], model: str
) -> None:
    """`outcomes` and `headers`, the tracing headers that came with their messages, by key."""
    if not tracer.writes:
        return
    here = tracer.here()
    for key, outcome in outcomes.items():
        upload = outcome.trace or Link.parse(headers.get(key, ""))
        if upload:
            tracer.write(_told(SEGMENT, outcome, upload, model) | {"service": service()})
        elif here:
            tracer.write(_told(SUBSEGMENT, outcome, here, model) | {"type": "subsegment"})


def _told(name: str, outcome: Outcome, at: Link, model: str) -> dict[str, Any]:
    parts = told(outcome.spans)
    now = time.time()
    times = {
        "start_time": min((part["start_time"] for part in parts), default=now),
        "end_time": max((part["end_time"] for part in parts), default=now),
    }
    notes: dict[str, Note] = {"image_id": outcome.id, "result": outcome.result}
    if outcome.reason_code:
        notes["code"] = outcome.reason_code
    if model:
        notes["model"] = model
    made = document(name, at, times, parts=parts, **notes)
    return made | (how_it_failed(outcome.error) if outcome.error else {})
