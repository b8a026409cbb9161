"""A bucket's notifications: our queue among its receivers, or EventBridge switched on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.handlers.bucket_settings.overlaps import EVENTS, in_the_way, is_ours
from infra.handlers.bucket_settings.refusals import Refused, refused
from infra.handlers.bucket_settings.settling import all_understood, settle

WHAT = "notifications"
QUEUES, BRIDGE = "QueueConfigurations", "EventBridgeConfiguration"


def with_queue(
    found: Mapping[str, Any], ours: str, queue_arn: str, queues: str = ""
) -> dict[str, Any]:
    """`queues` is how the ARNs of this deployment's queues begin: what an earlier one left behind
    makes room. Raises `Refused` where S3 would not allow it beside what is there."""
    mine = {"Id": ours, "QueueArn": queue_arn, "Events": list(EVENTS)}
    there = [one for one in found.get(QUEUES, ()) if is_ours(one, ours, queues)]
    if len(there) == 1 and _same(there[0], mine):
        return dict(found)
    if others := in_the_way(found, ours, queues):
        raise Refused(
            "S3 allows one receiver for an event and a key, and this bucket has one already: "
            f'{"; ".join(map(str, others))}. Set events = "eventbridge" to be told of objects '
            "through EventBridge beside it."
        )
    kept = without_queue(found, ours, queues)
    return {**kept, QUEUES: [*kept.get(QUEUES, ()), mine]}


def _same(one: Mapping[str, Any], mine: Mapping[str, Any]) -> bool:
    """S3 keeps neither the order of events nor the absence of an empty filter."""
    return (
        one.get("Id") == mine["Id"]
        and one["QueueArn"] == mine["QueueArn"]
        and set(one["Events"]) == set(mine["Events"])
        and not one.get("Filter", {}).get("Key", {}).get("FilterRules")
    )


def without_queue(found: Mapping[str, Any], ours: str, queues: str = "") -> dict[str, Any]:
    """A list that is left empty goes, as if it had never been."""
    left = [one for one in found.get(QUEUES, ()) if not is_ours(one, ours, queues)]
    kept = {kind: value for kind, value in found.items() if kind != QUEUES}
    return kept | ({QUEUES: left} if left else {})


def with_bridge(found: Mapping[str, Any]) -> dict[str, Any]:
    return {**found, BRIDGE: found.get(BRIDGE, {})}


def without_bridge(found: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: value for kind, value in found.items() if kind != BRIDGE}


class Notifications:
    """Of one bucket of this account."""

    def __init__(self, s3: Any, bucket: str, account: str) -> None:
        self._s3 = s3
        # The account: a bucket's name may have become somebody else's.
        self._which = {"Bucket": bucket, "ExpectedBucketOwner": account}
        self._bucket = bucket
        self._body = b""
        s3.meta.events.register("after-call.s3.GetBucketNotificationConfiguration", self._keep)

    def _keep(self, http_response: Any, **_: Any) -> None:
        self._body = http_response.content

    def put_queue(self, ours: str, queue_arn: str, queues: str) -> None:
        settle(self._read, self._write, lambda found: with_queue(found, ours, queue_arn, queues))

    def remove_queue(self, ours: str) -> None:
        settle(self._read, self._write, lambda found: without_queue(found, ours))

    def put_bridge(self) -> bool:
        """Whether EventBridge was off before."""
        return BRIDGE not in settle(self._read, self._write, with_bridge)

    def remove_bridge(self) -> None:
        settle(self._read, self._write, without_bridge)

    def _read(self) -> dict[str, Any]:
        try:
            found = self._s3.get_bucket_notification_configuration(**self._which)
        except ClientError as error:
            raise refused(error, self._bucket, WHAT) from error
        del found["ResponseMetadata"]
        if self._body and not all_understood(self._body, found):
            raise Refused(
                f"{self._bucket} has notifications of a kind that this version does not know, and "
                "would lose them. Nothing was changed; update the deployment."
            )
        return dict(found)

    def _write(self, wanted: dict[str, Any]) -> None:
        # Unchecked: S3's check sends a test event to every receiver that is there already, and
        # fails where one of those has gone.
        try:
            self._s3.put_bucket_notification_configuration(
                **self._which, NotificationConfiguration=wanted, SkipDestinationValidation=True
            )
        except ClientError as error:
            raise refused(error, self._bucket, WHAT, changed=_server_s(error)) from error


def _server_s(error: ClientError) -> bool:
    """Whether it may have been done nevertheless."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)) >= 500


def listened_to(events: Any, bucket: str, *, but: Iterable[str]) -> bool:
    """Whether a rule of this region, other than those named in `but`, may take events of
    `bucket` out of EventBridge. S3 sends to the default bus alone
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html)."""
    token: dict[str, str] = {}
    while True:
        page = events.list_rules(**token)
        for rule in page["Rules"]:
            if rule["Name"] not in but and _takes(rule.get("EventPattern", ""), bucket):
                return True
        if not page.get("NextToken"):
            return False
        token = {"NextToken": page["NextToken"]}


def _takes(pattern: str, bucket: str) -> bool:
    """In doubt it does: what is left on costs a dollar for a million events."""
    if not pattern:
        return False  # A rule of time.
    said = json.loads(pattern)
    detail = said.get("detail")
    named = detail.get("bucket") if isinstance(detail, dict) else None
    names = named.get("name") if isinstance(named, dict) else None
    return _may_be(said.get("source"), "aws.s3") and _may_be(names, bucket)


def _may_be(allowed: object, value: str) -> bool:
    """Whether the list of an event pattern lets `value` pass; all but plain texts are taken to."""
    if not isinstance(allowed, list):
        return True
    return any(not isinstance(one, str) or one == value for one in allowed)
