"""The cookies of a session, read by what browsers and CloudFront document."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone
from http.cookies import SimpleCookie
from typing import Any

import boto3
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from chalicelib import wiring
from chalicelib.config import Settings
from chalicelib.cookies import CLOUDFRONT, LONGEST, CookieKey, Cookies, session_of
from chalicelib.errors import ConfigurationError, InvalidRequest, SignInUnavailable
from tests.fakes.issuer import rsa_key

API = "https://photos.example.org/api"
THUMBNAILS = "https://photos.example.org/thumbnails"
NOON = datetime(2031, 5, 17, 12, 0, tzinfo=timezone.utc)


def pem_of(key: Any) -> str:
    return str(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
    )


@pytest.fixture
def cookies() -> Cookies:
    return Cookies(CookieKey("K2JCJMDEHXQW5F", lambda: pem_of(rsa_key("cookies"))))


def given(headers: list[str]) -> dict[str, tuple[str, dict[str, Any]]]:
    """name → (value, attributes), as a browser reads Set-Cookie."""
    found = {}
    for header in headers:
        pair, *rest = header.split("; ")
        name, _, value = pair.partition("=")
        parts = (one.partition("=") for one in rest)
        found[name] = value, {key: text or True for key, _, text in parts}
    return found


def decoded(text: str) -> bytes:
    """CloudFront's base64: "+", "=" and "/" stand as "-", "_" and "~"."""
    return base64.b64decode(text.replace("-", "+").replace("_", "=").replace("~", "/"))


def test_the_session_cookie_goes_to_the_image_routes_and_to_no_script(cookies: Cookies) -> None:
    until = datetime.now(timezone.utc) + timedelta(hours=1)
    value, said = given(cookies.begin("a.b.c", until, api=API, thumbnails=""))["session"]
    assert value == "a.b.c"
    assert 3590 <= int(said.pop("Max-Age")) <= 3600
    assert said == {
        "Path": "/api/images", "HttpOnly": True, "Secure": True, "SameSite": "Strict",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("api", "path", "secure"),
    [
        ("http://127.0.0.1:8000/api", "/api/images", False),
        ("http://localhost:8000", "/images", False),
        ("https://localhost:8000", "/images", True),
        ("http://photos.example.org", "/images", True),
        ("http://localhost.example.org", "/images", True),
    ],
)
def test_only_this_machine_does_without_tls(
    cookies: Cookies, api: str, path: str, secure: bool
) -> None:
    for headers in (
        cookies.begin("a.b.c", NOON, api=api, thumbnails=""),
        cookies.end(api=api, thumbnails=""),
    ):
        _, said = given(headers)["session"]
        assert (said["Path"], "Secure" in said) == (path, secure)


def test_cloudfronts_policy_admits_the_thumbnails_until_the_token_ends(cookies: Cookies) -> None:
    """https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-setting-signed-cookie-custom-policy.html"""
    found = given(cookies.begin("a.b.c", NOON, api=API, thumbnails=THUMBNAILS))
    policy = decoded(found["CloudFront-Policy"][0])
    assert b" " not in policy
    assert b"\n" not in policy
    assert json.loads(policy) == {
        "Statement": [
            {
                "Resource": "https://photos.example.org/thumbnails/*",
                "Condition": {"DateLessThan": {"AWS:EpochTime": 1936785600}},
            }
        ]
    }
    assert datetime.fromtimestamp(1936785600, timezone.utc) == NOON
    assert found["CloudFront-Key-Pair-Id"][0] == "K2JCJMDEHXQW5F"
    for name in CLOUDFRONT:
        value, said = found[name]
        assert not set(value) & set('+=/;, "')
        assert said.pop("Max-Age")
        assert said == {
            "Path": "/thumbnails", "HttpOnly": True, "Secure": True, "SameSite": "Strict",
        }  # fmt: skip


def test_cloudfront_can_check_the_signature_with_the_public_key(cookies: Cookies) -> None:
    found = given(cookies.begin("a.b.c", NOON, api=API, thumbnails=THUMBNAILS))
    policy = decoded(found["CloudFront-Policy"][0])
    signature = decoded(found["CloudFront-Signature"][0])
    public = rsa_key("cookies").public_key()
    public.verify(signature, policy, padding.PKCS1v15(), hashes.SHA1())
    with pytest.raises(InvalidSignature):
        public.verify(signature, policy + b" ", padding.PKCS1v15(), hashes.SHA1())


def test_the_signature_is_the_one_botocore_makes(cookies: Cookies) -> None:
    """botocore signs CloudFront's URLs by the same rules."""
    from botocore.signers import CloudFrontSigner

    def sign(message: bytes) -> bytes:
        return rsa_key("cookies").sign(message, padding.PKCS1v15(), hashes.SHA1())

    resource = f"{THUMBNAILS}/*"
    signer = CloudFrontSigner("K2JCJMDEHXQW5F", sign)
    policy = signer.build_policy(resource, NOON.replace(tzinfo=None))
    url = signer.generate_presigned_url(resource, policy=policy)
    found = given(cookies.begin("a.b.c", NOON, api=API, thumbnails=THUMBNAILS))
    assert f"Policy={found['CloudFront-Policy'][0]}&" in url
    assert f"Signature={found['CloudFront-Signature'][0]}&" in url


