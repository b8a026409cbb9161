"""SQS message body → the objects it is about. The only room that knows the shapes of S3 events.

An event only says "look at this object"; its name, order and number mean nothing here.
Shapes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html, and around either the
envelope of https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote_plus

from chalicelib.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """Something happened to this object; look at it.

    `at` is when, as the event says. It tells how long the way to the index took, and nothing else:
    it orders nothing, and two changes that differ in it alone are the same.
    """

    bucket: str
    key: str
    at: datetime | None = field(default=None, compare=False)


def object_changes(body: str) -> list[ObjectChange]:
    """The objects named in one SQS message body; none for S3's test event.

    Raises `InvalidRequest` for anything that is not an S3 event.
    """
    message = _parsed(body)
    if message.get("Type") == "Notification" and "Message" in message:
        # A topic between bucket and queue, without raw delivery.
        message = _parsed(message["Message"])
    if message.get("Event") == "s3:TestEvent":
        return []
    if message.get("Type") == "SubscriptionConfirmation":
        raise InvalidRequest("A topic asks for its subscription to be confirmed.")
    try:
        if "detail" in message:
            return [_from_eventbridge(message)]
        return [_from_notification(record) for record in message["Records"]]
    except UnicodeDecodeError as error:
        raise InvalidRequest("The S3 event names an object whose key is not UTF-8.") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest("The message is not an S3 event.") from error


def _parsed(text: object) -> dict[str, Any]:
    try:
        message = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The message is not JSON.") from error
    if not isinstance(message, dict):
        raise InvalidRequest("The message is not an S3 event.")
    return message


def _from_notification(record: dict[str, Any]) -> ObjectChange:
    """Keys come URL-encoded, with "+" for a space. One that is not UTF-8 inside must not be read
    as the key of another object."""
    about = record["s3"]
    key = unquote_plus(about["object"]["key"], errors="strict")
    return _change(about["bucket"]["name"], key, record.get("eventTime"))


def _from_eventbridge(message: dict[str, Any]) -> ObjectChange:
    """EventBridge gives keys as they are."""
    detail = message["detail"]
    return _change(detail["bucket"]["name"], detail["object"]["key"], message.get("time"))


def _change(bucket: object, key: object, at: object) -> ObjectChange:
    if not (isinstance(bucket, str) and isinstance(key, str) and bucket and key):
        raise InvalidRequest("The S3 event names no object.")
    if not _is_utf8(bucket + key):
        raise InvalidRequest("The S3 event names an object whose key is not UTF-8.")
    return ObjectChange(bucket, key, _moment(at))


def _moment(text: object) -> datetime | None:
    """None for what is no moment: an event without one is as good as any."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc) if moment else None


def _is_utf8(text: str) -> bool:
    """JSON can spell half a surrogate pair; nothing behind here could hash or store that."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
