"""Pictures are decoded in threads while those before them are in the model.

Pillow lets go of Python's lock while it decodes and resizes, so threads are enough.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from itertools import chain, islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

PIXELS_AT_A_TIME = 96_000_000
PIXELS_A_WORKER = 16_000_000


def pixel_budget(workers: int) -> int:
    """Pixels that so many workers may hold decoded at a time, at four bytes or more each: some
    photos of a telephone, or one of the largest pictures."""
    return max(PIXELS_AT_A_TIME, PIXELS_A_WORKER * workers)


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], *, workers: int, ahead: int
) -> Generator[Result, None, None]:
    """`work` of each item, in the items' order, done by `workers` threads up to `ahead` items
    before it is asked for.

    Items are taken as they are needed. A single one is worked on here, without a thread. What
    `work` raises is raised in its place and ends the rest. Whoever stops early, or is
    interrupted, closes the iterator: what has begun is waited for, nothing else begins.
    """
    source = iter(items)
    first = list(islice(source, 2))
    if len(first) < 2 or workers < 2:
        yield from map(work, chain(first, source))
        return
    from concurrent.futures import ThreadPoolExecutor

    coming = chain(first, source)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        waiting = deque(pool.submit(work, item) for item in islice(coming, ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in islice(coming, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)
