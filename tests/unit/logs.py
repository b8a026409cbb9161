"""What the product logs, as the JSON lines that its formatter writes."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from chalicelib.log import SERVICE

Lines = Callable[[], list[dict[str, Any]]]


@contextmanager
def captured() -> Iterator[Lines]:
    """Within it, the function gives the lines logged so far."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(LambdaPowertoolsFormatter())
    logger = logging.getLogger(SERVICE)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
