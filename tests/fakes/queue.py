"""Queues in memory. `tests/contract/test_queue.py` holds them to what SQS does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from chalicelib.errors import QueueUnavailable
from chalicelib.queue import MOST_AT_ONCE, Depth, Message

MAX_BYTES = 1024 * 1024


@dataclass(eq=False)
class Held:
    id: str
    body: str
    attributes: dict[str, str]
    sent: float
    visible: float = 0.0
    receives: int = 0
    receipts: list[str] = field(default_factory=list)


class MemoryQueue:
    """With `dead_letters`, a message that was received `max_receives` times goes there in place
    of being received once more, as a redrive policy has it."""

    def __init__(
        self,
        *,
        dead_letters: MemoryQueue | None = None,
        max_receives: int = 5,
        visibility_s: int = 30,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.dead_letters = dead_letters
        self.max_receives = max_receives
        self.visibility_s = visibility_s
        self.down = False
        """While true, nothing answers."""
        self._clock = clock
        self._messages: list[Held] = []
        self._made = 0

    @property
    def bodies(self) -> list[str]:
        """Of all that is in it, hidden or not."""
        return [held.body for held in self._messages]

    def depth(self) -> Depth:
        self._check()
        hidden = sum(held.visible > self._clock() for held in self._messages)
        return Depth(len(self._messages) - hidden, hidden)

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> str:
        self._check()
        texts = dict(attributes or {})
        size = sum(len(text.encode()) for text in (body, *texts, *texts.values()))
        if not body or not all(texts.values()) or len(texts) > 10 or size > MAX_BYTES:
            raise QueueUnavailable("SQS answered InvalidParameterValue.")
        self._made += 1
        held = Held(f"{id(self):x}-{self._made}", body, texts, self._clock())
        self._messages.append(held)
        return held.id

    def receive(self, *, hide_s: int | None = None, wait_s: int = 0) -> list[Message]:
        self._check()
        now, given = self._clock(), []
        for held in list(self._messages):
            if held.visible > now or len(given) == MOST_AT_ONCE:
                continue
            if self.dead_letters and held.receives >= self.max_receives:
                self._messages.remove(held)
                self.dead_letters._messages.append(held)
                continue
            held.receives += 1
            held.visible = now + (self.visibility_s if hide_s is None else hide_s)
            held.receipts.append(f"{held.id}/{held.receives}")
            sent_at = datetime.fromtimestamp(held.sent, timezone.utc)
            given.append(
                Message(
                    held.id, held.receipts[-1], held.body, held.receives, sent_at, held.attributes
                )
            )
        return given

    def delete(self, receipts: Sequence[str]) -> None:
        self._check()
        self._messages = [h for h in self._messages if not set(receipts) & set(h.receipts)]

    def show(self, receipts: Sequence[str]) -> None:
        self._check()
        for held in self._messages:
            if set(receipts) & set(held.receipts):
                held.visible = 0.0

    def _check(self) -> None:
        if self.down:
            raise QueueUnavailable("SQS did not answer (ConnectTimeoutError).")
