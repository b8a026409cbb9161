"""What S3 says when it refuses, as a sentence that names what is missing. Pure.

Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import re

_REGION = "The bucket is in another region; set IMAGES_REGION to it."
_ROLE = (
    "The role needs s3:GetObject, s3:PutObject and s3:DeleteObject on the bucket's objects, and"
    " s3:ListBucket on the bucket: without that, S3 refuses missing objects like forbidden ones."
)
_KMS = "Its key in KMS must be there and enabled, and must let the role use kms:Decrypt."
_CUSTOMER_KEY = (
    "Only its owner has the key that the object was encrypted with (SSE-C). Copy it onto itself"
    " with a key of S3 or KMS."
)
_CREDENTIALS = "The credentials are not those of an account that S3 knows, or have expired."

_ADVICE = {
    "AccessDenied": _ROLE,
    "403": _ROLE,
    "Forbidden": _ROLE,
    "AllAccessDisabled": "The account or the bucket has been closed.",
    "NoSuchBucket": "There is no such bucket.",
    "PermanentRedirect": _REGION,
    "TemporaryRedirect": "The bucket is new; S3 answers by itself within hours.",
    "Redirect": "The bucket is new; S3 answers by itself within hours.",
    "301": _REGION,
    "307": "The bucket is new; S3 answers by itself within hours.",
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraint": _REGION,
    "InvalidAccessKeyId": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "ExpiredToken": _CREDENTIALS,
    "RequestTimeTooSkewed": "The clock of this machine is wrong.",
}


def explained(code: str, message: str, bucket: str) -> str:
    """A sentence or two about the refusal `code`; `message` is S3's own, of which only what kind
    of refusal it was is taken: it may name accounts and keys."""
    code = code.removesuffix("Exception")
    said = f"S3 answered {code} for bucket {bucket}."
    if code.startswith("KMS.") or (code == "AccessDenied" and "kms:" in message.lower()):
        return f"{said} {_KMS}"
    if code == "InvalidRequest" and "server side encryption" in message.lower():
        return f"{said} {_CUSTOMER_KEY}"
    return f"{said} {_ADVICE[code]}" if code in _ADVICE else said


def broken_off(error: str, bucket: str) -> str:
    """A sentence about the exception of that name: there was no answer, or only half of one."""
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", error.removesuffix("Error")).lower()
    return f"S3 did not answer for bucket {bucket} ({kind})."
