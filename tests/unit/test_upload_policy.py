"""The policy of a place for an upload: whatever is asked for, it admits one form and no other.

`tests/integration/test_presigned_post.py` has a server enforce it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib import wiring
from chalicelib.config import Settings
from chalicelib.storage import S3Bucket
from chalicelib.uploads import IMAGE_TYPES, Place, Uploads, UploadsRequest, content_type

SIGNED = {"policy", "x-amz-signature"}
"""Fields that no condition names: they are the policy, and what signs it
(https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html)."""

SIGNING = {"x-amz-algorithm", "x-amz-credential", "x-amz-date"}

TOKEN = "IQoJb3JpZ2luX2VjEExample//token=="


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3Bucket]:
    """Signed for as in Lambda, with a role's credentials, which have a token."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        patch.setenv("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
        patch.setenv("AWS_SESSION_TOKEN", TOKEN)
        known = Settings(bucket="photos", thumbnails_bucket="small", region="eu-central-1")
        yield S3Bucket(wiring.client("s3", known), "photos")


def place_in(bucket: S3Bucket, owner: str = "", trace: str = "", **file: Any) -> Place:
    asked = {"name": "a.png", "size": 1, **file}
    uploads = Uploads(bucket=bucket, max_bytes=10**9, seconds=300)
    request = UploadsRequest.model_validate({"files": [asked]})
    (place,) = uploads.places(request, owner=owner, trace=trace)
    return place


def policy_of(place: Place) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(base64.b64decode(place.post["fields"]["policy"]))
    return said


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
_ODD = [
    "${filename}", "a${filename}.png", "../x.png", '"], ["starts-with", "$key',
    "a\r\nx-amz-acl: public-read", "\0", "ü" * 900, "%24%7Bfilename%7D.png", '{"a": 1}',
]  # fmt: skip
_NAMES = st.one_of(_TEXTS.filter(bool), st.sampled_from(_ODD))


@settings(deadline=None)
@given(
    name=_NAMES,
    owner=_TEXTS,
    trace=_TEXTS,
    kind=st.sampled_from([*IMAGE_TYPES]),
    size=st.integers(1, 10**9),
    digest=st.one_of(
        st.just(None), st.binary(max_size=5).map(lambda b: hashlib.sha256(b).hexdigest())
    ),
)
def test_the_policy_admits_the_one_form_and_nothing_beside_it(
    bucket: S3Bucket, name: str, owner: str, trace: str, kind: str, size: int, digest: str | None
) -> None:
    digests = {"sha256": digest} if digest else {}
    place = place_in(bucket, owner, trace, name=name, type=kind, size=size, **digests)
    fields, policy = place.post["fields"], policy_of(place)
    assert set(policy) == {"expiration", "conditions"}
    exact: dict[str, str] = {}
    for condition in policy["conditions"]:
        if isinstance(condition, dict):
            ((field, value),) = condition.items()
            assert exact.setdefault(field, value) == value
        else:
            assert condition == ["content-length-range", 1, size]
    ranges = [c for c in policy["conditions"] if isinstance(c, list)]
    assert len(ranges) == 1
    # Each field is fixed, and each condition is of a field: nothing is left open or unsaid.
    assert exact == {n: v for n, v in fields.items() if n not in SIGNED} | {"bucket": "photos"}
    may = {"key", "bucket", "Content-Type", "x-amz-meta-name", "x-amz-security-token"} | SIGNING
    may |= {"x-amz-meta-owner"} if owner else set()
    may |= {"x-amz-meta-trace"} if trace else set()
    may |= {"x-amz-checksum-algorithm", "x-amz-checksum-sha256"} if digest else set()
    assert set(exact) == may
    assert exact["x-amz-security-token"] == TOKEN
    assert exact["Content-Type"] == content_type(kind, name)
    for value in fields.values():
        # S3 would put the file's name there.
        assert "${filename}" not in value
        assert value.isascii()
        assert value.isprintable()
    stored = [v for n, v in fields.items() if n.startswith("x-amz-meta-")]
    assert sum(map(len, stored)) <= 2000


@settings(deadline=None)
@given(st.integers(1, 3600))
def test_the_policy_ends_when_the_settings_say(bucket: S3Bucket, seconds: int) -> None:
    uploads = Uploads(bucket=bucket, max_bytes=10, seconds=seconds)
    request = UploadsRequest.model_validate({"files": [{"name": "a.png", "size": 1}]})
    before = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    (place,) = uploads.places(request)
    after = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    signed = datetime.fromisoformat(policy_of(place)["expiration"].replace("Z", "+00:00"))
    # The signature has whole seconds.
    assert before - timedelta(seconds=1) <= signed <= after
    assert before <= place.expires_at <= after


def test_no_two_places_are_for_one_key(bucket: S3Bucket) -> None:
    keys = {place_in(bucket).key for _ in range(50)}
    assert len(keys) == 50


@pytest.mark.parametrize(
    "extra",
    [
        {"owner": "bert"},
        {"key": "uploads/x.png"},
        {"metadata": {"owner": "bert"}},
        {"bucket": "other"},
        {"acl": "public-read"},
        {"max_bytes": 10**12},
        {"expires_in": 10**6},
    ],
)
def test_a_request_may_not_say_what_a_place_is_good_for(extra: dict[str, Any]) -> None:
    for body in (
        {"files": [{"name": "a.png", "size": 1, **extra}]},
        {"files": [{"name": "a.png", "size": 1}], **extra},
    ):
        with pytest.raises(ValueError, match="Extra inputs are not permitted"):
            UploadsRequest.model_validate(body)
