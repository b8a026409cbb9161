"""A client of the HTTP API (docs/api.md): in Python, and as `python -m client` in the shell.

    from client import Client

    images = Client("http://127.0.0.1:8000")
    images.upload(["~/Pictures"], collection="holiday", wait=True)
    for match in images.search("a dog on a sofa"):
        print(match.confidence, match.image.name, match.image.url)

It needs requests and tqdm, for IAM boto3 too, and nothing else of this repository.
"""

from client.api import Client
from client.errors import (
    ApiError,
    ClientError,
    FileChanged,
    SignInNeeded,
    StoreRefused,
    Unreachable,
    UsageError,
)
from client.models import Exposure, Image, Location, Match, Part, SearchPage
from client.reports import Failed, Report

__all__ = [
    "ApiError",
    "Client",
    "ClientError",
    "Exposure",
    "Failed",
    "FileChanged",
    "Image",
    "Location",
    "Match",
    "Part",
    "Report",
    "SearchPage",
    "SignInNeeded",
    "StoreRefused",
    "Unreachable",
    "UsageError",
]
