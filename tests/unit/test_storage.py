"""S3's refusals and half answers, as they come over the wire, → what a `Bucket` makes of them.

moto answers otherwise here (archives, encryption, regions), so these are S3's own answers, put in
where botocore would send: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from urllib3 import HTTPResponse
from urllib3.exceptions import SSLError

from chalicelib.errors import StorageUnavailable
from chalicelib.storage import Archived, Fetched, Missing, S3Bucket, Unchanged
from tests.unit.sentences import faults

ETAG = "b1946ac92492d2347c6235b4d2611184"
FACTS = {
    "ETag": f'"{ETAG}"',
    "Last-Modified": "Sat, 14 Mar 2026 09:26:53 GMT",
    "Content-Type": "image/jpeg",
    "x-amz-request-id": "N4N7GDK58NMKJ12R",
}


@dataclass
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, code: str, message: str = "", **headers: str) -> Answer:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
        f"<Message>{message}</Message><RequestId>N4N7GDK58NMKJ12R</RequestId></Error>"
    )
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, body.encode(), {"Content-Type": "application/xml", **named})


def whole(data: bytes, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, data, {**FACTS, "Content-Length": str(len(data)), **named})


@dataclass
class Wire:
    """Gives the answers in turn, and keeps what was asked."""

    bucket: S3Bucket
    answers: list[Answer] = field(default_factory=list)
    asked: list[AWSRequest] = field(default_factory=list)

    def send(self, request: Any, **_: Any) -> AWSResponse:
        self.asked.append(request)
        answer = self.answers.pop(0)
        raw = HTTPResponse(
            io.BytesIO(answer.body),
            headers=answer.headers,
            status=answer.status,
            preload_content=False,
            request_method=request.method,
            enforce_content_length=True,
        )
        return AWSResponse(request.url, answer.status, raw.headers, raw)


@pytest.fixture
def wire() -> Iterator[Wire]:
    client = boto3.Session("AKID", "secret", region_name="eu-central-1").client(
        "s3",
        config=Config(
            signature_version="s3v4", retries={"mode": "standard", "total_max_attempts": 1}
        ),
    )
    made = Wire(S3Bucket(client, "photos"))
    client.meta.events.register("before-send.s3", made.send)
    yield made
    client.close()


Refused = Callable[..., str]


@pytest.fixture
def refused(wire: Wire) -> Refused:
    """What is said of a look that met these answers."""

    def look(*answers: Answer) -> str:
        wire.answers = list(answers)
        with pytest.raises(StorageUnavailable) as caught:
            wire.bucket.look("x.jpg", max_bytes=1000)
        assert wire.answers == []
        assert faults(caught.value.message) == []
        return caught.value.message

    return look


# --- archives -------------------------------------------------------------------------------------

ARCHIVED = refusal(
    403, "InvalidObjectState", "The operation is not valid for the object's storage class"
)


@pytest.mark.parametrize(
    "headers",
    [
        {"x_amz_storage_class": "GLACIER"},
        {"x_amz_storage_class": "DEEP_ARCHIVE"},
        {"x_amz_storage_class": "INTELLIGENT_TIERING", "x_amz_archive_status": "ARCHIVE_ACCESS"},
        {"x_amz_storage_class": "GLACIER", "x_amz_restore": 'ongoing-request="true"'},
    ],
    ids=["flexible", "deep", "tiered", "being restored"],
)
def test_an_object_in_an_archive_is_known_by_its_head(wire: Wire, headers: dict[str, str]) -> None:
    head = Answer(200, b"", whole(b"x" * 182_734, x_amz_meta_name="Meer.jpg", **headers).headers)
    wire.answers = [ARCHIVED, head]
    look = wire.bucket.look("x.jpg", max_bytes=1000)
    assert isinstance(look, Archived)
    assert (look.info.etag, look.info.size, look.info.name) == (ETAG, 182_734, "Meer.jpg")
    assert [request.method for request in wire.asked] == ["GET", "HEAD"]


def test_a_known_etag_is_asked_for_and_an_archive_is_told_all_the_same(wire: Wire) -> None:
    """As after the end of a restored copy."""
    wire.answers = [ARCHIVED, Answer(200, b"", {**FACTS, "Content-Length": "9"})]
    assert isinstance(wire.bucket.look("x.jpg", known_etag=ETAG, max_bytes=1000), Archived)
    assert wire.asked[0].headers["If-None-Match"] in (f'"{ETAG}"', f'"{ETAG}"'.encode())


def test_an_archived_object_that_goes_before_its_head_is_missing(wire: Wire) -> None:
    wire.answers = [ARCHIVED, Answer(404)]
    assert wire.bucket.look("x.jpg", max_bytes=1000) == Missing()


def test_an_archived_object_whose_head_is_refused_is_looked_at_again(refused: Refused) -> None:
    assert "s3:ListBucket" in refused(ARCHIVED, Answer(403))


# --- what is not there, and what is as it was ---------------------------------------------------


def test_a_delete_marker_is_a_missing_object(wire: Wire) -> None:
    wire.answers = [
        refusal(404, "NoSuchKey", "The specified key does not exist.", x_amz_delete_marker="true")
    ]
    assert wire.bucket.look("x.jpg", max_bytes=1000) == Missing()


@pytest.mark.parametrize(
    "answer", [Answer(304, b"", FACTS), refusal(412, "PreconditionFailed")], ids=["304", "412"]
)
def test_an_object_that_is_as_it_was_is_unchanged(wire: Wire, answer: Answer) -> None:
    wire.answers = [answer]
    assert wire.bucket.look("x.jpg", known_etag=ETAG, max_bytes=1000) == Unchanged()


def test_a_failed_condition_that_nobody_set_is_no_answer(refused: Refused) -> None:
    assert refused(refusal(412, "PreconditionFailed")) == (
        "S3 answered PreconditionFailed for bucket photos."
    )


# --- refusals, and what they name ---------------------------------------------------------------

REFUSALS = {
    "no right to read, or none to list": (
        refusal(403, "AccessDenied", "Access Denied"),
        "s3:ListBucket",
    ),
    "no right to the key": (
        refusal(
            403,
            "AccessDenied",
            "User: arn:aws:sts::123456789012:assumed-role/embedder is not authorized to perform:"
            " kms:Decrypt on the resource associated with this ciphertext",
        ),
        "kms:Decrypt",
    ),
    "a disabled key": (
        refusal(400, "KMS.DisabledException", "arn:aws:kms:eu-central-1:1:key/2 is disabled."),
        "kms:Decrypt",
    ),
    "a key that is gone": (refusal(400, "KMS.NotFoundException"), "kms:Decrypt"),
    "the customer's own key": (
        refusal(
            400,
            "InvalidRequest",
            "The object was stored using a form of Server Side Encryption. The correct parameters"
            " must be provided to retrieve the object.",
        ),
        "SSE-C",
    ),
    "no such bucket": (refusal(404, "NoSuchBucket"), "no such bucket"),
    "credentials of nobody": (refusal(403, "InvalidAccessKeyId"), "credentials"),
    "an old session": (refusal(400, "ExpiredToken"), "credentials"),
    "a wrong clock": (refusal(403, "RequestTimeTooSkewed"), "clock"),
    "too many requests": (refusal(503, "SlowDown", "Please reduce your rate."), "SlowDown"),
    "an inner fault": (refusal(503, "ServiceUnavailable"), "ServiceUnavailable"),
    "a gateway's page": (Answer(502, b"<html>Bad Gateway</html>"), "502"),
    "nothing but a number": (Answer(503), "503"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_tried_again_and_says_what_is_missing(refused: Refused, name: str) -> None:
    answer, named = REFUSALS[name]
    said = refused(answer)
    assert named in said
    assert "arn:" not in said


def test_a_bucket_of_another_region_is_asked_there(wire: Wire) -> None:
    elsewhere = refusal(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1")
    wire.answers = [elsewhere, whole(b"bytes")]
    look = wire.bucket.look("x.jpg", max_bytes=1000)
    assert isinstance(look, Fetched)
    assert [".eu-west-1." in request.url for request in wire.asked] == [False, True]


def test_a_bucket_of_a_region_that_is_not_told_names_the_setting(refused: Refused) -> None:
    elsewhere = refusal(301, "PermanentRedirect", "Use the specified endpoint.")
    not_told = Answer(403)
    assert "IMAGES_REGION" in refused(elsewhere, not_told)


# --- answers that break off ---------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0, 1, 500, 999])
def test_a_body_that_breaks_off_is_no_image_and_no_answer(refused: Refused, kept: int) -> None:
    cut = whole(b"x" * 1000)
    refused(Answer(200, cut.body[:kept], cut.headers))


def test_a_body_that_is_not_what_its_checksum_says_is_no_answer(refused: Refused) -> None:
    refused(whole(b"bytes", x_amz_checksum_crc32="AAAAAA=="))


@pytest.mark.parametrize("error", [SSLError("bad record mac"), ConnectionResetError("reset")])
def test_a_connection_that_breaks_under_the_body_is_no_answer(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: object, **__: object) -> bytes:
        raise error

    monkeypatch.setattr(HTTPResponse, "read", broken)
    wire.answers = [whole(b"bytes")]
    with pytest.raises(StorageUnavailable) as caught:
        wire.bucket.look("x.jpg", max_bytes=1000)
    assert faults(caught.value.message) == []
