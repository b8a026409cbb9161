"""Messages that were given up: why, and what becomes of them (docs/adr/0018-dead-letters.md).

A letter is sent here by the embedder, with its error as message attributes; or moved here by the
queue's redrive policy, without, when the embedder ended before it could say why. Each order of
steps leaves a message in one place more, never in one less: doubled letters and doubled events
are harmless, since an event only says "look at this key".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Annotated, NamedTuple, Self

from aws_lambda_powertools import Logger
from pydantic import Field, model_validator

from chalicelib import deadline
from chalicelib.errors import IntellisenseError, InvalidRequest, NotFound, Transient
from chalicelib.events import object_changes
from chalicelib.log import SERVICE
from chalicelib.queue import Message, Queue
from chalicelib.records import Wire

logger = Logger(service=SERVICE, child=True)

MOST = 1000
"""Letters looked at in one call."""
SECONDS = 20.0
"""For one call: API Gateway answers for us after 29."""
HIDDEN_S = 60
"""How long a letter that is looked at is hidden, unless it is shown again: longer than a call."""
LONG_POLLS = 3
"""Of a second each, before letters that are counted but not given are left out."""
MOST_KEYS = 10
MOST_OF_AN_ERROR = 300
MOST_OF_A_REASON = 500

UNSAID = (
    "The function ended before it could say why: out of time, out of memory or killed;"
    " see the log for message id {}."
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that was given up."""

    id: str
    came_at: datetime
    receives: int | None
    """How often it was tried; None where nobody counted."""
    keys: tuple[str, ...]
    """What it is about: the first few keys, of any bucket. Empty where it is no S3 event."""
    more_keys: int
    code: str
    """Of its last error; "unsaid" where the function ended before it could say."""
    error: str
    message_id: str
    """Its id in the ingest queue, by which the log knows it."""
    body: str


class Listing(NamedTuple):
    letters: list[Letter]
    total: int
    """Letters there are, approximately; more than are listed where there are over `MOST`, or where
    somebody else is looking at the rest."""


class Done(NamedTuple):
    letters: int
    more: bool
    """Whether letters were left for another call."""


class Chosen(Wire):
    """One letter, or all of them."""

    id: str | None = None
    all: bool = False

    @model_validator(mode="after")
    def _one_or_all(self) -> Self:
        if bool(self.id) == self.all:
            raise ValueError('Give the id of one letter, or "all": true.')
        return self


class Discarded(Chosen):
    reason: Annotated[
        str,
        Field(json_schema_extra={"maxLength": MOST_OF_A_REASON, "pattern": r"\S"}),
    ]
    """Checked by `DeadLetters.discard`, once its gaps are closed."""


