"""Buckets with settings of other people's, and how to look at all of a bucket."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from botocore.exceptions import ClientError
from hypothesis import strategies as st

from tests.infra.bucket_server import SPACE, BucketServer
from tests.infra.cloudformation_played import ACCOUNT

QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:ingest"
RECEIVERS = {
    "Queue": f"arn:aws:sqs:us-east-1:{ACCOUNT}:theirs",
    "Topic": f"arn:aws:sns:us-east-1:{ACCOUNT}:theirs",
    "CloudFunction": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:theirs",
}
BESIDE = (
    "s3:ObjectTagging:*",
    "s3:ObjectAcl:Put",
    "s3:Replication:OperationMissedThreshold",
    "s3:ReducedRedundancyLostObject",
    "s3:ObjectRestore:Post",
    "s3:LifecycleTransition",
    "s3:IntelligentTiering",
)
"""Events that ours do not need."""
_numbers = itertools.count()

GETTERS = (
    "get_bucket_accelerate_configuration",
    "get_bucket_acl",
    "get_bucket_encryption",
    "get_bucket_lifecycle_configuration",
    "get_bucket_location",
    "get_bucket_logging",
    "get_bucket_ownership_controls",
    "get_bucket_policy",
    "get_bucket_replication",
    "get_bucket_request_payment",
    "get_bucket_tagging",
    "get_bucket_versioning",
    "get_bucket_website",
    "get_public_access_block",
    "list_objects_v2",
)


def new_bucket(s3: Any) -> str:
    name = f"old-photos-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    return name


def full_bucket(s3: Any) -> str:
    """One with something in every setting that moto has."""
    name = new_bucket(s3)
    bucket = {"Bucket": name}
    s3.put_object(**bucket, Key="a/photo.jpg", Body=b"bytes", Tagging="kept=yes")
    arn = f"arn:aws:s3:::{name}/*"
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": arn,
                 "Condition": {"Bool": {"aws:SecureTransport": "false"}}}  # fmt: skip
    s3.put_bucket_policy(
        **bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    s3.put_bucket_tagging(**bucket, Tagging={"TagSet": [{"Key": "team", "Value": "museum"}]})
    s3.put_bucket_versioning(**bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_lifecycle_configuration(
        **bucket,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "old",
                    "Status": "Enabled",
                    "Filter": {"Prefix": "tmp/"},
                    "Expiration": {"Days": 3},
                }
            ]
        },
    )
    encryption = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(**bucket, ServerSideEncryptionConfiguration={"Rules": [encryption]})
    s3.put_bucket_website(**bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "i.html"}})
    s3.put_public_access_block(**bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    return name


def everything(s3: Any, bucket: str) -> dict[str, Any]:
    """All that S3 says of a bucket but notifications and CORS."""
    said: dict[str, Any] = {}
    for getter in GETTERS:
        try:
            said[getter] = getattr(s3, getter)(Bucket=bucket)
            del said[getter]["ResponseMetadata"]
        except ClientError as error:
            said[getter] = error.response["Error"]["Code"]
    return said


@st.composite
def notifications(draw: st.DrawFn) -> bytes:
    """A document as S3 answers it, of notifications that ours may stand beside."""
    parts = []
    events = draw(st.lists(st.sampled_from(BESIDE), unique=True, max_size=5))
    for number, event in enumerate(events):
        kind = draw(st.sampled_from(sorted(RECEIVERS)))
        rules = {
            name: draw(st.text("abc/ .&<ü", min_size=1, max_size=8))
            for name in draw(st.sampled_from([(), ("Prefix",), ("Suffix",), ("Prefix", "Suffix")]))
        }
        parts.append(notification(kind, f"theirs {number} & <more>", [event], **rules))
    if draw(st.booleans()):
        parts.append("<EventBridgeConfiguration/>")
    return document("NotificationConfiguration", draw(st.permutations(parts)))


def notification(kind: str, id: str, events: Sequence[str], **rules: str) -> str:
    said = "".join(
        f"<FilterRule><Name>{name}</Name><Value>{escape(value)}</Value></FilterRule>"
        for name, value in rules.items()
    )
    return (
        f"<{kind}Configuration><Id>{escape(id)}</Id><{kind}>{RECEIVERS[kind]}</{kind}>"
        + "".join(f"<Event>{event}</Event>" for event in events)
        + (f"<Filter><S3Key>{said}</S3Key></Filter>" if rules else "")
        + f"</{kind}Configuration>"
    )


@st.composite
def cors(draw: st.DrawFn) -> bytes:
    """A document of one to four rules, with and without ID and what else may be left out."""
    rules = []
    for number in range(draw(st.integers(1, 4))):
        parts = [f"<ID>theirs {number} &amp;</ID>"] if draw(st.booleans()) else []
        methods = draw(st.lists(st.sampled_from(["GET", "PUT", "DELETE"]), min_size=1, unique=True))
        parts += [f"<AllowedMethod>{method}</AllowedMethod>" for method in methods]
        parts.append(
            f"<AllowedOrigin>https://{draw(st.text('abc', min_size=1))}.example</AllowedOrigin>"
        )
        if draw(st.booleans()):
            parts.append("<AllowedHeader>*</AllowedHeader><ExposeHeader>x-amz-id-2</ExposeHeader>")
        if draw(st.booleans()):
            parts.append(f"<MaxAgeSeconds>{draw(st.integers(0, 9999))}</MaxAgeSeconds>")
        rules.append(f"<CORSRule>{''.join(parts)}</CORSRule>")
    return document("CORSConfiguration", rules)


def document(root: str, parts: Sequence[str]) -> bytes:
    return f'<{root} xmlns="{SPACE}">{"".join(parts)}</{root}>'.encode()


def parts_of(server: BucketServer, bucket: str, setting: str) -> list[list[tuple[str, str]]]:
    """The document's parts: each as all that is said in it, whatever the order of elements; the
    notifications by their text, CORS rules in their order."""
    body = server.documents.get((bucket, setting))
    if body is None:
        return []
    parts = [
        sorted((each.tag, each.text or "") for each in part.iter())
        for part in ElementTree.fromstring(body)
    ]
    return parts if setting == "cors" else sorted(parts)
