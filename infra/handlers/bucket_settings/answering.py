"""The answer that CloudFormation waits for, at the address that came with its request
(https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref-responses.html)."""

from __future__ import annotations

import json
import logging
import threading
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

TRIES = 5
PAUSE_S = 0.5
"""After the first try; each other is twice as long."""
SPARE_S = 10.0
"""Before the function's end a failure is answered; without an answer CloudFormation waits an
hour."""
MOST_WORDS = 1_000
"""Characters of a reason; the whole answer may have 4,096 bytes."""

log = logging.getLogger(__name__)


class Answer:
    """One to each request: whichever comes first, the work's end or the time's."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._event = event
        self._lock = threading.Lock()
        self._given = False
        self._timer: threading.Timer | None = None

    def within(self, seconds: float, id: str, reason: str) -> None:
        """Answers with a failure `SPARE_S` before `seconds` have passed, unless answered by
        then."""
        self._timer = threading.Timer(
            max(0.0, seconds - SPARE_S), self.give, args=("FAILED", id, reason)
        )
        self._timer.daemon = True
        self._timer.start()

    def give(self, status: str, id: str, reason: str = "") -> bool:
        """False where it was answered before. Raises `OSError` where CloudFormation cannot be
        reached: Lambda then calls the function again."""
        with self._lock:
            if self._given:
                return False
            self._put(self._body(status, id, reason))
            self._given = True
        if self._timer is not None:
            self._timer.cancel()
        return True

    def _body(self, status: str, id: str, reason: str) -> bytes:
        said = {
            "Status": status,
            "Reason": reason[:MOST_WORDS],
            "PhysicalResourceId": id,
            **{key: self._event[key] for key in ("StackId", "RequestId", "LogicalResourceId")},
        }
        return json.dumps(said).encode()

    def _put(self, body: bytes) -> None:
        # The address is signed for an empty content type.
        request = urllib.request.Request(
            self._event["ResponseURL"], body, {"Content-Type": ""}, method="PUT"
        )
        for attempt in range(TRIES):
            try:
                with urllib.request.urlopen(request, timeout=10):
                    return
            except OSError as error:
                log.warning("CloudFormation did not take the answer: %s", error)
                if attempt == TRIES - 1:
                    raise
            time.sleep(PAUSE_S * 2**attempt)
