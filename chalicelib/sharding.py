"""One job's share of a library: ids are hashes, so equal ranges of them are equal shares."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.errors import InvalidRequest

MOST = 10_000
"""Children of one array job (https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html)."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Share `number`, counted from 0, of `count`. Every id is in exactly one of the `count`."""

    number: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """From "I/N". Raises `InvalidRequest`."""
        number, slash, count = text.partition("/")
        if slash and number.isascii() and number.isdigit() and count.isascii() and count.isdigit():
            shard = cls(int(number), int(count))
            if shard.number < shard.count <= MOST:
                return shard
        raise InvalidRequest(
            f"A shard is named I/N, 0/4 to 3/4 for four of them (at most {MOST:,}); not {text!r}.",
            field="shard",
        )

    @property
    def first(self) -> str:
        """No id of this share comes before it."""
        return _border(self.number, self.count) if self.number else ""

    @property
    def end(self) -> str | None:
        """Every id of this share comes before it; None: there is no such border."""
        last = self.number + 1 == self.count
        return None if last else _border(self.number + 1, self.count)

    def holds(self, id: str) -> bool:
        end = self.end
        return self.first <= id and (end is None or id < end)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


WHOLE = Shard()


def _border(number: int, count: int) -> str:
    return f"{(number << 32) // count:08x}"
