"""What an index says of itself in its mapping: that somebody uses it, and small texts."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime, timedelta, timezone
from typing import Any

from aws_lambda_powertools import Logger

from chalicelib.errors import IndexUnavailable, IntellisenseError
from chalicelib.index.opensearch.client import Client
from chalicelib.index.opensearch.schema import now
from chalicelib.log import SERVICE

logger = Logger(service=SERVICE, child=True)

MARKED_EVERY = timedelta(hours=1)
MARK_PATIENCE_S = 1.0
"""Somebody waits for what comes after the mark."""

TRIES = 5
"""A mapping has no versions: of two that write it at once one may lose what it wrote, looks and
writes it again."""


class Notes:
    """The `_meta` of the mapping of the index `name`, beside what `schema` keeps there."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name
        self._next_mark = 0.0

    def read(self, note: str, *, patience_s: float) -> str | None:
        text: str | None = self._about(patience_s).get("notes", {}).get(note)
        return text

    def keep(self, note: str, text: str) -> None:
        for _ in range(TRIES):
            about = self._about()
            notes = about.get("notes", {})
            if notes.get(note) == text:
                return
            self._write(about | {"notes": notes | {note: text}})
        raise IndexUnavailable(
            f"The note {note} was not kept: others keep writing the mapping of {self._name}."
        )

    def mark(self) -> None:
        """Notes, at most hourly, that somebody uses the index, so that nobody drops it."""
        if time.monotonic() < self._next_mark:
            return
        self._next_mark = time.monotonic() + MARKED_EVERY.total_seconds()
        try:
            self._mark()
        except IntellisenseError as error:
            # A search is worth more than its mark; a role may also be allowed to read only.
            logger.warning("index not marked as used", index=self._name, reason=error.message)

    def _mark(self) -> None:
        about = self._about(MARK_PATIENCE_S)
        used_at = parse_mark(about)
        if used_at is None or datetime.now(timezone.utc) - used_at > MARKED_EVERY:
            self._write(about | {"used_at": now()}, MARK_PATIENCE_S)

    def _about(self, patience_s: float | None = None) -> dict[str, Any]:
        found = self._client.call("GET", f"/{self._name}/_mapping", patience_s=patience_s)
        about: dict[str, Any] = found[self._name]["mappings"]["_meta"]
        return about

    def _write(self, about: dict[str, Any], patience_s: float | None = None) -> None:
        whole = {"_meta": about}
        self._client.call("PUT", f"/{self._name}/_mapping", whole, patience_s=patience_s)


def parse_mark(about: dict[str, Any]) -> datetime | None:
    with contextlib.suppress(KeyError, ValueError, TypeError):
        return datetime.fromisoformat(about["used_at"])
    return None
