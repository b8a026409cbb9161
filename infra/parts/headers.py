"""What browsers are told with every answer: what a page may load, and that nobody may frame it."""

from __future__ import annotations

from aws_cdk import Aws, Duration, Stack
from aws_cdk import aws_cloudfront as cloudfront
from constructs import Construct

NOTHING = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""The policy of what is data: opened by itself it runs and loads nothing."""

HSTS = Duration.days(365)
"""Long enough for every list of good practice
(https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Strict_Transport_Security_Cheat_Sheet.html)."""

OURS_ONLY = {"Cross-Origin-Resource-Policy": "same-origin"}
"""No other page may embed what cookies alone open
(https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/Cross-Origin_Resource_Policy)."""

FEATURES = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
"""What the page has no use for."""


def bucket_origin(bucket: str) -> str:
    """Where presigned addresses of a bucket point: `wiring.client` names the region, us-east-1 too
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html)."""
    return f"https://{bucket}.s3.{Aws.REGION}.{Aws.URL_SUFFIX}"


def page_policy(photos_bucket: str, sign_in_origin: str) -> str:
    """The Content-Security-Policy of the page: that of `local/front.py`, and the token endpoint.

    Uploads go to the photos bucket by form POST, and the API redirects pictures there. `'self'` is
    also the API and the thumbnails, since all have one address."""
    photos_origin = bucket_origin(photos_bucket)
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"img-src 'self' blob: data: {photos_origin}; "
        f"connect-src 'self' {photos_origin} {sign_in_origin}; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def name_of(scope: Construct, what: str) -> str:
    """CloudFront's things are named once for all regions of an account; CDK's own names would
    collide where a second region has a deployment of the same name."""
    return f"{Stack.of(scope).stack_name}-{what}-{Aws.REGION}"


class Headers(Construct):
    """`page`, `api` and `thumbnails`: the headers of each."""

    def __init__(
        self, scope: Construct, id: str, *, photos_bucket: str, sign_in_origin: str
    ) -> None:
        super().__init__(scope, id)
        # The page's files keep their names when they change, so browsers ask each time; most
        # answers are a 304.
        self.page = self._policy(
            "page",
            page_policy(photos_bucket, sign_in_origin),
            {
                "Cache-Control": "no-cache",
                "Cross-Origin-Opener-Policy": "same-origin",
                "Permissions-Policy": FEATURES,
            },
        )
        self.api = self._policy("api", NOTHING, OURS_ONLY)
        # A thumbnail's key is new with each attempt, so what it names never changes.
        self.thumbnails = self._policy(
            "thumbnails",
            NOTHING,
            {"Cache-Control": "private, max-age=31536000, immutable", **OURS_ONLY},
        )

    def _policy(
        self, what: str, content: str, others: dict[str, str]
    ) -> cloudfront.ResponseHeadersPolicy:
        return cloudfront.ResponseHeadersPolicy(
            self,
            what.capitalize(),
            response_headers_policy_name=name_of(self, what),
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                    content_security_policy=content, override=True
                ),
                content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
                frame_options=cloudfront.ResponseHeadersFrameOptions(
                    frame_option=cloudfront.HeadersFrameOption.DENY, override=True
                ),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    referrer_policy=cloudfront.HeadersReferrerPolicy.NO_REFERRER, override=True
                ),
                strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                    access_control_max_age=HSTS, override=True
                ),
            ),
            custom_headers_behavior=cloudfront.ResponseCustomHeadersBehavior(
                custom_headers=[
                    cloudfront.ResponseCustomHeader(header=name, value=value, override=True)
                    for name, value in others.items()
                ]
            ),
        )
