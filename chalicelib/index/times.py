"""Times as numbers that sort and compare exactly, the same in every store."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NEVER = 2**62


def micros(moment: datetime) -> int:
    """Microseconds since 1970 in UTC, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def recency(uploaded_at: datetime | None) -> int:
    """Rises from the newest upload to the oldest; records without a time come last."""
    return _NEVER if uploaded_at is None else -micros(uploaded_at)
