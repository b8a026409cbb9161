from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from chalice.app import Chalice
from edge_stacks import (
    API,
    KEY,
    NAMED,
    PHOTOS,
    SIGN_IN,
    add_site,
    linted,
    of_type,
    only,
    public_key,
    synthesized,
)
from werkzeug.test import Client

from chalicelib.config import Settings
from chalicelib.storage import S3Bucket
from chalicelib.wiring import client
from infra import node
from infra.parts.site import STRIPPING
from local.front import Front

pytestmark = pytest.mark.xdist_group("infra_edge")

Template = dict[str, Any]

ORIGIN = f"https://{PHOTOS}.s3.eu-central-1.amazonaws.com"


@pytest.fixture(scope="module")
def template() -> Template:
    return synthesized(add_site)


@pytest.fixture(scope="module")
def named() -> Template:
    return synthesized(lambda stack: add_site(stack, **NAMED))


def distribution(template: Template) -> Any:
    return only(template, "AWS::CloudFront::Distribution")["DistributionConfig"]


def behaviour(template: Template, path: str) -> Any:
    (found,) = [b for b in distribution(template)["CacheBehaviors"] if b["PathPattern"] == path]
    return found


def origin(template: Template, of: Any) -> Any:
    origins = distribution(template)["Origins"]
    (found,) = [one for one in origins if one["Id"] == of["TargetOriginId"]]
    return found


def referred(template: Template, reference: Any) -> Any:
    return template["Resources"][reference["Ref"]]["Properties"]


def headers(template: Template, of: Any, region: str = "eu-central-1") -> dict[str, str]:
    """All that CloudFront sets, by name, whether it has a property for it or not."""
    policy = referred(template, of["ResponseHeadersPolicyId"])["ResponseHeadersPolicyConfig"]
    own = policy["SecurityHeadersConfig"]
    assert all(part["Override"] for part in own.values())
    found = {h["Header"]: h["Value"] for h in policy["CustomHeadersConfig"]["Items"]}
    assert "ContentTypeOptions" in own
    return found | {
        "Content-Security-Policy": resolved(
            own["ContentSecurityPolicy"]["ContentSecurityPolicy"], region
        ),
        "X-Frame-Options": own["FrameOptions"]["FrameOption"],
        "Referrer-Policy": own["ReferrerPolicy"]["ReferrerPolicy"],
        "HSTS": str(own["StrictTransportSecurity"]["AccessControlMaxAgeSec"]),
    }


def resolved(joined: Any, region: str = "eu-central-1") -> str:
    """A text as CloudFormation makes it."""
    values = {"AWS::Region": region, "AWS::URLSuffix": "amazonaws.com"}
    if isinstance(joined, str):
        return joined
    (separator, parts) = joined["Fn::Join"]
    return str(separator).join(p if isinstance(p, str) else values[p["Ref"]] for p in parts)


def directives(policy: str) -> dict[str, list[str]]:
    parts = [part.split() for part in policy.split(";")]
    assert len({part[0] for part in parts}) == len(parts)
    return {name: sources for name, *sources in parts}


def test_the_page_comes_from_its_bucket_by_origin_access_control(template: Template) -> None:
    found = origin(template, distribution(template)["DefaultCacheBehavior"])
    assert found["DomainName"] == "our-site.s3.eu-central-1.amazonaws.com"
    assert found["S3OriginConfig"] == {"OriginAccessIdentity": ""}
    (name, _) = found["OriginAccessControlId"]["Fn::GetAtt"]
    control = template["Resources"][name]["Properties"]["OriginAccessControlConfig"]
    assert control["SigningBehavior"] == "always"
    assert control["SigningProtocol"] == "sigv4"
    assert distribution(template)["DefaultRootObject"] == "index.html"


def test_no_bucket_policy_is_written_since_the_data_have_a_stack_of_their_own(
    template: Template,
) -> None:
    assert of_type(template, "AWS::S3::BucketPolicy") == []
    assert of_type(template, "AWS::S3::Bucket") == []


