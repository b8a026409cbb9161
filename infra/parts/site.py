"""The one address of page, API and thumbnails: a CloudFront distribution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.config import Config
from infra.nag import explain
from infra.parts.cookie_key import CookieKey
from infra.parts.headers import Headers, name_of

STRIPPING = Path(__file__).with_name("thumbnails.js")

ERRORS = (400, 403, 404, 405, 414, 500, 501, 502, 503, 504)
"""What CloudFront keeps for ten seconds unless told otherwise, even where caching is off
(https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/custom-error-pages-expiration.html);
its key is the path alone then, so one caller would get what another was refused."""

AT_THE_EDGE = Duration.days(1)
"""Thumbnails stay there so long: also those of photos deleted meanwhile."""

REASONS = {
    "CFR1": "The owner's photos are looked at from wherever the owner is.",
    "CFR2": "A web ACL costs 6 dollars a month and more, a sixth of all else; "
    "web_acl_arn adds one. Whatever holds data asks for a token, and the stage is throttled.",
    "CFR3": "API Gateway logs every request that reaches data. CloudFront's own log "
    "would hold the words of every search, since it cannot leave out query strings.",
    "CFR4": "CloudFront's own certificate allows no choice of TLS versions; "
    "domain_name with certificate_arn brings TLS 1.2 as the least.",
}


class Site(Construct):
    """`url` is the page's address.

    The bucket policies are not touched: they admit this account's distributions already, and a
    distribution named in them would make the stack of the data depend on this one."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        site_bucket: str,
        thumbnails_bucket: str,
        photos_bucket: str,
        api_domain: str,
        sign_in_origin: str,
        cookie_key: CookieKey,
    ) -> None:
        """Buckets by name; `sign_in_origin` as in `https://name`; `api_domain` without a
        scheme: its stage must be named `api`."""
        super().__init__(scope, id)
        self._headers = Headers(
            self, "Headers", photos_bucket=photos_bucket, sign_in_origin=sign_in_origin
        )
        reading = cloudfront.S3OriginAccessControl(
            self, "Reading", origin_access_control_name=name_of(self, "reading")
        )
        self.distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=config.name,
            default_root_object="index.html",
            default_behavior=self._page(self._from("Files", site_bucket, reading)),
            additional_behaviors={
                "/api/*": self._api(api_domain),
                "/thumbnails/*": self._thumbnails(
                    self._from("Small", thumbnails_bucket, reading), cookie_key
                ),
            },
            error_responses=[
                # Without a page of its own: what an origin answers goes out as it is, so neither
                # a missing thumbnail nor an error of the API becomes HTML.
                cloudfront.ErrorResponse(http_status=status, ttl=Duration.seconds(0))
                for status in ERRORS
            ],
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            # Viewers' nearest places, everywhere: a search's answer is waited for, and what goes
            # out is little.
            price_class=cloudfront.PriceClass.PRICE_CLASS_ALL,
            web_acl_id=config.web_acl_arn or None,
            **self._named(config),
        )
        name = config.domain_name or self.distribution.distribution_domain_name
        self.url = f"https://{name}"
        self._acknowledge(config)

    def _from(
        self, id: str, name: str, reading: cloudfront.S3OriginAccessControl
    ) -> cloudfront.IOrigin:
        return origins.S3BucketOrigin.with_bucket_defaults(
            s3.Bucket.from_bucket_name(self, id, name),
            origin_access_control_id=reading.origin_access_control_id,
        )

    def _named(self, config: Config) -> dict[str, Any]:
        if not config.domain_name:
            return {}
        certificate = acm.Certificate.from_certificate_arn(
            self, "Certificate", config.certificate_arn
        )
        return {
            "domain_names": [config.domain_name],
            "certificate": certificate,
            "minimum_protocol_version": cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
        }

    def _page(self, origin: cloudfront.IOrigin) -> cloudfront.BehaviorOptions:
        caching = cloudfront.CachePolicy(
            self,
            "Minute",
            comment="A page that was replaced is everywhere within a minute",
            min_ttl=Duration.seconds(0),
            default_ttl=Duration.minutes(1),
            max_ttl=Duration.minutes(1),
            enable_accept_encoding_brotli=True,
            enable_accept_encoding_gzip=True,
        )
        return cloudfront.BehaviorOptions(
            origin=origin,
            cache_policy=caching,
            compress=True,
            response_headers_policy=self._headers.page,
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
        )

    def _api(self, domain: str) -> cloudfront.BehaviorOptions:
        """Not compressed here, since nothing is kept; API Gateway compresses its answers."""
        return cloudfront.BehaviorOptions(
            origin=origins.HttpOrigin(
                domain,
                protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
                origin_ssl_protocols=[cloudfront.OriginSslPolicy.TLS_V1_2],
            ),
            allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
            cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
            origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
            response_headers_policy=self._headers.api,
            # A token that went out by http has been seen: refuse it rather than redirect it.
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
        )

    def _thumbnails(
        self, origin: cloudfront.IOrigin, cookie_key: CookieKey
    ) -> cloudfront.BehaviorOptions:
        caching = cloudfront.CachePolicy(
            self,
            "Day",
            comment="Thumbnails never change; those of deleted photos are gone within a day",
            min_ttl=Duration.seconds(0),
            default_ttl=AT_THE_EDGE,
            max_ttl=AT_THE_EDGE,
        )
        stripping = cloudfront.Function(
            self,
            "Stripping",
            function_name=name_of(self, "stripping"),
            code=cloudfront.FunctionCode.from_inline(STRIPPING.read_text(encoding="utf-8")),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
        )
        keys = cloudfront.KeyGroup(
            self, "CookieKeys", key_group_name=name_of(self, "cookies"), items=[cookie_key.key]
        )
        return cloudfront.BehaviorOptions(
            origin=origin,
            cache_policy=caching,
            compress=False,
            function_associations=[
                cloudfront.FunctionAssociation(
                    event_type=cloudfront.FunctionEventType.VIEWER_REQUEST, function=stripping
                )
            ],
            response_headers_policy=self._headers.thumbnails,
            trusted_key_groups=[keys],
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
        )

    def _acknowledge(self, config: Config) -> None:
        held = {"CFR2": config.web_acl_arn, "CFR4": config.domain_name}
        for rule, reason in REASONS.items():
            if not held.get(rule):
                explain(self.distribution, rule, reason)
