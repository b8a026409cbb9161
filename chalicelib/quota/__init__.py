"""How much each owner may upload in a day."""

from __future__ import annotations

from chalicelib.quota.base import (
    NO_LIMIT,
    Allowance,
    DailyQuota,
    NoQuota,
    Quota,
    Standing,
    Tally,
    Used,
)
from chalicelib.quota.dynamo import DynamoTally
from chalicelib.quota.sqlite import SqliteTally

__all__ = [
    "NO_LIMIT",
    "Allowance",
    "DailyQuota",
    "DynamoTally",
    "NoQuota",
    "Quota",
    "SqliteTally",
    "Standing",
    "Tally",
    "Used",
]