def test_the_api_gets_every_method_and_header_by_https_and_nothing_is_kept(
    template: Template,
) -> None:
    api = behaviour(template, "/api/*")
    assert sorted(api["AllowedMethods"]) == [
        "DELETE",
        "GET",
        "HEAD",
        "OPTIONS",
        "PATCH",
        "POST",
        "PUT",
    ]
    # CachingDisabled and AllViewerExceptHostHeader; API Gateway refuses another's Host.
    # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
    assert api["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert api["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac"
    assert api["ViewerProtocolPolicy"] == "https-only"
    found = origin(template, api)
    assert found["DomainName"] == API
    assert "OriginPath" not in found
    assert found["CustomOriginConfig"] == {
        "OriginProtocolPolicy": "https-only",
        "OriginSSLProtocols": ["TLSv1.2"],
    }


def test_thumbnails_need_cookies_signed_with_the_key(template: Template) -> None:
    found = behaviour(template, "/thumbnails/*")
    (group,) = found["TrustedKeyGroups"]
    (item,) = referred(template, group)["KeyGroupConfig"]["Items"]
    assert referred(template, item)["PublicKeyConfig"]["EncodedKey"] == KEY
    assert origin(template, found)["DomainName"] == "our-thumbnails.s3.eu-central-1.amazonaws.com"
    assert "OriginAccessControlId" in origin(template, found)


def test_page_and_api_need_no_cookies_of_cloudfront(template: Template) -> None:
    assert "TrustedKeyGroups" not in distribution(template)["DefaultCacheBehavior"]
    assert "TrustedKeyGroups" not in behaviour(template, "/api/*")


def test_another_key_is_another_resource_since_keys_cannot_be_changed(template: Template) -> None:
    other = synthesized(lambda stack: add_site(stack, public_key()), checked=False)
    (before,) = [n for n, r in template["Resources"].items() if r["Type"].endswith("::PublicKey")]
    (after,) = [n for n, r in other["Resources"].items() if r["Type"].endswith("::PublicKey")]
    assert before != after
    configs = [only(t, "AWS::CloudFront::PublicKey")["PublicKeyConfig"] for t in (template, other)]
    assert configs[0]["Name"] != configs[1]["Name"]
    assert configs[0]["CallerReference"] != configs[1]["CallerReference"]


def test_space_around_the_key_makes_no_difference(template: Template) -> None:
    other = synthesized(lambda stack: add_site(stack, f"\n{KEY.strip()}"), checked=False)
    assert other == template


def test_an_error_is_not_kept_for_the_next_caller_and_never_becomes_a_page(
    template: Template,
) -> None:
    answers = distribution(template)["CustomErrorResponses"]
    assert {a["ErrorCode"] for a in answers} >= {400, 403, 404, 500, 502, 503, 504}
    for answer in answers:
        assert answer["ErrorCachingMinTTL"] == 0
        assert "ResponsePagePath" not in answer
        assert "ResponseCode" not in answer


def test_a_thumbnail_stays_a_day_at_the_edge_and_a_year_in_its_browser(template: Template) -> None:
    found = behaviour(template, "/thumbnails/*")
    caching = referred(template, found["CachePolicyId"])["CachePolicyConfig"]
    assert caching["DefaultTTL"] == 86400
    # A cookie in the key would keep each thumbnail once a person.
    key = caching["ParametersInCacheKeyAndForwardedToOrigin"]
    assert key["CookiesConfig"] == {"CookieBehavior": "none"}
    assert headers(template, found)["Cache-Control"] == "private, max-age=31536000, immutable"


def test_the_page_is_asked_for_each_time_and_kept_a_minute_at_the_edge(template: Template) -> None:
    found = distribution(template)["DefaultCacheBehavior"]
    caching = referred(template, found["CachePolicyId"])["CachePolicyConfig"]
    assert (caching["MinTTL"], caching["MaxTTL"]) == (0, 60)
    assert headers(template, found)["Cache-Control"] == "no-cache"
    key = caching["ParametersInCacheKeyAndForwardedToOrigin"]
    assert key["EnableAcceptEncodingBrotli"]
    assert key["EnableAcceptEncodingGzip"]
    assert found["Compress"]


def test_http_3_and_all_places(template: Template) -> None:
    assert distribution(template)["HttpVersion"] == "http2and3"
    assert distribution(template)["PriceClass"] == "PriceClass_All"
    assert distribution(template)["IPV6Enabled"]


def test_the_page_may_load_its_own_files_the_photos_bucket_and_the_token_endpoint(
    template: Template,
) -> None:
    found = headers(template, distribution(template)["DefaultCacheBehavior"])
    assert directives(found["Content-Security-Policy"]) == {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:", ORIGIN],
        "connect-src": ["'self'", ORIGIN, SIGN_IN],
        "manifest-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["'none'"],
    }


def test_the_policy_is_that_of_one_machine_but_for_the_sign_in(template: Template) -> None:
    front = Front(Chalice("page"), Path("web"), ORIGIN)
    here = Client(front).get("/").headers["Content-Security-Policy"]
    found = headers(template, distribution(template)["DefaultCacheBehavior"])
    ours = directives(found["Content-Security-Policy"])
    ours["connect-src"].remove(SIGN_IN)
    assert ours == directives(here)


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_what_the_api_presigns_may_be_loaded_and_posted_to(
    template: Template, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    settings = Settings(bucket=PHOTOS, thumbnails_bucket="small", region=region, index="opensearch")
    bucket = S3Bucket(client("s3", settings), PHOTOS)
    form = bucket.presign_post("a.jpg", "image/jpeg", 10, 60, {})
    loaded, posted = urlsplit(bucket.presign_get("a.jpg", 60)), urlsplit(form["url"])
    found = headers(template, distribution(template)["DefaultCacheBehavior"], region)
    policy = directives(found["Content-Security-Policy"])
    assert f"https://{loaded.netloc}" in policy["img-src"]
    assert f"https://{posted.netloc}" in policy["connect-src"]


@pytest.mark.parametrize("path", ["/api/*", "/thumbnails/*"])
def test_data_opened_by_themselves_run_and_load_nothing(template: Template, path: str) -> None:
    found = headers(template, behaviour(template, path))
    assert directives(found["Content-Security-Policy"]) == {
        "default-src": ["'none'"],
        "frame-ancestors": ["'none'"],
        "sandbox": [],
    }
    assert found["Cross-Origin-Resource-Policy"] == "same-origin"


def test_every_answer_has_the_headers_that_harden_it(template: Template) -> None:
    every = [
        distribution(template)["DefaultCacheBehavior"],
        *distribution(template)["CacheBehaviors"],
    ]
    assert len(every) == 3
    for one in every:
        found = headers(template, one)
        assert int(found["HSTS"]) >= 31536000
        assert found["X-Frame-Options"] == "DENY"
        assert found["Referrer-Policy"] == "no-referrer"


def test_a_name_of_ones_own_brings_its_certificate_and_tls_1_2(named: Template) -> None:
    found = distribution(named)
    assert found["Aliases"] == ["photos.example.org"]
    assert found["ViewerCertificate"] == {
        "AcmCertificateArn": NAMED["certificate_arn"],
        "MinimumProtocolVersion": "TLSv1.2_2021",
        "SslSupportMethod": "sni-only",
    }
    assert found["WebACLId"] == NAMED["web_acl_arn"]


def test_without_a_name_the_address_is_cloudfronts(template: Template) -> None:
    assert "Aliases" not in distribution(template)
    assert "WebACLId" not in distribution(template)


def test_two_regions_do_not_share_names_in_cloudfront(template: Template) -> None:
    """CloudFront's names are one list an account."""
    properties = {
        "AWS::CloudFront::ResponseHeadersPolicy": "ResponseHeadersPolicyConfig",
        "AWS::CloudFront::CachePolicy": "CachePolicyConfig",
        "AWS::CloudFront::KeyGroup": "KeyGroupConfig",
        "AWS::CloudFront::PublicKey": "PublicKeyConfig",
        "AWS::CloudFront::OriginAccessControl": "OriginAccessControlConfig",
    }
    names = [
        part["Properties"][config]["Name"]
        for kind, config in properties.items()
        for part in of_type(template, kind)
    ]
    names.append(only(template, "AWS::CloudFront::Function")["Name"])
    assert len(names) == 9
    for name in names:
        assert "eu-central-1" in name or {"Ref": "AWS::Region"} in name["Fn::Join"][1]


STRIPPED = {
    "/thumbnails/f00d/img/etag-1.jpg": "/f00d/img/etag-1.jpg",
    "/thumbnails/a": "/a",
    "/thumbnails/": "/",
    "/thumbnails/thumbnails/a.jpg": "/thumbnails/a.jpg",
    "/thumbnails": "/thumbnails",
    "/f00d/thumbnails/a.jpg": "/f00d/thumbnails/a.jpg",
    "/thumbnailsx/a.jpg": "/thumbnailsx/a.jpg",
    "/thumbnails/a%2Fb.jpg": "/a%2Fb.jpg",
    "/Thumbnails/a.jpg": "/Thumbnails/a.jpg",
}


def test_the_function_at_the_edge_takes_away_the_first_folder_alone(template: Template) -> None:
    function = only(template, "AWS::CloudFront::Function")
    assert function["FunctionConfig"]["Runtime"] == "cloudfront-js-2.0"
    (association,) = behaviour(template, "/thumbnails/*")["FunctionAssociations"]
    assert association["EventType"] == "viewer-request"
    assert function["FunctionCode"] == STRIPPING.read_text()
    events = [
        {
            "version": "1.0",
            "context": {"eventType": "viewer-request"},
            "viewer": {"ip": "198.51.100.7"},
            "request": {
                "method": "GET",
                "uri": uri,
                "querystring": {"q": {"value": "1"}},
                "headers": {"accept": {"value": "image/*"}},
                "cookies": {},
            },
        }
        for uri in STRIPPED
    ]
    script = (
        f"{function['FunctionCode']}\n"
        f"console.log(JSON.stringify({json.dumps(events)}.map((event) => handler(event))))"
    )
    done = subprocess.run(
        [node.binary(), "--input-type=commonjs", "-e", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answers = json.loads(done.stdout)
    assert [answer["uri"] for answer in answers] == list(STRIPPED.values())
    for answer, event in zip(answers, events, strict=True):
        assert answer == {**event["request"], "uri": answer["uri"]}  # type: ignore[dict-item]


def test_the_template_is_what_cloudformation_takes(
    template: Template, named: Template, tmp_path: Path
) -> None:
    assert linted(template, tmp_path) == ""
    assert linted(named, tmp_path) == ""
