"""Which notifications S3 allows beside each other, case by case as its guide has them
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html)."""

from __future__ import annotations

from typing import Any

import pytest

from infra.handlers.bucket_settings.overlaps import EVENTS, in_the_way, overlapping

QUEUE = "arn:aws:sqs:eu-central-1:123456789012:theirs"


def notification(*events: str, prefix: str = "", suffix: str = "", **more: str) -> dict[str, Any]:
    rules = [
        {"Name": name, "Value": value}
        for name, value in (("Prefix", prefix), ("Suffix", suffix))
        if value
    ]
    one: dict[str, Any] = {"Id": "theirs", "QueueArn": QUEUE, "Events": list(events), **more}
    return one | ({"Filter": {"Key": {"FilterRules": rules}}} if rules else {})


PUT, POST, COPY = "s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy"
ANY, REMOVED = "s3:ObjectCreated:*", "s3:ObjectRemoved:*"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (notification(ANY), notification(ANY)),
        (notification(ANY), notification(PUT)),
        (notification(POST), notification(ANY, prefix="images/")),
        (notification(ANY, prefix="images"), notification(ANY, suffix="jpg")),
        (notification(ANY, prefix="images"), notification(ANY, prefix="images/2026")),
        (notification(ANY, suffix="jpg"), notification(ANY, suffix=".jpg")),
        (
            notification(ANY, prefix="images", suffix="jpg"),
            notification(ANY, prefix="images", suffix="jpg"),
        ),
        (notification(PUT, REMOVED), notification(COPY, "s3:ObjectRemoved:Delete")),
        (notification(ANY, prefix="my+photos/"), notification(ANY, prefix="my%20photos/2026")),
    ],
)
def test_what_s3_refuses_is_known_beforehand(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert overlapping(one, other)
    assert overlapping(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (notification(PUT), notification(POST)),
        (notification(ANY), notification(REMOVED)),
        (notification(ANY, prefix="images/"), notification(ANY, prefix="logs/")),
        (
            notification(ANY, prefix="images", suffix="jpg"),
            notification(ANY, prefix="images", suffix="png"),
        ),
        (notification(ANY, suffix=".jpg"), notification(ANY, suffix=".jpeg")),
        (notification("s3:ObjectRestore:Completed"), notification("s3:ObjectRestore:Post")),
        (notification("s3:ObjectRestore:*"), notification("s3:ObjectRemoved:*")),
        (notification("s3:ObjectTagging:*"), notification(ANY)),
    ],
)
def test_what_s3_allows_is_no_overlap(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert not overlapping(one, other)
    assert not overlapping(other, one)


def test_what_is_in_our_way_is_named_with_its_receiver() -> None:
    topic = {"Id": "thumbs", "TopicArn": "arn:aws:sns:eu-central-1:1:t", "Events": [PUT]}
    function = {
        "Id": "scan",
        "LambdaFunctionArn": "arn:aws:lambda:eu-central-1:1:function:f",
        "Events": ["s3:ObjectTagging:*"],
    }
    found = {
        "QueueConfigurations": [notification("s3:ObjectRemoved:Delete", prefix="tmp/")],
        "TopicConfigurations": [topic],
        "LambdaFunctionConfigurations": [function],
        "EventBridgeConfiguration": {},
    }
    assert [str(one) for one in in_the_way(found, "ours")] == [
        f"theirs (s3:ObjectRemoved:Delete to {QUEUE})",
        f"thumbs ({PUT} to arn:aws:sns:eu-central-1:1:t)",
    ]


def test_ours_is_not_in_its_own_way() -> None:
    found = {"QueueConfigurations": [notification(*EVENTS) | {"Id": "ours"}]}
    assert in_the_way(found, "ours") == []
    assert len(in_the_way(found, "another")) == 1
