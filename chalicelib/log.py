"""One name for all structured logs, so that every room's logger speaks through its process's.

A process makes `Logger(service=SERVICE)` once, with the handler it wants; the rooms use
`Logger(service=SERVICE, child=True)`, which has none of its own.
"""

import logging

SERVICE = "image-intellisense"

_TALKATIVE = ("boto3", "botocore", "s3transfer", "urllib3")


def hold_back() -> None:
    """Keep AWS's client from writing down what opens doors: at DEBUG it logs requests whole, with
    signatures, session tokens and what was uploaded. Lambda's log level is the root logger's
    (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html), so
    whoever looks for a fault of ours would have them in the log."""
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)
