"""The key pair that thumbnails' cookies are signed with: made once, kept in the account."""

from __future__ import annotations

from dataclasses import dataclass

from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from chalicelib.errors import Transient
from infra.commands.account import Account
from infra.config import cookie_key_name

BITS = 2048
"""The only length of RSA that CloudFront takes
(https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-trusted-signers.html)."""


@dataclass(frozen=True, slots=True)
class CookieKey:
    """Both halves as PEM; `kept`: the account has it already."""

    private: str
    public: str
    kept: bool


def find_or_make(account: Account, name: str) -> CookieKey:
    """The key of deployment `name`; a new one, kept nowhere yet, where there is none."""
    try:
        found = account.client("ssm").get_parameter(Name=cookie_key_name(name), WithDecryption=True)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        made = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
        return CookieKey(_pem(made), _public(made), kept=False)
    private: str = found["Parameter"]["Value"]
    key = serialization.load_pem_private_key(private.encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return CookieKey(private, _public(key), kept=True)


def keep(account: Account, name: str, key: CookieKey) -> None:
    """Put a new key into the account. Never over another: cookies signed with that are in use.
    Raises Transient where somebody else put one meanwhile."""
    if key.kept:
        return
    try:
        account.client("ssm").put_parameter(
            Name=cookie_key_name(name),
            Description="Signs the cookies of thumbnails; rotate it as docs/operations.md says",
            Value=key.private,
            Type="SecureString",
            Overwrite=False,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterAlreadyExists":
            raise
        raise Transient(
            "Another deployment made the cookie key meanwhile: run it again."
        ) from error


def forget(account: Account, name: str) -> None:
    """Remove it from the account, where it is there."""
    account.client("ssm").delete_parameters(Names=[cookie_key_name(name)])


def _pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _public(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
