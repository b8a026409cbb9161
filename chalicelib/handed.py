"""Presigned addresses that are handed out again for a while.

A browser keeps bytes by their address, signature and all. Signed anew for each request, the same
picture would come under a new address each time, and what the browser has would be of no use."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

SHARE = 3
"""An address is handed out again for this part of its time, and whoever was given it may keep it
for as long again: so what is asked with it has at least such a part left."""

MOST = 4096
"""Addresses remembered of one bucket, a kilobyte or two each."""


class Handed:
    """The addresses of one bucket; threads share it."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, tuple[float, str]] = OrderedDict()

    def address(self, of: Hashable, seconds: int, sign: Callable[[], str]) -> str:
        """The address `of` something, good for `seconds` once `sign` has made it."""
        now = self._clock()
        with self._lock:
            made, url = self._known.get(of, (0.0, ""))
            if url and now - made < seconds / SHARE:
                return url
            url = sign()
            self._known[of] = now, url
            self._known.move_to_end(of)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
            return url
