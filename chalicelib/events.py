"""SQS message body → the objects it is about. The only room that knows the shapes of S3 events.

An event only says "look at this object"; its name, order and number mean nothing here.
Shapes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
and https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from chalicelib.errors import InvalidRequest


class ObjectChange(NamedTuple):
    """Something happened to this object; look at it."""

    bucket: str
    key: str


def object_changes(body: str) -> list[ObjectChange]:
    """The objects named in one SQS message body; none for S3's test event.

    Raises `InvalidRequest` for anything that is not an S3 event.
    """
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The message is not JSON.") from error
    if not isinstance(message, dict):
        raise InvalidRequest("The message is not an S3 event.")
    if message.get("Event") == "s3:TestEvent":
        return []
    try:
        if "detail" in message:
            return [_from_eventbridge(message)]
        return [_from_notification(record) for record in message["Records"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest("The message is not an S3 event.") from error


def _from_notification(record: dict[str, Any]) -> ObjectChange:
    """Keys come URL-encoded, with "+" for a space."""
    about = record["s3"]
    return _change(about["bucket"]["name"], unquote_plus(about["object"]["key"]))


def _from_eventbridge(message: dict[str, Any]) -> ObjectChange:
    """EventBridge gives keys as they are."""
    detail = message["detail"]
    return _change(detail["bucket"]["name"], detail["object"]["key"])


def _change(bucket: object, key: object) -> ObjectChange:
    if not (isinstance(bucket, str) and isinstance(key, str) and bucket and key):
        raise InvalidRequest("The S3 event names no object.")
    if not _is_utf8(bucket + key):
        raise InvalidRequest("The S3 event names an object whose key is not UTF-8.")
    return ObjectChange(bucket, key)


def _is_utf8(text: str) -> bool:
    """JSON can spell half a surrogate pair; nothing behind here could hash or store that."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
