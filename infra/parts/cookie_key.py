"""The public half of the key by which CloudFront knows the thumbnails' cookies."""

from __future__ import annotations

import hashlib

from aws_cdk import aws_cloudfront as cloudfront
from constructs import Construct

from infra.parts.headers import name_of


class CookieKey(Construct):
    """`id` is CloudFront's name for it, which every cookie says."""

    def __init__(self, scope: Construct, id: str, *, pem: str) -> None:
        """`pem`: RSA of 2048 bits.

        A key cannot be changed in place
        (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-trusted-signers.html),
        so another has another id here: CloudFormation makes it before it removes the first."""
        super().__init__(scope, id)
        pem = pem.strip() + "\n"
        digest = hashlib.sha256(pem.encode()).hexdigest()[:8]
        self.key = cloudfront.PublicKey(
            self,
            f"Key{digest}",
            public_key_name=name_of(self, f"cookies-{digest}"),
            encoded_key=pem,
        )
        self.id = self.key.public_key_id
