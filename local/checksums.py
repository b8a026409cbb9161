"""Form uploads whose bytes are not those they were announced as are refused, as S3 does it: moto
takes them."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from moto.s3.responses import S3Response

FIELD = "x-amz-checksum-sha256"


def mend() -> None:
    """Make moto's S3 compare (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html)."""
    store = S3Response._bucket_response_post

    def compared(self: Any, request: Any, bucket_name: str) -> Any:
        said = str(getattr(self, "form_data", {}).get(FIELD, ""))
        if said and said != base64.b64encode(hashlib.sha256(self.body).digest()).decode():
            return 400, {"Content-Type": "application/xml"}, REFUSED
        return store(self, request, bucket_name)

    S3Response._bucket_response_post = compared  # type: ignore[method-assign]


REFUSED = (
    "<Error><Code>BadDigest</Code>"
    "<Message>The SHA256 you specified did not match the calculated checksum.</Message></Error>"
)
