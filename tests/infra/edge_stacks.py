"""Page and sign-in, each synthesized in a stack of its own, as dictionaries."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from infra import node

node.choose()

from aws_cdk import App, Environment, Stack, Validations  # noqa: E402
from aws_cdk.aws_cognito import CfnUserPool as CfnUserPool  # noqa: E402
from cdk_nag import AwsSolutionsChecks  # noqa: E402

from infra.config import Config  # noqa: E402
from infra.parts.cookie_key import CookieKey  # noqa: E402
from infra.parts.sign_in import SignIn  # noqa: E402
from infra.parts.site import Site  # noqa: E402

PHOTOS = "our-photos"
SIGN_IN = "https://ours.auth.eu-central-1.amazoncognito.com"
API = "abc123.execute-api.eu-central-1.amazonaws.com"
HERE = Environment(account="123456789012", region="eu-central-1")

NAMED = {
    "domain_name": "photos.example.org",
    "certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/"
    "11111111-2222-4333-8444-555555555555",
    "web_acl_arn": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/ours/"
    "11111111-2222-4333-8444-555555555555",
}


def public_key() -> str:
    """PEM of a new key, as CloudFront takes it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode()


KEY = public_key()


def synthesized(
    build: Callable[[Stack], object], env: Environment | None = HERE, *, checked: bool = True
) -> dict[str, Any]:
    """The template of a stack with what `build` puts in it. Raises where cdk-nag objects."""
    app = App()
    if checked:
        Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    stack = Stack(app, "ours-service", env=env)
    build(stack)
    template = app.synth().get_stack_by_name(stack.stack_name).template
    return json.loads(json.dumps(template))  # type: ignore[no-any-return]


def place(account: str, region: str) -> Environment:
    return Environment(account=account, region=region)


def unchecked() -> Stack:
    """An empty stack of an app of its own."""
    return Stack(App(), "ours")


def two_stacks() -> tuple[App, Stack, Stack]:
    """Those of the data and of the service, empty."""
    app = App()
    return app, Stack(app, "ours-data", env=HERE), Stack(app, "ours-service", env=HERE)


def add_site(stack: Stack, key: str = KEY, **choices: Any) -> Site:
    return Site(
        stack,
        "Site",
        config=Config(**choices),
        site_bucket="our-site",
        thumbnails_bucket="our-thumbnails",
        photos_bucket=PHOTOS,
        api_domain=API,
        sign_in_origin=SIGN_IN,
        cookie_key=CookieKey(stack, "Cookies", pem=key),
    )


def add_sign_in(stack: Stack, **choices: Any) -> SignIn:
    sign_in = SignIn(stack, "SignIn", config=Config(**choices))
    sign_in.page_client(stack, "Client", ["https://photos.example.org"])
    return sign_in


def of_type(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The resources of one type, `AWS::…`, whole."""
    return [part for part in template["Resources"].values() if part["Type"] == kind]


def only(template: dict[str, Any], kind: str) -> dict[str, Any]:
    """The properties of the one resource of a type."""
    (found,) = of_type(template, kind)
    return found["Properties"]  # type: ignore[no-any-return]


def linted(template: dict[str, Any], folder: Path) -> str:
    """What cfn-lint has to say, "" for nothing."""
    path = folder / "template.json"
    path.write_text(json.dumps(template))
    command = [Path(sys.executable).with_name("cfn-lint"), "--regions", "eu-central-1", "--", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return done.stdout + done.stderr
