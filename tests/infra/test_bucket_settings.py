"""The custom resource that changes two settings of a bucket: what it changes, and what not."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings

from infra.handlers.bucket_settings.overlaps import EVENTS
from tests.infra.bucket_places import (
    QUEUE,
    RECEIVERS,
    cors,
    document,
    everything,
    full_bucket,
    new_bucket,
    notification,
    notifications,
    parts_of,
)
from tests.infra.bucket_server import BucketServer
from tests.infra.cloudformation_played import CloudFormation, Failed
from tests.infra.settings_played import ORIGIN, aws, bridge, cloud, page, queue, s3, server, told

__all__ = ["aws", "cloud", "s3", "server"]

pytestmark = pytest.mark.usefixtures("aws")

few = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@few
@given(theirs=notifications())
def test_our_queue_comes_beside_all_notifications_and_goes_without_a_trace(
    server: BucketServer, cloud: CloudFormation, theirs: bytes
) -> None:
    s3 = boto3.client("s3")
    bucket = new_bucket(s3)
    server.documents[bucket, "notification"] = theirs
    before = parts_of(server, bucket, "notification")
    physical = cloud.call("Create", queue(bucket))
    after = parts_of(server, bucket, "notification")
    ours = [part for part in after if part not in before]
    assert [part for part in after if part in before] == before
    assert len(ours) == 1
    assert {text for _, text in ours[0] if text} == {"ours", QUEUE, *EVENTS}
    cloud.call("Delete", queue(bucket), physical)
    assert parts_of(server, bucket, "notification") == before


@few
@given(theirs=notifications())
def test_eventbridge_comes_beside_all_notifications_and_stays_where_it_was(
    server: BucketServer, cloud: CloudFormation, theirs: bytes
) -> None:
    s3 = boto3.client("s3")
    bucket = new_bucket(s3)
    server.documents[bucket, "notification"] = theirs
    before, said = parts_of(server, bucket, "notification"), told(s3, bucket)
    physical = cloud.call("Create", bridge(bucket))
    assert told(s3, bucket) == {**said, "EventBridgeConfiguration": {}}
    cloud.call("Delete", bridge(bucket), physical)
    assert parts_of(server, bucket, "notification") == before


@few
@given(theirs=cors())
def test_our_cors_rule_comes_last_and_goes_without_a_trace(
    server: BucketServer, cloud: CloudFormation, theirs: bytes
) -> None:
    bucket = new_bucket(boto3.client("s3"))
    server.documents[bucket, "cors"] = theirs
    before = parts_of(server, bucket, "cors")
    physical = cloud.call("Create", page(bucket))
    after = parts_of(server, bucket, "cors")
    assert after[:-1] == before
    said = {text for _, text in after[-1] if text}
    assert said >= {"ours", ORIGIN, "GET", "HEAD", "POST", "ETag"}
    cloud.call("Delete", page(bucket), physical)
    assert parts_of(server, bucket, "cors") == before


def test_a_bucket_without_cors_has_none_again_afterwards(
    server: BucketServer, cloud: CloudFormation, s3: Any
) -> None:
    bucket = new_bucket(s3)
    physical = cloud.call("Create", page(bucket))
    assert len(s3.get_bucket_cors(Bucket=bucket)["CORSRules"]) == 1
    cloud.call("Delete", page(bucket), physical)
    assert (bucket, "cors") not in server.documents


@pytest.mark.parametrize("wanted", [queue, bridge, page])
def test_nothing_else_of_the_bucket_is_touched(cloud: CloudFormation, s3: Any, wanted: Any) -> None:
    bucket = full_bucket(s3)
    before = everything(s3, bucket)
    assert before["get_bucket_policy"] != "NoSuchBucketPolicy"
    physical = cloud.call("Create", wanted(bucket))
    assert everything(s3, bucket) == before
    cloud.call("Delete", wanted(bucket), physical)
    assert everything(s3, bucket) == before


@pytest.mark.parametrize("wanted", [queue, bridge, page])
def test_each_request_may_come_twice(
    server: BucketServer, cloud: CloudFormation, s3: Any, wanted: Any
) -> None:
    bucket = new_bucket(s3)
    physical = cloud.call("Create", wanted(bucket))
    once = dict(server.documents)
    cloud.call("Create", wanted(bucket))
    assert server.documents == once
    assert cloud.call("Update", wanted(bucket), physical, wanted(bucket)) == physical
    assert server.documents == once
    for _ in range(2):
        cloud.call("Delete", wanted(bucket), physical)
    assert told(s3, bucket) == {}
    assert (bucket, "cors") not in server.documents


@pytest.mark.parametrize("kind", sorted(RECEIVERS))
def test_a_notification_in_the_way_is_named_and_nothing_is_written(
    server: BucketServer, cloud: CloudFormation, s3: Any, kind: str
) -> None:
    bucket = new_bucket(s3)
    there = document(
        "NotificationConfiguration",
        [notification(kind, "resize", ["s3:ObjectCreated:Put"], Suffix=".jpg")],
    )
    server.documents[bucket, "notification"] = there
    with pytest.raises(Failed, match=f"resize .* to {RECEIVERS[kind]}") as failed:
        cloud.call("Create", queue(bucket))
    assert 'events = "eventbridge"' in failed.value.args[0]
    assert server.documents[bucket, "notification"] == there
    server.calls.clear()
    cloud.call("Delete", queue(bucket), failed.value.args[1])
    assert server.calls == []
    cloud.call("Create", bridge(bucket))
    assert told(s3, bucket).keys() > {"EventBridgeConfiguration"}


def test_two_deployments_share_a_bucket(cloud: CloudFormation, s3: Any) -> None:
    bucket = new_bucket(s3)
    first = cloud.call("Create", queue(bucket, "first"))
    first_page = cloud.call("Create", page(bucket, "first"))
    second = cloud.call("Create", bridge(bucket, "second"))
    second_page = cloud.call("Create", page(bucket, "second", "https://other.example.org"))
    cloud.call("Delete", queue(bucket, "first"), first)
    cloud.call("Delete", page(bucket, "first"), first_page)
    assert told(s3, bucket) == {"EventBridgeConfiguration": {}}
    assert [r["ID"] for r in s3.get_bucket_cors(Bucket=bucket)["CORSRules"]] == ["second"]
    cloud.call("Delete", bridge(bucket, "second"), second)
    cloud.call("Delete", page(bucket, "second"), second_page)
    assert told(s3, bucket) == {}


@pytest.mark.parametrize(
    ("pattern", "stays"),
    [
        ('{"source": ["aws.s3"], "detail": {"bucket": {"name": ["BUCKET"]}}}', True),
        ('{"source": ["aws.s3"]}', True),
        (
            '{"source": [{"prefix": "aws."}], "detail": {"bucket": {"name": [{"prefix": "o"}]}}}',
            True,
        ),
        ('{"account": ["123456789012"]}', True),
        ('{"source": ["aws.s3"], "detail": {"bucket": {"name": ["another"]}}}', False),
        ('{"source": ["aws.batch"]}', False),
    ],
)
def test_eventbridge_stays_on_for_rules_of_others(
    cloud: CloudFormation, s3: Any, pattern: str, stays: bool
) -> None:
    bucket = new_bucket(s3)
    events = boto3.client("events")
    mine = '{"source": ["aws.s3"]}'
    events.put_rule(Name="ours-objects", EventPattern=mine)
    events.put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
    events.put_rule(Name="theirs", EventPattern=pattern.replace("BUCKET", bucket))
    try:
        physical = cloud.call("Create", bridge(bucket))
        cloud.call("Delete", bridge(bucket), physical)
    finally:
        for name in ("ours-objects", "nightly", "theirs"):
            events.delete_rule(Name=name)
    assert ("EventBridgeConfiguration" in told(s3, bucket)) is stays
