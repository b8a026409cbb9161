"""moto's queues, mended where a stack that runs for long would notice.

As they come, a message that arrives while another is deleted may be lost (the list is copied, then
replaced), and each send asks every waiting message for the time three times over: behind 2,000
waiting photos an upload took 40 ms, and the processor with it.
"""

from __future__ import annotations

import time
from typing import Any

from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue


def _messages(queue: Queue) -> list[Message]:
    now = time.time() * 1000
    return [m for m in list(queue._messages) if now > m.visible_at and now >= m.delayed_until]


def _delayed(queue: Queue) -> int:
    now = time.time() * 1000
    return sum(now < m.delayed_until for m in list(queue._messages))


def _not_visible(queue: Queue) -> int:
    now = time.time() * 1000
    return sum(now <= m.visible_at for m in list(queue._messages))


def _delete(queue: Queue, receipt_handle: str) -> None:
    with queue._messages_lock:
        if receipt_handle in queue.deleted_messages:
            return
        for message in queue._messages:
            if message.had_receipt_handle(receipt_handle):
                queue._messages.remove(message)
                queue.pending_messages.discard(message)
                queue.deleted_messages.update(
                    handle for handle in message.all_receipt_handles if handle
                )
                return
    raise ReceiptHandleIsInvalid


def mend() -> None:
    """Do so for every queue of this process."""
    kind: Any = Queue
    kind.messages = property(_messages)
    kind.approximate_number_of_messages_delayed = property(_delayed)
    kind.approximate_number_of_messages_not_visible = property(_not_visible)
    kind.delete_message = _delete
