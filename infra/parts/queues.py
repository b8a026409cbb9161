"""The ingest queue and its dead-letter queue."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config import Config

RECEIVES = 5
"""After so many the message is given up; `IMAGES_MAX_RECEIVES` says the same to the embedder."""

KEPT = Duration.days(14)
"""The longest that SQS keeps a message
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html)."""


class Queues(Construct):
    """`ingest` gives out each message at most `RECEIVES` times, then it goes to `dead_letters`."""

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id)
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            retention_period=KEPT,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
        )
        self.ingest = sqs.Queue(
            self,
            "Ingest",
            retention_period=KEPT,
            visibility_timeout=Duration.seconds(config.visibility_timeout),
            # What waits at an empty queue costs one request in place of twenty.
            receive_message_wait_time=Duration.seconds(20),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letters, max_receive_count=RECEIVES
            ),
        )
