"""One SQS queue: how much waits in it, what is in it, and what is put into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import QueueUnavailable

MOST_AT_ONCE = 10
"""Messages in one call, SQS' own limit."""


class Depth(NamedTuple):
    """Messages, approximately: SQS counts no better."""

    waiting: int
    in_flight: int

    @property
    def total(self) -> int:
        return self.waiting + self.in_flight


class Message(NamedTuple):
    """A message as it was received. Nobody else receives it before its visibility timeout is over,
    or before it is shown again."""

    id: str
    receipt: str
    body: str
    receives: int
    """How often it was received, this time included; approximately."""
    sent_at: datetime
    attributes: Mapping[str, str]
    """Its message attributes of type String."""


class Queue(Protocol):
    """Every method raises `QueueUnavailable` when the queue does not answer, or refuses."""

    def depth(self) -> Depth: ...

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> str:
        """Returns the id the message has from now on. Attributes are texts of one character or
        more, at most ten of them."""
        ...

    def receive(self, *, hide_s: int, wait_s: int = 0) -> list[Message]:
        """Up to ten messages, hidden from other receivers for `hide_s` seconds. Without waiting,
        SQS asks some of its servers only, and may give none where there are some."""
        ...

    def delete(self, receipts: Sequence[str]) -> None:
        """Those that are gone already are passed over."""
        ...

    def show(self, receipts: Sequence[str]) -> None:
        """Make received messages visible again. Those that are gone are passed over."""
        ...


class SqsQueue:
    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def depth(self) -> Depth:
        names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ]
        with _answering():
            answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)
        visible, hidden, delayed = (int(answer["Attributes"].get(name, 0)) for name in names)
        return Depth(visible + delayed, hidden)

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> str:
        sent = {
            name: {"DataType": "String", "StringValue": text}
            for name, text in (attributes or {}).items()
        }
        with _answering():
            answer = self._client.send_message(
                QueueUrl=self._url, MessageBody=body, MessageAttributes=sent
            )
        return str(answer["MessageId"])

    def receive(self, *, hide_s: int, wait_s: int = 0) -> list[Message]:
        with _answering():
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=MOST_AT_ONCE,
                VisibilityTimeout=hide_s,
                WaitTimeSeconds=wait_s,
                AttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                MessageAttributeNames=["All"],
            )
        return [_message(given) for given in answer.get("Messages", [])]

    def delete(self, receipts: Sequence[str]) -> None:
        for entries in _entries(receipts):
            with _answering():
                answer = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
            _pass_over_what_is_gone(answer)

    def show(self, receipts: Sequence[str]) -> None:
        for entries in _entries(receipts):
            shown = [{**entry, "VisibilityTimeout": 0} for entry in entries]
            with _answering():
                answer = self._client.change_message_visibility_batch(
                    QueueUrl=self._url, Entries=shown
                )
            _pass_over_what_is_gone(answer)


@contextmanager
def _answering() -> Iterator[None]:
    """What boto3 raises, as `QueueUnavailable`."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise QueueUnavailable(f"SQS answered {code}.") from error
    except (BotoCoreError, OSError) as error:
        raise QueueUnavailable(f"SQS did not answer ({type(error).__name__}).") from error


def _message(given: Mapping[str, Any]) -> Message:
    known = given.get("Attributes", {})
    return Message(
        id=given["MessageId"],
        receipt=given["ReceiptHandle"],
        body=given["Body"],
        receives=int(known.get("ApproximateReceiveCount", 1)),
        sent_at=datetime.fromtimestamp(int(known.get("SentTimestamp", 0)) / 1000, timezone.utc),
        attributes={
            name: value["StringValue"]
            for name, value in given.get("MessageAttributes", {}).items()
            if "StringValue" in value
        },
    )


def _entries(receipts: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(receipts), MOST_AT_ONCE):
        part = receipts[start : start + MOST_AT_ONCE]
        yield [{"Id": str(n), "ReceiptHandle": receipt} for n, receipt in enumerate(part)]


_GONE = ("ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight")
"""What SQS calls the receipt of a message that is deleted, or was received by another since
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html)."""


def _pass_over_what_is_gone(answer: Mapping[str, Any]) -> None:
    for fault in answer.get("Failed", []):
        if not str(fault["Code"]).endswith(_GONE):
            raise QueueUnavailable(f"SQS answered {fault['Code']}.")
