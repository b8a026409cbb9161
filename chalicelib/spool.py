"""Keys to be looked at, kept out of memory: their number grows with the bucket."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import orjson

IN_MEMORY = 16 * 1024 * 1024
"""Bytes of keys before they go to a temporary file."""


class Spool:
    """Filled with `add`, then read: each iteration gives all keys in order. `close` it."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: str) -> None:
        self._file.write(orjson.dumps(key) + b"\n")
        self._count += 1

    def __iter__(self) -> Iterator[str]:
        self._file.seek(0)
        yield from map(orjson.loads, self._file)

    def close(self) -> None:
        self._file.close()
