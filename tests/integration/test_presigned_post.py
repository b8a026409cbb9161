"""What a place for an upload is good for, as an S3 server has it that enforces policies. Each test
sends a form over HTTP as a browser does, changed in one way, and looks into the bucket after it."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import boto3
import pytest
import requests

from chalicelib import wiring
from chalicelib.config import Settings
from chalicelib.forms import image_metadata
from chalicelib.storage import S3Bucket
from chalicelib.uploads import Uploads, UploadsRequest
from tests.integration.pictures import jpeg
from tests.versitygw_server import Gateway

REGION = "us-east-1"
PHOTO = jpeg(1)
OTHER_KEY = "uploads/01kb2n4w6y8a0c2e4g6j8k0m2p/other.jpg"
NAME = "Strand “${filename}” 7.jpg"

Form = dict[str, str]


@pytest.fixture(scope="module")
def s3(gateway: Gateway) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        patch.setenv("AWS_ACCESS_KEY_ID", gateway.access_key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", gateway.secret_key)
        patch.delenv("AWS_SESSION_TOKEN", raising=False)
        known = Settings(
            bucket="photos", thumbnails_bucket="small", endpoint=gateway.url, region=REGION
        )
        client = wiring.client("s3", known)
        yield client
        client.close()


@pytest.fixture
def bucket(s3: Any) -> S3Bucket:
    name = f"photos-{uuid4()}"
    s3.create_bucket(Bucket=name)
    return S3Bucket(s3, name)


class Place:
    """A place for `PHOTO`, as the API hands it out, and what is sent to it."""

    def __init__(self, bucket: S3Bucket, **file: Any) -> None:
        uploads = Uploads(bucket=bucket, max_bytes=1_000_000, seconds=300)
        asked = {"name": NAME, "type": "image/jpeg", "size": len(PHOTO), **file}
        request = UploadsRequest.model_validate({"files": [asked]})
        (self.place,) = uploads.places(request, owner="anna@home")
        self.bucket = bucket
        self.key = self.place.key
        self.fields: Form = dict(self.place.post["fields"])
        self.url: str = self.place.post["url"]

    def send(
        self, fields: Form | None = None, data: bytes = PHOTO, **changes: Any
    ) -> requests.Response:
        """`changes`: the file's `name` in the form, its `kind`, another `url`."""
        name, kind = changes.get("name", "photo.jpg"), changes.get("kind", "image/jpeg")
        return requests.post(
            changes.get("url", self.url),
            data=self.fields if fields is None else fields,
            files={"file": (name, data, kind)},
            timeout=60,
        )

    def policy(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(base64.b64decode(self.fields["policy"]))
        return said

    def with_policy(self, policy: dict[str, Any]) -> Form:
        """The form with another policy under the signature of the first."""
        return self.fields | {"policy": base64.b64encode(json.dumps(policy).encode()).decode()}


@pytest.fixture
def place(bucket: S3Bucket) -> Place:
    return Place(bucket)


def stored(s3: Any, bucket: S3Bucket) -> list[str]:
    return [row["Key"] for row in s3.list_objects_v2(Bucket=bucket.name).get("Contents", [])]


# --- what it is good for ----------------------------------------------------------------------


def test_the_file_that_was_announced_is_taken_with_its_type_and_metadata(
    s3: Any, place: Place
) -> None:
    assert place.send().status_code == 204
    found = s3.get_object(Bucket=place.bucket.name, Key=place.key)
    assert found["Body"].read() == PHOTO
    assert found["ContentType"] == "image/jpeg"
    assert found["Metadata"] == image_metadata(NAME, "anna@home")
    assert unquote(found["Metadata"]["name"]) == NAME
    assert stored(s3, place.bucket) == [place.key]


def test_fewer_bytes_than_were_announced_are_taken_and_more_are_not(s3: Any, place: Place) -> None:
    more = place.send(data=PHOTO + b"x")
    assert (more.status_code, "EntityTooLarge" in more.text) == (400, True)
    assert stored(s3, place.bucket) == []
    assert place.send(data=PHOTO[:-1]).status_code == 204
    assert (
        s3.head_object(Bucket=place.bucket.name, Key=place.key)["ContentLength"] == len(PHOTO) - 1
    )


def test_an_empty_file_is_refused(s3: Any, place: Place) -> None:
    answer = place.send(data=b"")
    assert (answer.status_code, "EntityTooSmall" in answer.text) == (400, True)
    assert stored(s3, place.bucket) == []


def test_a_length_that_lies_brings_in_no_byte_more(s3: Any, place: Place) -> None:
    """The file is measured as it comes; what a part says of its own length is nothing."""
    boundary = "limits"
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode()
        for n, v in place.fields.items()
    )
    body += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
        f"Content-Type: image/jpeg\r\nContent-Length: {len(PHOTO)}\r\n\r\n"
    ).encode()
    body += PHOTO * 3 + f"\r\n--{boundary}--\r\n".encode()
    kind = f"multipart/form-data; boundary={boundary}"
    answer = requests.post(place.url, data=body, headers={"Content-Type": kind}, timeout=60)
    assert (answer.status_code, "EntityTooLarge" in answer.text) == (400, True)
    assert stored(s3, place.bucket) == []


