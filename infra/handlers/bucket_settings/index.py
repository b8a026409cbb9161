"""What CloudFormation calls: make, change or undo one setting of a bucket, and answer always.

The properties: `Bucket`, `Account`, `Id` (ours, by which it is found again) and `Setting`, which
is `queue` (with `QueueArn`, and `Queues`, how the ARNs of all our queues begin), `eventbridge`
(with `Rule`, the name of ours) or `cors` (with `Origins`).

Physical ids are `SETTING:BUCKET:ID`, and `:on` at the end where EventBridge was on before us.
Another bucket, setting or Id is another resource, which CloudFormation lets us clean up by deleting
the old one
(https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref-requesttypes.html).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.handlers.bucket_settings.answering import Answer
from infra.handlers.bucket_settings.cors import Cors
from infra.handlers.bucket_settings.notifications import Notifications, listened_to
from infra.handlers.bucket_settings.refusals import Gone, Refused

NOTHING = "nothing-done"
WAS_ON = ":on"
PATIENCE = Config(
    retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=10
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """One setting of one bucket."""

    setting: str
    bucket: str
    account: str
    id: str
    queue_arn: str = ""
    queues: str = ""
    rule: str = ""
    origins: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Wanted:
        return cls(
            setting=given["Setting"],
            bucket=given["Bucket"],
            account=given["Account"],
            id=given["Id"],
            queue_arn=given.get("QueueArn", ""),
            queues=given.get("Queues", ""),
            rule=given.get("Rule", ""),
            origins=list(given.get("Origins", ())),
        )

    @property
    def name(self) -> str:
        return f"{self.setting}:{self.bucket}:{self.id}"

    def is_named(self, physical: str) -> bool:
        return physical in (self.name, self.name + WAS_ON)


def handler(event: Mapping[str, Any], context: Any) -> None:
    """Raises only where CloudFormation cannot be reached."""
    answer = Answer(event)
    before = event.get("PhysicalResourceId", "")
    failed = before or NOTHING
    try:
        wanted = Wanted.of(event["ResourceProperties"])
        late = f"S3 did not answer about {wanted.bucket} in time; deploy again."
        # It may be done nevertheless: a deletion has to look.
        failed = before or wanted.name + WAS_ON
        answer.within(context.get_remaining_time_in_millis() / 1000, failed, late)
        physical = act(event["RequestType"], wanted, before, event.get("OldResourceProperties"))
    except Refused as refusal:
        if not refusal.changed:
            failed = before or NOTHING
        answer.give("FAILED", failed, str(refusal))
    except Exception as error:
        log.exception("unforeseen")
        answer.give("FAILED", failed, f"{type(error).__name__}: {error}")
    else:
        answer.give("SUCCESS", physical)


def act(
    request: str, wanted: Wanted, before: str, old_properties: Mapping[str, Any] | None = None
) -> str:
    """The physical id afterwards. `before`: the one that CloudFormation knows, "" for none."""
    if request == "Delete":
        if before != NOTHING:
            _remove(wanted, before)
        return before
    physical = _put(wanted, before)
    old = Wanted.of(old_properties) if old_properties else None
    if old and old.name != wanted.name and wanted.is_named(before):
        # An update was tried, failed half-way and is taken back: CloudFormation never heard of
        # what it made.
        _remove(old, old.name + WAS_ON)
    return physical


def _put(wanted: Wanted, before: str) -> str:
    s3 = _client("s3")
    if wanted.setting == "cors":
        Cors(s3, wanted.bucket, wanted.account).put(wanted.id, wanted.origins)
        return wanted.name
    notifications = Notifications(s3, wanted.bucket, wanted.account)
    if wanted.setting == "queue":
        notifications.put_queue(wanted.id, wanted.queue_arn, wanted.queues)
        return wanted.name
    made = notifications.put_bridge()
    if wanted.is_named(before):
        return before
    return wanted.name if made else wanted.name + WAS_ON


def _remove(wanted: Wanted, physical: str) -> None:
    """Leaves alone what is not there, a bucket that has gone among it."""
    s3 = _client("s3")
    try:
        if wanted.setting == "cors":
            Cors(s3, wanted.bucket, wanted.account).remove(wanted.id)
            return
        notifications = Notifications(s3, wanted.bucket, wanted.account)
        if wanted.setting == "queue":
            notifications.remove_queue(wanted.id)
        elif physical == wanted.name and not _needed(wanted):
            notifications.remove_bridge()
    except Gone:
        log.info("%s has gone", wanted.bucket)


def _needed(wanted: Wanted) -> bool:
    """Whether others take the bucket's events out of EventBridge."""
    try:
        return listened_to(_client("events"), wanted.bucket, but=[wanted.rule])
    except (ClientError, BotoCoreError) as error:
        log.warning("EventBridge stays on: its rules cannot be listed: %s", error)
        return True


def _client(service: str) -> Any:
    return boto3.client(service, config=PATIENCE)
