"""A tally in memory. `tests/contract/test_tally.py` holds it to what DynamoDB and SQLite do."""

from __future__ import annotations

import threading

from chalicelib.errors import QuotaUnavailable
from chalicelib.quota import Allowance, Used


class MemoryTally:
    def __init__(self) -> None:
        self.counts: dict[str, Used] = {}
        self.down = False
        """While true, nothing answers."""
        self._lock = threading.Lock()

    def add(self, id: str, more: Used, allowance: Allowance, *, expires_at: int) -> Used | None:
        with self._lock:
            used = self.read(id)
            total = Used(used.files + more.files, used.bytes + more.bytes)
            if any(limit and count > limit for limit, count in zip(allowance, total, strict=True)):
                return used
            self.counts[id] = total
            return None

    def read(self, id: str) -> Used:
        if self.down:
            raise QuotaUnavailable("Uploads cannot be counted, so none are taken.")
        return self.counts.get(id, Used())
