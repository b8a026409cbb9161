"""What CloudFormation does with a custom resource, over HTTP: it calls the function, waits for the
answer at an address, keeps the physical id, and deletes the old one where an update gave another
(https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref-requesttypes.html).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.handlers.bucket_settings import index
from tests.served import served

ACCOUNT = "123456789012"


class Failed(Exception):
    """The answer was FAILED; its reason."""


@dataclass
class Context:
    """Of a function with so many milliseconds left."""

    left: int = 300_000

    def get_remaining_time_in_millis(self) -> int:
        return self.left


@dataclass
class CloudFormation:
    """`answers` is all that came; `broken` answers are refused with 503 before one is taken."""

    url: str = ""
    answers: list[dict[str, Any]] = field(default_factory=list)
    content_types: list[str | None] = field(default_factory=list)
    broken: int = 0

    def call(
        self,
        request: str,
        properties: dict[str, Any],
        physical: str = "",
        old: dict[str, Any] | None = None,
        context: Context | None = None,
    ) -> str:
        """One request; returns the physical id that was answered. Raises `Failed`."""
        event: dict[str, Any] = {
            "RequestType": request,
            "ResponseURL": f"{self.url}/signed?X-Amz-Signature=0123",
            "StackId": f"arn:aws:cloudformation:eu-central-1:{ACCOUNT}:stack/ours/1",
            "RequestId": f"request-{len(self.answers)}",
            "LogicalResourceId": "Notifications",
            "ResourceType": "Custom::BucketSetting",
            "ResourceProperties": {"ServiceToken": "arn", **properties},
        }
        if physical:
            event["PhysicalResourceId"] = physical
        if old is not None:
            event["OldResourceProperties"] = {"ServiceToken": "arn", **old}
        before = len(self.answers)
        index.handler(event, context or Context())
        assert len(self.answers) == before + 1, "answered once"
        answer = self.answers[-1]
        for key in ("StackId", "RequestId", "LogicalResourceId"):
            assert answer[key] == event[key]
        if answer["Status"] == "FAILED":
            raise Failed(answer["Reason"], answer["PhysicalResourceId"])
        assert answer["Status"] == "SUCCESS"
        return str(answer["PhysicalResourceId"])

    def update(self, properties: dict[str, Any], old: dict[str, Any], physical: str) -> str:
        """With the clean-up that follows one that gave another id."""
        now = self.call("Update", properties, physical, old)
        if now != physical:
            self.call("Delete", old, physical)
        return now


@contextmanager
def cloudformation() -> Iterator[CloudFormation]:
    played = CloudFormation()

    class Taker(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if played.broken:
                played.broken -= 1
                self.send_response(503)
            else:
                played.content_types.append(self.headers["Content-Type"])
                played.answers.append(json.loads(body))
                self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    played.url = f"http://127.0.0.1:{http.server_port}"
    with served(http):
        yield played