class DeadLetters:
    """A dead-letter queue, and the ingest queue its letters came from."""

    def __init__(
        self,
        letters: Queue,
        ingest: Queue | None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._letters = letters
        self._ingest = ingest
        self._clock = clock

    def count(self) -> int:
        """Letters there are, those included that somebody is looking at; approximately."""
        return self._letters.depth().total

    def bury(self, body: str, error: IntellisenseError, *, message_id: str, receives: int) -> None:
        """Keep a message that was given up, with its last error. Its own message may be deleted
        then, and not before. Raises `QueueUnavailable`."""
        self._letters.send(
            body,
            {
                "error_code": error.code,
                "error": _one_line(error.message, MOST_OF_AN_ERROR) or error.code,
                "failed_at": self._clock().isoformat(timespec="milliseconds"),
                "message_id": message_id,
                "receives": str(receives),
            },
        )

    def list(self) -> Listing:
        """Up to `MOST`, oldest first, without their bodies."""
        with self._looking() as look:
            found = [_letter(message, with_body=False) for batch in look for message in batch]
            total = max(self.count(), len(found))
        return Listing(sorted(found, key=lambda letter: letter.came_at), total)

    def get(self, id: str) -> Letter:
        """With its body. Raises `NotFound`."""
        with self._looking() as look:
            for batch in look:
                for message in batch:
                    if message.id == id:
                        return _letter(message)
        raise _unknown()

    def redrive(self, id: str | None = None) -> Done:
        """Send one letter, or all, to the ingest queue, without what is said about them.

        Sent first, deleted then: what ends between the two leaves a doubled event. Raises
        `NotFound`.
        """
        ingest = self._ingest
        if ingest is None:
            raise NotFound("No ingest queue is configured; set IMAGES_QUEUE_URL.")

        def send(message: Message) -> None:
            logger.info("dead letter redriven", letter_id=message.id)
            ingest.send(message.body)

        return self._each(id, send)

    def discard(self, reason: str, id: str | None = None, *, by: str = "") -> Done:
        """Write one letter, or all, to the log with the reason, and delete it. Raises
        `InvalidRequest`, `NotFound`."""
        reason = " ".join(reason.split())
        if not reason or len(reason) > MOST_OF_A_REASON:
            raise InvalidRequest(
                f"Say why, in at most {MOST_OF_A_REASON} characters: it is written to the log.",
                field="reason",
            )

        def write_down(message: Message) -> None:
            letter = _letter(message)
            logger.warning(
                "dead letter discarded",
                letter_id=letter.id,
                message_id=letter.message_id,
                reason=reason,
                by=by,
                code=letter.code,
                error=letter.error,
                body=letter.body,
            )

        return self._each(id, write_down)

    def _each(self, id: str | None, act: Callable[[Message], None]) -> Done:
        """`act` on the letter `id`, or on all that had come by now, and delete what it was done
        with. What comes meanwhile stays: it may be what was just sent away."""
        now, count = self._clock(), 0
        with self._looking() as look:
            for batch in look:
                done: list[Message] = []
                try:
                    for message in batch:
                        if message.id == id if id else message.sent_at <= now:
                            act(message)
                            done.append(message)
                finally:
                    look.delete(done)
                count += len(done)
                if id and count:
                    return Done(count, more=False)
            more = not look.exhausted
        if id and not count:
            raise _unknown()
        return Done(count, more)

    @contextmanager
    def _looking(self) -> Iterator[_Look]:
        """SQS has no way to look at messages but to receive them, so they are shown again."""
        look = _Look(self._letters)
        try:
            yield look
        finally:
            look.end()


class _Look:
    """One walk through the letters, batch by batch."""

    def __init__(self, letters: Queue) -> None:
        self._letters = letters
        self._held: dict[str, str] = {}
        """Id → receipt of what was received and is to be shown again."""
        self._seen: set[str] = set()
        left = deadline.remaining()
        self._end = time.monotonic() + (SECONDS if left is None else min(SECONDS, left))
        self.exhausted = False

    def __iter__(self) -> Iterator[list[Message]]:
        polls = 0
        while len(self._seen) < MOST and time.monotonic() < self._end:
            batch = self._letters.receive(hide_s=HIDDEN_S, wait_s=1 if polls else 0)
            self._held |= {message.id: message.receipt for message in batch}
            if fresh := [message for message in batch if message.id not in self._seen]:
                polls = 0
                self._seen |= {message.id for message in fresh}
                yield fresh
            # None given though some are counted: SQS asked too few of its servers, or somebody
            # else is looking, and will show them again in a moment.
            elif polls == LONG_POLLS or self._letters.depth().total <= len(self._held):
                self.exhausted = True
                return
            else:
                polls += 1

    def delete(self, messages: list[Message]) -> None:
        if messages:
            self._letters.delete([message.receipt for message in messages])
        for message in messages:
            self._held.pop(message.id, None)

    def end(self) -> None:
        """Where this fails, the letters show again by themselves."""
        try:
            self._letters.show(list(self._held.values()))
        except Transient as error:
            logger.warning("dead letters stay hidden", seconds=HIDDEN_S, reason=error.message)


def _unknown() -> NotFound:
    return NotFound("No dead letter of this id was found; list them again.", field="id")


def _letter(message: Message, *, with_body: bool = True) -> Letter:
    said = message.attributes
    original = said.get("message_id", message.id)
    try:
        keys = tuple(dict.fromkeys(change.key for change in object_changes(message.body)))
    except InvalidRequest:
        keys = ()
    return Letter(
        id=message.id,
        came_at=_moment(said.get("failed_at", "")) or message.sent_at,
        receives=int(said["receives"]) if said.get("receives", "").isdecimal() else None,
        keys=keys[:MOST_KEYS],
        more_keys=len(keys[MOST_KEYS:]),
        code=said.get("error_code", "unsaid"),
        error=said.get("error") or UNSAID.format(original),
        message_id=original,
        body=message.body if with_body else "",
    )


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc)


def _one_line(text: str, most: int) -> str:
    """What SQS takes as an attribute: no control characters, nothing outside XML's."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"
