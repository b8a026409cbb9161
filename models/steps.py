"""What a person sees while a model is made: a line a step on stderr, with its seconds."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator


@contextlib.contextmanager
def step(maker: str, what: str) -> Iterator[None]:
    """`maker`: `what` … 1.2 s"""
    started = time.monotonic()
    print(f"{maker}: {what} … ", end="", file=sys.stderr, flush=True)
    yield
    print(f"{time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
