"""A bucket's CORS rules: ours, by its ID, among those that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from infra.handlers.bucket_settings.refusals import Refused, refused
from infra.handlers.bucket_settings.settling import all_understood, settle

WHAT = "CORS rules"

METHODS = ("GET", "HEAD", "POST")
"""The page posts forms and reads files."""
HEADERS = ("content-type", "range", "x-amz-*")
MAX_AGE_S = 3600
"""For so long a browser need not ask again."""

Rules = list[dict[str, Any]]


def rule(ours: str, origins: Sequence[str]) -> dict[str, Any]:
    """As PutBucketCors takes it
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html)."""
    return {
        "ID": ours,
        "AllowedOrigins": list(origins),
        "AllowedMethods": list(METHODS),
        "AllowedHeaders": list(HEADERS),
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": MAX_AGE_S,
    }


def with_rule(found: Rules, ours: str, origins: Sequence[str]) -> Rules:
    """Ours at its place where it is there, else last: S3 takes the first rule that fits."""
    mine = rule(ours, origins)
    if any(_same(one, mine) for one in found):
        return list(found)
    if any(one.get("ID") == ours for one in found):
        return [mine if one.get("ID") == ours else one for one in found]
    return [*found, mine]


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    def plain(value: Any) -> Any:
        return sorted(value) if isinstance(value, list) else value

    return {key: plain(value) for key, value in one.items()} == {
        key: plain(value) for key, value in other.items()
    }


def without_rule(found: Rules, ours: str) -> Rules:
    return [one for one in found if one.get("ID") != ours]


class Cors:
    """Of one bucket of this account."""

    def __init__(self, s3: Any, bucket: str, account: str) -> None:
        self._s3 = s3
        self._which = {"Bucket": bucket, "ExpectedBucketOwner": account}
        self._bucket = bucket
        self._body = b""
        s3.meta.events.register("after-call.s3.GetBucketCors", self._keep)

    def _keep(self, http_response: Any, **_: Any) -> None:
        self._body = http_response.content

    def put(self, ours: str, origins: Sequence[str]) -> None:
        settle(self._read, self._write, lambda found: with_rule(found, ours, origins))

    def remove(self, ours: str) -> None:
        settle(self._read, self._write, lambda found: without_rule(found, ours))

    def _read(self) -> Rules:
        try:
            found = self._s3.get_bucket_cors(**self._which)["CORSRules"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchCORSConfiguration":
                return []
            raise refused(error, self._bucket, WHAT) from error
        if not all_understood(self._body, found):
            raise Refused(
                f"{self._bucket} has CORS rules with parts that this version does not know, and "
                "would lose them. Nothing was changed; update the deployment."
            )
        return list(found)

    def _write(self, wanted: Rules) -> None:
        try:
            if wanted:
                rules = {"CORSRules": wanted}
                self._s3.put_bucket_cors(**self._which, CORSConfiguration=rules)
            else:
                self._s3.delete_bucket_cors(**self._which)
        except ClientError as error:
            raise refused(error, self._bucket, WHAT) from error
