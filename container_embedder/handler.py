"""SQS → ingest. Answers which messages to try again (`ReportBatchItemFailures`).

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html: an id that is empty
or unknown fails the whole batch, so only ids that came in go out. A message that is given up goes
to the dead-letter queue from here, with its error, and is answered for then: the queue itself can
say of it only how often it was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import zip_longest
from typing import Any, Protocol

from aws_lambda_powertools import Logger

from chalicelib import deadline, wiring
from chalicelib.config import Settings
from chalicelib.deadletters import DeadLetters
from chalicelib.errors import IntellisenseError, InvalidRequest, QueueUnavailable
from chalicelib.events import ObjectChange, object_changes
from chalicelib.ingest import log_outcome
from chalicelib.log import SERVICE
from chalicelib.records import image_id
from chalicelib.thresholds import Thresholds
from chalicelib.tracing import Tracer
from chalicelib.verdicts import Outcome
from container_embedder import measures, traces

logger = Logger(service=SERVICE)

SECONDS_TO_FINISH = 10.0
"""Kept back from the function's time for embedding and writing what was decoded."""


class Looks(Protocol):
    """The part of `Ingest` that a batch needs."""

    def process(self, keys: Iterable[str], *, deadline: float | None) -> dict[str, Outcome]: ...


@dataclass(slots=True)
class Delivery:
    """A message of the batch."""

    id: str
    body: str
    receives: int
    sent_at: datetime | None
    trace: str = ""
    """The tracing header that came with it."""
    changes: list[ObjectChange] = field(default_factory=list)
    error: IntellisenseError | None = None
    """Why it failed; None where it is done with."""
    hopeless: bool = False
    """Whether trying again cannot help."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda entry point."""
    begin_until = deadline.of(context, SECONDS_TO_FINISH)
    with deadline.until(deadline.of(context)), measures.invocation(len(event["Records"])):
        ingest: Looks
        model = ""
        thresholds: Thresholds | None = None
        try:
            services = wiring.services()
        except IntellisenseError as error:
            logger.error("the embedder cannot work", code=error.code, reason=error.message)
            settings = Settings.load()
            ingest, letters = _Unable(settings.bucket, error), wiring.dead_letters_of(settings)
        else:
            settings, ingest = services.settings, services.ingest
            letters, model = services.dead_letters, services.clip.fingerprint
            thresholds = services.thresholds
        measures.under(settings.metrics)
        tracer = Tracer(on=settings.traces)
        ended: list[Outcome] = []

        def note(outcomes: Mapping[str, Outcome], headers: Mapping[str, str]) -> None:
            ended.extend(outcomes.values())
            traces.note_images(tracer, outcomes, headers, model)

        answer = process(
            event,
            ingest,
            settings.bucket,
            begin_until,
            letters=letters,
            max_receives=settings.max_receives,
            note=note,
        )
        if thresholds:
            thresholds.refresh(sum(outcome.result == "indexed" for outcome in ended))
        return answer


class _Unable:
    """In place of an ingest that cannot be made: whatever is asked of it fails, and why."""

    def __init__(self, bucket: str, error: IntellisenseError) -> None:
        self._bucket = bucket
        self._error = error

    def process(
        self,
        keys: Iterable[str],
        *,
        deadline: float | None,  # noqa: ARG002
    ) -> dict[str, Outcome]:
        return {k: Outcome(k, "failed", self._error, image_id(self._bucket, k)) for k in keys}


def process(
    event: dict[str, Any],
    ingest: Looks,
    bucket: str,
    begin_until: float | None,
    *,
    letters: DeadLetters | None = None,
    max_receives: int = 5,
    clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    note: Callable[[Mapping[str, Outcome], Mapping[str, str]], None] | None = None,
) -> dict[str, Any]:
    """One batch of messages. A message fails when it cannot be read or any of its keys failed.

    `begin_until` is the last moment for beginning with an image. `letters` takes what fails for
    good, or for the `max_receives`th time. `note` is told how each key ended, and the tracing
    header of the first message about it."""
    batch = [_delivery(message, bucket) for message in event["Records"]]
    about: dict[str, list[Delivery]] = {}
    for delivery in batch:
        for change in delivery.changes:
            about.setdefault(change.key, []).append(delivery)
    outcomes = _outcomes(ingest, list(about), bucket, begin_until)
    written_at = clock()
    for key, outcome in outcomes.items():
        ids = dict.fromkeys(delivery.id for delivery in about[key])
        log_outcome(outcome, message_id=" ".join(ids))
    measures.note_images(outcomes.values())
    if note:
        note(outcomes, {key: about[key][0].trace for key in outcomes})
    for delivery in batch:
        _judge(delivery, outcomes)
        _note_ages(delivery, outcomes, written_at)
    failed = [delivery for delivery in batch if delivery.error]
    buried = _buried(failed, letters, max_receives)
    again = [delivery.id for delivery in failed if delivery.id not in buried]
    measures.note_failed(len(again))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