def test_without_a_key_or_an_address_cloudfront_gets_none(cookies: Cookies) -> None:
    assert set(given(cookies.begin("a", NOON, api=API, thumbnails=""))) == {"session"}
    bare = Cookies(None).begin("a", NOON, api=API, thumbnails=THUMBNAILS)
    assert set(given(bare)) == {"session"}
    assert set(given(Cookies(None).end(api=API, thumbnails=THUMBNAILS))) == {"session"}


def test_the_end_of_a_session_takes_away_each_cookie_where_it_was_put(cookies: Cookies) -> None:
    begun = given(cookies.begin("a.b.c", NOON, api=API, thumbnails=THUMBNAILS))
    ended = given(cookies.end(api=API, thumbnails=THUMBNAILS))
    assert set(begun) == set(ended) == {"session", *CLOUDFRONT}
    for name, (value, said) in ended.items():
        assert (value, said["Max-Age"]) == ("", "0")
        assert said["Path"] == begun[name][1]["Path"]


def test_the_key_is_fetched_once_and_only_when_it_is_needed() -> None:
    fetched = []

    def pem() -> str:
        fetched.append(1)
        return pem_of(rsa_key("cookies"))

    cookies = Cookies(CookieKey("K1", pem))
    cookies.begin("a", NOON, api=API, thumbnails="")
    cookies.end(api=API, thumbnails=THUMBNAILS)
    assert fetched == []
    for _ in range(3):
        cookies.begin("a", NOON, api=API, thumbnails=THUMBNAILS)
    assert fetched == [1]


@pytest.mark.parametrize(
    "pem",
    ["", "no key", pem_of(ec.generate_private_key(ec.SECP256R1()))],
    ids=["none", "no key", "of a curve"],
)
def test_a_key_of_another_kind_is_a_wrong_setting(pem: str) -> None:
    cookies = Cookies(CookieKey("K1", lambda: pem))
    with pytest.raises(ConfigurationError):
        cookies.begin("a", NOON, api=API, thumbnails=THUMBNAILS)


def test_a_token_that_no_browser_would_keep_is_told(cookies: Cookies) -> None:
    with pytest.raises(InvalidRequest, match="browsers keep 4,096"):
        cookies.begin("t" * LONGEST, NOON, api=API, thumbnails="")


def test_cookies_of_a_token_that_is_over_are_over(cookies: Cookies) -> None:
    past = datetime(2020, 1, 1, tzinfo=timezone.utc)
    found = given(cookies.begin("a", past, api=API, thumbnails=THUMBNAILS))
    assert {said["Max-Age"] for _, said in found.values()} == {"0"}


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("session=a.b.c", "a.b.c"),
        ("theme=dark; session=a.b.c; x=y", "a.b.c"),
        ("theme=dark;session=a.b.c", "a.b.c"),
        ('session="a.b.c"', "a.b.c"),
        ("bad{}name; =; ;;session=a.b.c", "a.b.c"),
        ("session=first; session=second", "first"),
        ("x=session=a", ""),
        ("mysession=a; Session=b", ""),
        ("session", ""),
        ("", ""),
    ],
)
def test_the_session_is_found_among_other_cookies(header: str, value: str) -> None:
    assert session_of(header) == value


def test_what_is_set_is_what_comes_back(cookies: Cookies) -> None:
    (header,) = cookies.begin("aA0-_.b.c", NOON, api=API, thumbnails="")
    jar: SimpleCookie = SimpleCookie(header)
    assert session_of(f"session={jar['session'].value}") == "aA0-_.b.c"


# --- the key from SSM -------------------------------------------------------------------------

NAME = "/images/cookie-key"


def settings(url: str) -> Settings:
    return Settings(
        bucket="b", thumbnails_bucket="t", region="eu-central-1", endpoint=url,
        cookie_key_id="K1", cookie_key_parameter=NAME,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


def test_the_private_key_comes_from_a_secure_parameter(endpoint: str) -> None:
    known = settings(endpoint)
    ssm = boto3.client("ssm", region_name="eu-central-1", endpoint_url=endpoint)
    key = wiring.cookie_key_of(known)
    assert key is not None
    ssm.delete_parameters(Names=[NAME])
    with pytest.raises(ConfigurationError, match=f"{NAME}, cannot be read: ParameterNotFound"):
        key.pem()
    pem = pem_of(rsa_key("cookies"))
    ssm.put_parameter(Name=NAME, Value=pem, Type="SecureString")
    assert key.pem() == pem
    assert len(Cookies(key).begin("a", NOON, api=API, thumbnails=THUMBNAILS)) == 4


def test_a_parameter_store_that_does_not_answer_may_answer_later() -> None:
    key = wiring.cookie_key_of(settings("http://127.0.0.1:9"))
    assert key is not None
    with pytest.raises(SignInUnavailable):
        key.pem()


def test_without_the_setting_there_is_no_key() -> None:
    assert wiring.cookie_key_of(Settings(bucket="b", thumbnails_bucket="t")) is None
