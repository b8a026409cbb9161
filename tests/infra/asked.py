"""Requests as API Gateway hands them to a function
(https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

HOST = "api1234567.execute-api.eu-west-1.amazonaws.com"


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    json: Any


def request(
    method: str,
    route: str,
    *,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    identity: Mapping[str, str] | None = None,
    stage: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """`route` as app.py has it; `path` fills what stands in braces; `stage`: its variables."""
    sent = {"Host": HOST, "X-Forwarded-Proto": "https", **(headers or {})}
    if body is not None:
        sent["Content-Type"] = "application/json"
    address = route.format(**(path or {}))
    return {
        "resource": route,
        "path": address,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": dict(query) if query else None,
        "multiValueQueryStringParameters": (
            {name: [value] for name, value in query.items()} if query else None
        ),
        "pathParameters": dict(path) if path else None,
        "stageVariables": dict(stage) if stage else None,
        "requestContext": {
            "apiId": "api1234567",
            "stage": "api",
            "resourcePath": route,
            "httpMethod": method,
            "path": f"/api{address}",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": dict(identity or {}),
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def answer(raw: Mapping[str, Any]) -> Answer:
    headers = {name.lower(): value for name, value in (raw.get("headers") or {}).items()}
    for name, values in (raw.get("multiValueHeaders") or {}).items():
        headers[name.lower()] = ", ".join(values)
    text = raw.get("body") or ""
    is_json = headers.get("content-type", "").startswith("application/json")
    return Answer(raw["statusCode"], headers, json.loads(text) if is_json and text else text)