def test_the_name_in_the_form_changes_neither_key_nor_metadata(s3: Any, place: Place) -> None:
    assert place.send(name="../../evil.html", kind="text/html").status_code == 204
    assert stored(s3, place.bucket) == [place.key]
    found = s3.head_object(Bucket=place.bucket.name, Key=place.key)
    assert found["ContentType"] == "image/jpeg"
    assert unquote(found["Metadata"]["name"]) == NAME


def test_a_place_may_be_used_again_while_it_is_good_for_the_same_key_only(
    s3: Any, place: Place
) -> None:
    """POST has no "once" (docs/security.md): the second overwrites the first, within its size."""
    assert place.send().status_code == 204
    again = bytes(reversed(PHOTO))
    assert place.send(data=again).status_code == 204
    assert stored(s3, place.bucket) == [place.key]
    assert s3.get_object(Bucket=place.bucket.name, Key=place.key)["Body"].read() == again
    assert place.send(data=PHOTO * 2).status_code == 400


# --- what it is not good for ------------------------------------------------------------------


def without(field: str) -> Callable[[Form], Form]:
    return lambda fields: {name: value for name, value in fields.items() if name != field}


def changed(**values: str) -> Callable[[Form], Form]:
    given = {name.replace("_", "-"): value for name, value in values.items()}
    return lambda fields: fields | {("Content-Type" if n == "type" else n): given[n] for n in given}


def flipped(field: str) -> Callable[[Form], Form]:
    """One letter of a field is another."""

    def flip(fields: Form) -> Form:
        value = fields[field]
        return fields | {field: ("0" if value[0] != "0" else "1") + value[1:]}

    return flip


