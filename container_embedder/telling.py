"""What a command says: one JSON object on stdout, the rest, for people, on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from chalicelib.errors import IntellisenseError


def answer(body: dict[str, Any]) -> None:
    print(json.dumps(body, ensure_ascii=False), flush=True)  # noqa: T201


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 0.1 else f"${amount:.4f}"


def guarded(command: Callable[[], int]) -> int:
    """The exit status of `command`; what ends it early is said in a sentence."""
    try:
        return command()
    except IntellisenseError as error:
        say(f"error: {error.message}")
        return 1
    except KeyboardInterrupt:
        say("stopped; the same command again goes on from here")
        return 130
