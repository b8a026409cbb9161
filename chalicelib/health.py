"""Whether all parts of a deployment answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from aws_lambda_powertools import Logger

from chalicelib.errors import IntellisenseError
from chalicelib.log import SERVICE

logger = Logger(service=SERVICE, child=True)

REMEMBERED_S = 5.0
"""Anyone may ask, and each look is a request to every part: so strangers are told what the last
one found."""

OK = "ok"


class Health:
    """`parts`, each by a call that raises an `IntellisenseError` where it does not answer."""

    def __init__(
        self,
        parts: Mapping[str, Callable[[], object]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = parts
        self._clock = clock
        self._lock = threading.Lock()
        self._last: tuple[float, bool] | None = None

    def look(self) -> dict[str, str]:
        """What each part says now: "ok", or a sentence; the log has what is not well."""
        said = {name: _asked(part) for name, part in self._parts.items()}
        well = all(one == OK for one in said.values())
        self._last = (self._clock(), well)
        if not well:
            logger.warning("health", checks=said)
        return said

    def well(self) -> bool:
        """Whether all is, or was a few seconds ago."""
        with self._lock:
            if self._last is None or self._clock() - self._last[0] >= REMEMBERED_S:
                self.look()
            assert self._last
            return self._last[1]


def _asked(part: Callable[[], object]) -> str:
    try:
        part()
    except IntellisenseError as error:
        return error.message
    return OK
