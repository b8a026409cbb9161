"""The page may send photos to the very address that presigned uploads name."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from chalicelib import wiring
from chalicelib.config import Settings
from chalicelib.storage import S3Bucket
from tests.infra.synthesized import resources, templates

pytestmark = pytest.mark.xdist_group("stacks")


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "ap-southeast-2"])
def test_the_pages_policy_admits_the_address_of_uploads_and_pictures(
    region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "t")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "t")
    name = f"image-intellisense-photos-123456789012-{region}"
    settings = Settings.load(
        {"IMAGES_BUCKET": name, "IMAGES_THUMBNAILS_BUCKET": "t", "IMAGES_REGION": region}
    )
    bucket = S3Bucket(wiring.client("s3", settings), name)
    asked = [
        bucket.presign_get("a.jpg", 60),
        bucket.presign_post("a.jpg", "image/jpeg", 100, 60, {})["url"],
    ]
    origins = {f"{url.scheme}://{url.netloc}" for url in map(urlsplit, asked)}
    (policy,) = {text for text in _policies() if "connect-src" in text}
    written = (
        policy.replace("{AWS::AccountId}", "123456789012")
        .replace("{AWS::Region}", region)
        .replace("{AWS::URLSuffix}", "amazonaws.com")
    )
    for directive in ("connect-src", "img-src"):
        (sources,) = (
            part.split()[1:] for part in written.split(";") if part.split()[0] == directive
        )
        assert origins <= set(sources), directive


def _policies() -> list[str]:
    """The content security policies of the template, with what is filled in as "{name}"."""
    kinds = resources(templates()["service"], "AWS::CloudFront::ResponseHeadersPolicy")
    texts = []
    for policy in kinds.values():
        headers = policy["Properties"]["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
        given = headers.get("ContentSecurityPolicy", {}).get("ContentSecurityPolicy", "")
        parts = given["Fn::Join"][1] if isinstance(given, dict) else [given]
        texts.append("".join(p if isinstance(p, str) else f"{{{_name(p)}}}" for p in parts))
    return texts


def _name(part: dict[str, object]) -> str:
    return str(part["Ref"]) if "Ref" in part else json.dumps(part)
