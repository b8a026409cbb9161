"""Who asks: a person with a token of the user pool, or an AWS identity."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fakes.issuer import Issuer, rsa_key
from tests.infra.played import API, Played
from tests.infra.stacks_read import ACCOUNT
from tests.infra.template_reader import client

Caller = dict[str, Any]
"""Parts of `asked.request`."""


def identity() -> Caller:
    return {"identity": {"userArn": f"arn:aws:iam::{ACCOUNT}:user/anna"}}


def person(played: Played, signs: Issuer) -> Caller:
    """A member of both groups, with a token for the client that the template's stage variables
    name."""
    (api,) = played.stacks.of_type("AWS::Serverless::Api")
    stage = api.properties["Variables"]
    token = signs.person("anna", "upload", "admin", client_id=stage["token_clients"])
    return {"headers": {"Authorization": f"Bearer {token}"}, "stage": stage}


def keep_cookie_key(played: Played) -> None:
    """The parameter that `make deploy` makes."""
    name = played.functions[API].environment["IMAGES_COOKIE_KEY_PARAMETER"]
    pem = rsa_key("cookies").private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    client("ssm", played.built.endpoint).put_parameter(
        Name=name, Value=pem.decode(), Type="SecureString"
    )
