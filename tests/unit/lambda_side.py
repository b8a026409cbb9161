"""What AWS does around our functions: events and contexts in the shapes that Lambda gives them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import app as routes

CALLER = "arn:aws:iam::123456789012:user/anna"


class Context:
    """As much of Lambda's context object as is asked for
    (https://docs.aws.amazon.com/lambda/latest/dg/python-context.html)."""

    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e812345678"
    function_name = "embedder"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def ask(
    method: str, route: str, body: Any = None, *, query: str = "", **parameters: str
) -> tuple[int, Any]:
    """(status, body) of the API's answer to an event of API Gateway's."""
    answer = routes.app(gateway_event(method, route, body, query=query, **parameters), Context())
    return answer["statusCode"], json.loads(answer["body"]) if answer["body"] else None


def gateway_event(
    method: str, route: str, body: Any = None, *, query: str = "", **parameters: str
) -> dict[str, Any]:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html"""
    given: dict[str, list[str]] = {}
    for name, value in parse_qsl(query):
        given.setdefault(name, []).append(value)
    return {
        "requestContext": {
            "httpMethod": method,
            "resourcePath": route,
            "path": f"/api{route.format(**parameters)}",
            "requestId": "41b45ea3-70b5-11e6-b7bd-69b5aaebc7d9",
            "identity": {"userArn": CALLER},
        },
        "headers": {"host": "api.example.com", "content-type": "application/json"},
        "multiValueQueryStringParameters": given or None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "isBase64Encoded": False,
        "body": None if body is None else json.dumps(body),
    }


def sqs_event(messages: list[dict[str, Any]], **attributes: str) -> dict[str, Any]:
    """What the mapping makes of messages as `receive_message` gives them
    (https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html)."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1545082649183",
                    **message.get("Attributes", {}),
                    **attributes,
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:ingest",
                "awsRegion": "us-east-1",
            }
            for message in messages
        ]
    }
