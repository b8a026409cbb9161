"""SQS message bodies, as AWS writes them, → the objects they are about."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import InvalidRequest
from chalicelib.events import ObjectChange, object_changes
from tests.unit.sentences import faults

RECORDED = Path(__file__).parent / "fixtures" / "events"


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.json").read_text()


def notification(key: object, bucket: object = "photos", name: str = "ObjectCreated:Put") -> str:
    """The recorded notification, about another key."""
    message = json.loads(recorded("put"))
    about = message["Records"][0]
    about["eventName"] = name
    about["s3"]["bucket"]["name"], about["s3"]["object"]["key"] = bucket, key
    return json.dumps(message)


def enveloped(message: object) -> str:
    """As a topic hands it on."""
    return json.dumps(json.loads(recorded("sns_notification")) | {"Message": message})


@pytest.mark.parametrize(
    "name",
    [
        "put",
        "post",
        "copy",
        "complete_multipart_upload",
        "delete",
        "delete_marker_created",
        "lifecycle_expiration_delete",
        "lifecycle_expiration_delete_marker_created",
        "lifecycle_transition",
        "object_restore_post",
        "object_restore_completed",
        "object_restore_delete",
        "object_tagging_put",
        "object_tagging_delete",
        "object_acl_put",
        "intelligent_tiering",
        "replication_failed",
        "sns_notification",
    ],
)
def test_every_kind_of_notification_says_look_at_this_key(name: str) -> None:
    assert object_changes(recorded(name)) == [
        ObjectChange("photos", "holiday/01k2j3/beach at noon.jpg")
    ]


@pytest.mark.parametrize(
    "name",
    [
        "eventbridge_created",
        "eventbridge_deleted",
        "eventbridge_lifecycle_expired",
        "eventbridge_restore_initiated",
        "eventbridge_restore_completed",
        "eventbridge_restore_expired",
        "eventbridge_storage_class_changed",
        "eventbridge_access_tier_changed",
        "eventbridge_acl_updated",
        "eventbridge_tags_added",
        "eventbridge_tags_deleted",
        "sns_eventbridge",
    ],
)
def test_eventbridge_gives_keys_as_they_are(name: str) -> None:
    assert object_changes(recorded(name)) == [
        ObjectChange("photos", "holiday/01k2j3/beach at noon + 100%.jpg")
    ]


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("put", "2026-03-14T09:26:53.589+00:00"),
        ("eventbridge_created", "2026-03-14T09:26:53+00:00"),
    ],
)
def test_an_event_may_say_when(name: str, at: str) -> None:
    (change,) = object_changes(recorded(name))
    assert change.at == datetime.fromisoformat(at)


def test_a_time_without_an_offset_is_utc() -> None:
    message = json.loads(recorded("put"))
    message["Records"][0]["eventTime"] = "2024-05-31T10:00:00"
    (change,) = object_changes(json.dumps(message))
    assert change.at == datetime(2024, 5, 31, 10, tzinfo=timezone.utc)


@pytest.mark.parametrize("time", [None, 7, "", "yesterday", "2024-13-01T00:00:00Z", ["2024"]])
def test_an_event_without_a_time_is_as_good_as_any(time: object) -> None:
    (told,) = object_changes(recorded("put"))
    message = json.loads(recorded("put"))
    message["Records"][0]["eventTime"] = time
    (untold,) = object_changes(json.dumps(message))
    assert untold.at is None
    assert untold == told
    assert len({untold, told}) == 1


def test_every_recorded_message_is_tested_here() -> None:
    asked = Path(__file__).read_text()
    assert [f.stem for f in RECORDED.iterdir() if f'"{f.stem}"' not in asked] == []


@pytest.mark.parametrize("name", ["several_records", "sns_several_records"])
def test_a_message_may_hold_several_records(name: str) -> None:
    assert object_changes(recorded(name)) == [
        ObjectChange("photos", "a/1.jpg"),
        ObjectChange("photos", "a/2.jpg"),
        ObjectChange("photos", "a/1.jpg"),
    ]


@pytest.mark.parametrize("name", ["test_event", "sns_test_event"])
def test_the_test_event_is_about_nothing(name: str) -> None:
    assert object_changes(recorded(name)) == []


def test_the_time_of_an_event_comes_through_a_topic() -> None:
    assert [c.at for c in object_changes(recorded("sns_notification"))] == [
        datetime(2026, 3, 14, 9, 26, 53, 589000, tzinfo=timezone.utc)
    ]


def test_the_name_of_an_event_means_nothing() -> None:
    for name in ("ObjectRemoved:Delete", "s3:ObjectCreated:Put", "Something:New", ""):
        assert object_changes(notification("a.jpg", name=name)) == [ObjectChange("photos", "a.jpg")]


KEYS = {
    "spaces": "my photos/one two  three.jpg",
    "plus": "a+b/1+1=2.jpg",
    "percent": "100%/50%25.jpg",
    "ampersand and question": "a&b=c?d#e.jpg",
    "emoji": "🏖️/🌞👨‍👩‍👧.jpg",
    "composed": "Mu\u0308nchen/é.jpg",
    "NFC": "München/é.jpg",
    "dots": "../../etc/passwd.jpg",
    "leading slash": "/top.jpg",
    "double slash": "a//b.jpg",
    "trailing slash": "folder/",
    "control": "a\tb\nc\x01.jpg",
    "quotes": "\"a'b`c\\d.jpg",
    "1,024 bytes": "x" * 1024,
    "1,024 bytes of emoji": "🌞" * 256,
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_of_every_kind_come_out_as_they_are_in_the_bucket(name: str) -> None:
    key = KEYS[name]
    assert object_changes(notification(quote_plus(key, safe="/"))) == [ObjectChange("photos", key)]
    assert object_changes(notification(quote_plus(key))) == [ObjectChange("photos", key)]
    event = json.loads(recorded("eventbridge_created"))
    event["detail"]["object"]["key"] = key
    assert object_changes(json.dumps(event)) == [ObjectChange("photos", key)]
    for message in (notification(quote_plus(key)), json.dumps(event)):
        assert object_changes(enveloped(message)) == [ObjectChange("photos", key)]


def test_composed_and_decomposed_letters_stay_two_keys() -> None:
    one, other = (
        object_changes(notification(quote_plus(KEYS[name]))) for name in ("composed", "NFC")
    )
    assert one != other


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
def test_any_key_survives_the_encoding_of_notifications(key: str) -> None:
    for safe in ("", "/"):
        assert object_changes(notification(quote_plus(key, safe=safe))) == [
            ObjectChange("photos", key)
        ]


GARBAGE: dict[str, str] = {
    "nothing": "",
    "text": "hello",
    "cut JSON": recorded("put")[:-40],
    "null": "null",
    "a number": "1",
    "a list": "[]",
    "an empty object": "{}",
    "Records null": '{"Records": null}',
    "Records a number": '{"Records": 3}',
    "Records of text": '{"Records": ["ObjectCreated:Put"]}',
    "Records of null": '{"Records": [null]}',
    "no s3": '{"Records": [{"eventName": "ObjectCreated:Put"}]}',
    "no bucket": '{"Records": [{"s3": {"object": {"key": "a"}}}]}',
    "no object": '{"Records": [{"s3": {"bucket": {"name": "photos"}}}]}',
    "an object of text": '{"Records": [{"s3": {"bucket": {"name": "b"}, "object": "a"}}]}',
    "a key that is a number": notification(7),
    "a key that is null": notification(None),
    "an empty key": notification(""),
    "an empty bucket": notification("a.jpg", ""),
    "a bucket that is a list": notification("a.jpg", ["photos"]),
    "half a surrogate": notification("a\ud800.jpg"),
    "half a surrogate in the bucket": notification("a.jpg", "\udfff"),
    "detail null": '{"detail": null}',
    "detail of text": '{"detail": "Object Created"}',
    "an empty detail": '{"detail": {}}',
    "one good record, one bad": json.dumps(
        {"Records": [*json.loads(recorded("put"))["Records"], {}]}
    ),
    "another service's": '{"Type": "Notification", "Message": "hello"}',
    "a topic's own words": recorded("sns_subscription_confirmation"),
    "an envelope of nothing": enveloped(""),
    "an envelope of null": enveloped(None),
    "an envelope of an object": enveloped({"Records": []}),
    "an envelope of an envelope": enveloped(recorded("sns_notification")),
    "an envelope of deep brackets": enveloped("[" * 100_000),
    "bytes that are not UTF-8": notification("a%ff.jpg"),
    "Latin-1": notification("M%FCnchen.jpg"),
    "deep brackets": "[" * 100_000,
    "deep objects": '{"a":' * 100_000,
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_s3_event_is_refused_with_a_reason(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        object_changes(GARBAGE[name])
    assert faults(caught.value.message) == []


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Records", "s3", "bucket", "object", "key", "name", "detail", "Event"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_JSON.map(json.dumps) | st.text(max_size=50))
def test_any_message_is_read_or_refused_and_nothing_else(body: str) -> None:
    for message in (body, enveloped(body)):
        try:
            changes = object_changes(message)
        except InvalidRequest:
            continue
        for change in changes:
            assert change.key.encode()
            assert change.bucket.encode()
