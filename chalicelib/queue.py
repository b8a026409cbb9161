"""How much waits in the ingest queue and in its dead-letter queue."""

from __future__ import annotations

from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import QueueUnavailable


class Depth(NamedTuple):
    """Messages, approximately: SQS counts no better."""

    waiting: int
    in_flight: int


class Queue:
    """One SQS queue, looked at from outside."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def depth(self) -> Depth:
        """Raises `QueueUnavailable` when SQS does not answer."""
        names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ]
        try:
            answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise QueueUnavailable(f"SQS answered {code}.") from error
        except (BotoCoreError, OSError) as error:
            raise QueueUnavailable(f"SQS did not answer ({type(error).__name__}).") from error
        visible, hidden, delayed = (int(answer["Attributes"].get(name, 0)) for name in names)
        return Depth(visible + delayed, hidden)