REFUSED: dict[str, Callable[[Form], Form]] = {
    "another key": changed(key=OTHER_KEY),
    "a key that takes the file's name": changed(key="uploads/${filename}"),
    "a key above": changed(key="../other/key.jpg"),
    "no key": without("key"),
    "another type": changed(type="text/html"),
    "no type": without("Content-Type"),
    "another name": changed(x_amz_meta_name="another"),
    "no name": without("x-amz-meta-name"),
    "another owner": changed(x_amz_meta_owner="bert"),
    "no owner": without("x-amz-meta-owner"),
    "a trace of somebody's": changed(x_amz_meta_trace="Root=1-1-1"),
    "metadata of one's own": changed(x_amz_meta_note="hello"),
    "an ACL": changed(acl="public-read"),
    "tags": changed(tagging="<Tagging><TagSet/></Tagging>"),
    "a redirect": changed(success_action_redirect="https://example.com/"),
    "an old redirect": changed(redirect="https://example.com/"),
    "another status": changed(success_action_status="201"),
    "a storage class": changed(x_amz_storage_class="GLACIER"),
    "a redirect of the object": changed(x_amz_website_redirect_location="https://example.com/"),
    "an encryption": changed(x_amz_server_side_encryption="aws:kms"),
    "a caching rule": changed(Cache_Control="public, max-age=31536000"),
    "a download": changed(Content_Disposition="inline"),
    "an encoding": changed(Content_Encoding="gzip"),
    "any other field": changed(anything="x"),
    "no policy": without("policy"),
    "no signature": without("x-amz-signature"),
    "another signature": flipped("x-amz-signature"),
    "another credential": flipped("x-amz-credential"),
    "no credential": without("x-amz-credential"),
    "another algorithm": changed(x_amz_algorithm="AWS4-HMAC-SHA1"),
    "no date": without("x-amz-date"),
    "another date": changed(x_amz_date="20300101T000000Z"),
    "a broken policy": flipped("policy"),
    "nothing but the key": lambda fields: {"key": fields["key"]},
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_form_that_is_changed_is_refused_and_stores_nothing(
    s3: Any, place: Place, name: str
) -> None:
    answer = place.send(REFUSED[name](place.fields))
    assert 400 <= answer.status_code < 500, answer.text
    assert "<Error>" in answer.text
    assert stored(s3, place.bucket) == []


def test_a_place_in_one_bucket_is_none_in_another(s3: Any, bucket: S3Bucket, place: Place) -> None:
    other = f"other-{uuid4()}"
    s3.create_bucket(Bucket=other)
    answer = place.send(url=place.url.replace(bucket.name, other))
    assert answer.status_code == 403
    assert stored(s3, S3Bucket(s3, other)) == stored(s3, bucket) == []


@pytest.mark.parametrize("widened", ["later", "larger", "another key", "any key", "no conditions"])
def test_a_policy_that_was_widened_has_another_signature(
    s3: Any, place: Place, widened: str
) -> None:
    policy = place.policy()
    conditions = policy["conditions"]
    fields = place.fields
    if widened == "later":
        policy["expiration"] = "2036-01-01T00:00:00Z"
    elif widened == "larger":
        policy["conditions"] = [
            ["content-length-range", 1, 10**9] if isinstance(c, list) else c for c in conditions
        ]
    elif widened == "another key":
        policy["conditions"] = [c for c in conditions if "key" not in c] + [{"key": OTHER_KEY}]
        fields = fields | {"key": OTHER_KEY}
    elif widened == "any key":
        policy["conditions"] = [c for c in conditions if "key" not in c]
        policy["conditions"] += [["starts-with", "$key", ""]]
    else:
        policy["conditions"] = [{"bucket": place.bucket.name}]
    answer = place.send(fields | {"policy": place.with_policy(policy)["policy"]}, PHOTO * 2)
    assert (answer.status_code, "SignatureDoesNotMatch" in answer.text) == (403, True)
    assert stored(s3, place.bucket) == []


def test_a_place_that_has_expired_is_none(s3: Any, bucket: S3Bucket) -> None:
    post = bucket.presign_post(
        "uploads/1/a.jpg", "image/jpeg", len(PHOTO), 1, image_metadata("a.jpg", "")
    )
    said = json.loads(base64.b64decode(post["fields"]["policy"]))["expiration"]
    ends = datetime.fromisoformat(said.replace("Z", "+00:00"))
    while datetime.now(timezone.utc) <= ends + timedelta(seconds=0.1):
        time.sleep(0.1)
    answer = requests.post(
        post["url"], data=post["fields"], files={"file": ("a.jpg", PHOTO)}, timeout=60
    )
    assert (answer.status_code, "expired" in answer.text) == (403, True)
    assert stored(s3, bucket) == []


def test_two_places_cannot_be_made_into_a_third(s3: Any, bucket: S3Bucket) -> None:
    one, other = Place(bucket), Place(bucket, name="b.png", type="image/png")
    for field in ("key", "Content-Type", "policy", "x-amz-signature", "x-amz-meta-name"):
        assert one.send(one.fields | {field: other.fields[field]}).status_code == 403
    assert stored(s3, bucket) == []


def test_a_form_with_a_field_twice_stores_nothing_elsewhere(s3: Any, place: Place) -> None:
    """Whichever of the two a server believes, both have to be the one that was signed."""
    twice = [*place.fields.items(), ("key", OTHER_KEY)]
    for fields in (twice, twice[::-1]):
        requests.post(place.url, data=fields, files={"file": ("a.jpg", PHOTO)}, timeout=60)
        assert OTHER_KEY not in stored(s3, place.bucket)


def test_nobody_writes_without_a_place(s3: Any, place: Place) -> None:
    address = f"{place.url}/{place.key}"
    assert requests.put(address, data=PHOTO, timeout=60).status_code == 403
    fields = {"key": place.key, "Content-Type": "image/jpeg"}
    assert place.send(fields).status_code == 403
    assert requests.get(address, timeout=60).status_code == 403
    assert stored(s3, place.bucket) == []


# --- digests ----------------------------------------------------------------------------------


def test_bytes_of_another_digest_than_was_announced_are_refused(s3: Any, bucket: S3Bucket) -> None:
    place = Place(bucket, sha256=hashlib.sha256(PHOTO).hexdigest())
    wrong = place.send(data=PHOTO[:-1] + b"?")
    assert wrong.status_code == 400, wrong.text
    assert stored(s3, bucket) == []
    other = base64.b64encode(hashlib.sha256(PHOTO[:-1] + b"?").digest()).decode()
    swapped = place.fields | {"x-amz-checksum-sha256": other}
    assert place.send(swapped, PHOTO[:-1] + b"?").status_code == 403
    dropped = without("x-amz-checksum-sha256")(place.fields)
    assert place.send(dropped, PHOTO[:-1] + b"?").status_code == 403
    assert stored(s3, bucket) == []
    assert place.send().status_code == 204
    assert s3.get_object(Bucket=bucket.name, Key=place.key)["Body"].read() == PHOTO
