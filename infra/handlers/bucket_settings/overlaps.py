"""Which notifications of a bucket S3 does not allow beside each other.

Two of them may not share an event where one key could match both of their filters, whichever kind
their receivers are; EventBridge is beside all of them
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

EVENTS = (
    "s3:ObjectCreated:*",
    "s3:ObjectRemoved:*",
    "s3:LifecycleExpiration:*",
    "s3:ObjectRestore:Completed",
)
"""What the ingest queue is told of
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html)."""

RECEIVERS = {
    "QueueConfigurations": "QueueArn",
    "TopicConfigurations": "TopicArn",
    "LambdaFunctionConfigurations": "LambdaFunctionArn",
}
"""As GetBucketNotificationConfiguration answers: the lists, and what names the receiver in each."""


class InTheWay(NamedTuple):
    """A notification that is there and that ours may not stand beside."""

    id: str
    receiver: str
    events: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.id} ({', '.join(self.events)} to {self.receiver})"


def in_the_way(found: Mapping[str, Any], ours: str, queues: str = "") -> list[InTheWay]:
    """Those of a bucket's notifications, as GetBucketNotificationConfiguration answers, that
    leave no place for one of `EVENTS` without a filter. What `is_ours` is not in its own way."""
    return [
        InTheWay(one.get("Id", "without an Id"), one[receiver], tuple(one["Events"]))
        for one, receiver in all_of(found)
        if not is_ours(one, ours, queues) and overlapping({"Events": EVENTS}, one)
    ]


def is_ours(one: Mapping[str, Any], ours: str, queues: str = "") -> bool:
    """Whether it has our Id, or goes to a queue whose ARN begins with `queues` ("": to none): the
    bucket may have been made by this deployment, and then tells the queue without such an Id."""
    to_ours = bool(queues) and str(one.get("QueueArn", "")).startswith(queues)
    return one.get("Id") == ours or to_ours


def all_of(found: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Each notification with the name of the field that says its receiver."""
    for kind, receiver in RECEIVERS.items():
        for one in found.get(kind, ()):
            yield one, receiver


def overlapping(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether S3 refuses these two notifications on one bucket."""
    return _events_meet(one["Events"], other["Events"]) and _filters_meet(one, other)


def _events_meet(some: Sequence[str], others: Sequence[str]) -> bool:
    return any(_covers(a, b) or _covers(b, a) for a in some for b in others)


def _covers(wide: str, narrow: str) -> bool:
    return wide == narrow or (wide.endswith(":*") and narrow.startswith(wide[:-1]))


def _filters_meet(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    (prefix, suffix), (other_prefix, other_suffix) = _filter_of(one), _filter_of(other)
    return (prefix.startswith(other_prefix) or other_prefix.startswith(prefix)) and (
        suffix.endswith(other_suffix) or other_suffix.endswith(suffix)
    )


def _filter_of(one: Mapping[str, Any]) -> tuple[str, str]:
    """Prefix and suffix, "" for none. S3 keeps them as they came, URL-encoded where they must be,
    and answers their names with a capital."""
    rules = one.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    said = {rule["Name"].lower(): unquote_plus(rule["Value"]) for rule in rules}
    return said.get("prefix", ""), said.get("suffix", "")
