"""Plays Lambda's event source mapping: long poll → event → the real handler → delete.

`python -m local.worker`, settings from the environment. What the handler does not name in
`batchItemFailures` is deleted; the rest comes back after the visibility timeout, and after five
receives goes to the dead-letter queue: both are the queue's doing, as in AWS. Its handler sends
what it gives up there before that, with the reason.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
import time
import traceback
from typing import Any, TextIO

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import wiring
from chalicelib.log import SERVICE
from container_embedder.handler import handler
from local.lifeline import end_with_parent, say
from local.repairs import keep_repaired

BATCH = 10
FUNCTION_SECONDS = 60
WAIT_SECONDS = 2
"""One long poll. A message given to a worker that died in mid-poll is hidden for a visibility
timeout, so polls are short."""


class WholeLines(io.TextIOBase):
    """Standard output for what the handler prints, its metrics: into the log, a line at a time, so
    that none is torn by a line of another thread. Our own goes to the parent."""

    def __init__(self, to: TextIO) -> None:
        self._to = to
        self._threads = threading.local()

    def write(self, text: str) -> int:
        begun = getattr(self._threads, "begun", "") + text
        whole, newline, self._threads.begun = begun.rpartition("\n")
        if newline:
            self._to.write(whole + newline)
            self._to.flush()
        return len(text)


class Context:
    """The part of Lambda's context object that the handler uses."""

    function_name = "embedder"
    memory_limit_in_mb = 3008
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:embedder"

    def __init__(self, number: int) -> None:
        self.aws_request_id = f"local-{number}"
        self._end = time.monotonic() + FUNCTION_SECONDS

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._end - time.monotonic()) * 1000))


def lambda_event(messages: list[dict[str, Any]], region: str) -> dict[str, Any]:
    """The event Lambda makes of SQS messages.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message.get("Attributes", {}),
                "messageAttributes": {},
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{region}:123456789012:ingest",
                "awsRegion": region,
            }
            for message in messages
        ]
    }


def poll_once(sqs: Any, queue_url: str, region: str, number: int) -> None:
    answer = sqs.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=BATCH,
        WaitTimeSeconds=WAIT_SECONDS,
        AttributeNames=["All"],
    )
    messages = answer.get("Messages", [])
    if not messages:
        return
    result = handler(lambda_event(messages, region), Context(number))
    failed = {item["itemIdentifier"] for item in result["batchItemFailures"]}
    done = [m for m in messages if m["MessageId"] not in failed]
    if done:
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(done)]
        sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)


def main() -> None:
    end_with_parent()
    logger = Logger(service=SERVICE)
    for log in logger.handlers:
        # Standard output, which Lambda logs, speaks to our parent here.
        if isinstance(log, logging.StreamHandler):
            log.setStream(sys.stderr)
    sys.stdout = WholeLines(sys.stderr)
    services = wiring.services()
    settings = services.settings
    say("started")

    # Beside the polling, so that new photos do not wait for old ones; the rule of order makes
    # the two harmless to each other.
    threading.Thread(
        target=keep_repaired, args=(services, threading.Event()), daemon=True, name="reconcile"
    ).start()
    sqs = wiring.client("sqs", settings)
    number = 0
    while True:
        try:
            number += 1
            poll_once(sqs, settings.queue_url, settings.region, number)
        except (ClientError, BotoCoreError) as error:
            logger.error("the queue did not answer", reason=str(error))
            time.sleep(1)
        except Exception:
            # Lambda would log it and leave the messages to come back; so does this.
            traceback.print_exc()
            time.sleep(1)


if __name__ == "__main__":
    main()