def _delivery(message: Mapping[str, Any], bucket: str) -> Delivery:
    known = message.get("attributes", {})
    sent = known.get("SentTimestamp")
    delivery = Delivery(
        id=message["messageId"],
        body=message["body"],
        receives=int(known.get("ApproximateReceiveCount", 1)),
        sent_at=datetime.fromtimestamp(int(sent) / 1000, timezone.utc) if sent else None,
        trace=known.get("AWSTraceHeader", ""),
    )
    try:
        changes = object_changes(delivery.body)
    except InvalidRequest as error:
        logger.error("unreadable message", message_id=delivery.id, reason=error.message)
        delivery.error = InvalidRequest(error.message, code="unreadable_message")
        delivery.hopeless = True
        return delivery
    delivery.changes = [change for change in changes if change.bucket == bucket]
    for change in changes:
        if change.bucket != bucket:
            logger.warning("event of another bucket", bucket=change.bucket, message_id=delivery.id)
    return delivery


def _outcomes(
    ingest: Looks, keys: Sequence[str], bucket: str, begin_until: float | None
) -> dict[str, Outcome]:
    """One for each key, whatever happens: a fault of ours is a reason too, and if it were raised
    here, the letters of this batch could not say it."""
    try:
        return ingest.process(keys, deadline=begin_until)
    except Exception as error:
        logger.exception("ingest failed")
        fault = IntellisenseError(f"A fault of ours: {type(error).__name__}: {error}")
        return {key: Outcome(key, "failed", fault, image_id(bucket, key)) for key in keys}


def _judge(delivery: Delivery, outcomes: Mapping[str, Outcome]) -> None:
    """The message fails with the first of its keys that failed."""
    for change in delivery.changes:
        outcome = outcomes[change.key]
        if outcome.result == "failed" and delivery.error is None:
            delivery.error = outcome.error or IntellisenseError("It failed without a reason.")


def _note_ages(delivery: Delivery, outcomes: Mapping[str, Outcome], written_at: datetime) -> None:
    for change in dict.fromkeys(delivery.changes):
        since = change.at or delivery.sent_at
        if since and outcomes[change.key].result == "indexed":
            measures.note_age((written_at - since).total_seconds() * 1000)


def _buried(failed: Sequence[Delivery], letters: DeadLetters | None, max_receives: int) -> set[str]:
    """The ids of messages that are in the dead-letter queue now, and need not come again. One that
    could not be sent there stays failed: the queue's redrive policy moves it, without a reason."""
    last = [d for d in failed if d.hopeless or d.receives >= max_receives]
    buried: dict[str, str] = {}
    for delivery, not_sent in _sent(last, letters) if letters else ():
        assert delivery.error
        code, reason = delivery.error.code, delivery.error.message
        if not_sent:
            logger.warning(
                "dead letter not sent", message_id=delivery.id, code=code, reason=not_sent
            )
            continue
        logger.error("dead letter", message_id=delivery.id, code=code, reason=reason)
        buried[delivery.id] = code
    measures.note_dead_letters(buried.values())
    return set(buried)


def _sent(last: Sequence[Delivery], letters: DeadLetters) -> Iterator[tuple[Delivery, str]]:
    """Each with why it could not be sent, "" where it was. On a thread of its own: a queue that
    does not answer must not outlast the function's time, or the whole batch would come again. What
    is sent late is a letter twice at worst."""
    with_time = (left := deadline.remaining()) is None or left > 0
    pool = ThreadPoolExecutor(1, thread_name_prefix="letters")
    sends = [
        pool.submit(letters.bury, d.body, d.error, message_id=d.id, receives=d.receives)
        for d in last
        if d.error and with_time
    ]
    wait(sends, timeout=left)
    pool.shutdown(wait=False, cancel_futures=True)
    for delivery, send in zip_longest(last, sends):
        if send is None or send.cancelled() or not send.done():
            yield delivery, "The function's time was over."
        elif isinstance(error := send.exception(), QueueUnavailable):
            yield delivery, error.message
        else:
            send.result()
            yield delivery, ""
