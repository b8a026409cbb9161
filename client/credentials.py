"""Who is asking: each signs a request in its own way."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from urllib.parse import urlsplit

import requests

from client.errors import UsageError


class Credentials(ABC):
    """Safe to use from several threads."""

    @abstractmethod
    def sign(self, request: requests.PreparedRequest) -> None:
        """Makes `request` one of this caller's. Raises `SignInNeeded`."""

    def renew(self, refused: requests.PreparedRequest) -> bool:  # noqa: ARG002
        """After a 401: whether asking again may help. Raises `SignInNeeded`."""
        return False


class Nobody(Credentials):
    """For one machine, where nobody signs in."""

    def sign(self, request: requests.PreparedRequest) -> None:
        """As it is."""


class Token(Credentials):
    """An access token that somebody else got (`--token`)."""

    def __init__(self, token: str) -> None:
        self._token = token

    def sign(self, request: requests.PreparedRequest) -> None:
        request.headers["Authorization"] = f"Bearer {self._token}"


class Iam(Credentials):
    """SigV4 with the credentials that boto3 finds, as for any AWS command
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)."""

    def __init__(self, url: str) -> None:
        """Raises `UsageError` where boto3, credentials or the region are missing."""
        try:
            import boto3
            from botocore.auth import SigV4Auth
            from botocore.awsrequest import AWSRequest
        except ImportError as error:
            raise UsageError("Signing with IAM needs boto3: pip install boto3.") from error
        session = boto3.Session()
        self._credentials = session.get_credentials()
        if self._credentials is None:
            raise UsageError("boto3 finds no AWS credentials; `aws configure` sets some.")
        region = region_of(url) or session.region_name
        if not region:
            raise UsageError("The address names no AWS region; set AWS_REGION.")
        self._region = region
        self._signer, self._request = SigV4Auth, AWSRequest

    def sign(self, request: requests.PreparedRequest) -> None:
        # Frozen at each request: credentials of a role are renewed while this runs.
        frozen = self._credentials.get_frozen_credentials()
        signed = self._request(
            method=request.method, url=request.url, data=request.body, headers=_signed(request)
        )
        self._signer(frozen, "execute-api", self._region).add_auth(signed)
        request.headers.update(dict(signed.headers.items()))


def _signed(request: requests.PreparedRequest) -> dict[str, str]:
    """Only what no proxy on the way changes."""
    return {"Content-Type": request.headers["Content-Type"]} if request.body else {}


def region_of(url: str) -> str:
    """The region in the address of a REST API
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-call-api.html)."""
    found = re.search(r"\.execute-api\.([a-z0-9-]+)\.amazonaws\.com", urlsplit(url).netloc)
    return found.group(1) if found else ""
