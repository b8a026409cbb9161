"""The page: the files of `web/`, with the deployment's own config.json, in the site bucket."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.commands.account import Account

SCOPES = ("openid", "images/read", "images/upload", "images/admin")
ENTRIES = ("index.html", "config.json")
"""What a browser asks for first."""

ALWAYS_ASKED = "no-cache"
KEPT_AT_THE_EDGE = "public, max-age=0, must-revalidate, s-maxage=86400"
"""Names carry no hash of their content, so a browser that kept one module and fetched another
would run two versions at once: it asks each time, and CloudFront answers for a day. Publishing
ends what CloudFront has kept."""

MARK = ".publishing"
"""There from the first change until CloudFront has been told: a run that died in between is made
good by the next."""

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class File:
    body: bytes
    type: str
    cache: str

    @property
    def etag(self) -> str:
        """S3's own, of an object in one part that no KMS key encrypts
        (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html)."""
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


@dataclass(frozen=True, slots=True)
class Published:
    put: list[str]
    deleted: list[str]
    invalidated: bool


def config_of(outputs: Mapping[str, str]) -> dict[str, Any]:
    """What the page is told: where the API is and, where people sign in, at which client."""
    told: dict[str, Any] = {"api": "api"}
    if outputs.get("SignInUrl"):
        told["sign_in"] = {
            "url": outputs["SignInUrl"].rstrip("/"),
            "client_id": outputs["UserPoolClientId"],
            "scopes": list(SCOPES),
        }
    return told


def files_of(web: Path, config: Mapping[str, Any]) -> dict[str, File]:
    """Every file below `web`, by key, in the order of putting: what a browser asks for first comes
    last, when all that it names is there."""
    bodies = {
        path.relative_to(web).as_posix(): path.read_bytes()
        for path in sorted(web.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
    bodies["config.json"] = json.dumps(config, indent=2).encode() + b"\n"
    return {
        key: File(bodies[key], _type(key), ALWAYS_ASKED if key in ENTRIES else KEPT_AT_THE_EDGE)
        for key in sorted(bodies, key=lambda key: (key in ENTRIES, key))
    }


def publish(
    account: Account, bucket: str, distribution: str, files: Mapping[str, File]
) -> Published:
    """Make the bucket hold `files` and nothing else; tell CloudFront where something changed."""
    s3 = account.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    there = {item["Key"] for page in pages for item in page.get("Contents", [])}
    put = [
        key for key, file in files.items() if key not in there or _differs(s3, bucket, key, file)
    ]
    deleted = sorted(there - set(files) - {MARK})
    if not put and not deleted and MARK not in there:
        return Published([], [], invalidated=False)
    s3.put_object(Bucket=bucket, Key=MARK, Body=b"")
    for key in put:
        file = files[key]
        s3.put_object(
            Bucket=bucket, Key=key, Body=file.body, ContentType=file.type, CacheControl=file.cache
        )
    for key in deleted:
        s3.delete_object(Bucket=bucket, Key=key)
    _invalidate(account, distribution)
    s3.delete_object(Bucket=bucket, Key=MARK)
    return Published(put, deleted, invalidated=True)


def _differs(s3: Any, bucket: str, key: str, file: File) -> bool:
    try:
        head = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return True
        raise
    now = (head["ETag"], head.get("ContentType"), head.get("CacheControl"))
    return now != (file.etag, file.type, file.cache)


def _invalidate(account: Account, distribution: str) -> None:
    """Of everything: one path, and a thousand a month cost nothing
    (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/PayingForInvalidation.html)."""
    account.client("cloudfront").create_invalidation(
        DistributionId=distribution,
        InvalidationBatch={
            "Paths": {"Quantity": 1, "Items": ["/*"]},
            "CallerReference": f"publish-{time.time_ns()}",
        },
    )


def _type(key: str) -> str:
    suffix = Path(key).suffix
    return TYPES.get(suffix) or mimetypes.guess_type(key)[0] or "application/octet-stream"
