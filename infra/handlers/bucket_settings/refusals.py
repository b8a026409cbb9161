"""What goes wrong, in sentences that CloudFormation shows to whoever deploys."""

from __future__ import annotations

from botocore.exceptions import ClientError

RIGHTS = {
    "notifications": "s3:GetBucketNotification and s3:PutBucketNotification",
    "CORS rules": "s3:GetBucketCORS and s3:PutBucketCORS",
}
ELSEWHERE = {"PermanentRedirect", "301", "IllegalLocationConstraintException"}
GONE = {"NoSuchBucket", "404"}
DENIED = {"AccessDenied", "403", "AllAccessDisabled"}


class Refused(Exception):
    """Said as it is. `changed`: whether the bucket may be another one than before."""

    def __init__(self, sentence: str, *, changed: bool = False) -> None:
        super().__init__(sentence)
        self.changed = changed


class Gone(Refused):
    """There is no such bucket."""


def refused(error: ClientError, bucket: str, what: str, *, changed: bool = False) -> Refused:
    """`what` is a key of `RIGHTS`; S3's codes are listed at
    https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = error.response.get("Error", {}).get("Message", "")
    if code in GONE:
        return Gone(f"There is no bucket {bucket} in this account and region.")
    if code in DENIED:
        return Refused(
            f"S3 does not let this deployment see to the {what} of {bucket}: it needs "
            f"{RIGHTS[what]}, and the bucket must be this account's. Look for a Deny in the "
            "bucket's policy and in the organisation's policies.",
            changed=changed,
        )
    if code in ELSEWHERE:
        return Refused(f"{bucket} is in another region; deploy where the bucket is.")
    if "overlap" in message.lower():
        return Refused(
            f"S3 refuses our notification beside those that {bucket} has: {message} "
            'Set events = "eventbridge" to be told of objects through EventBridge instead.'
        )
    return Refused(f"S3 refuses the {what} of {bucket}: {message} ({code}).", changed=changed)
