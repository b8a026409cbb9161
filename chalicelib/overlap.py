"""Work that goes on in threads while what came of the work before it is used, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from itertools import chain, islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int,
    ahead: int,
    name: str = "",
    finish: bool = False,
) -> Generator[Result, None, None]:
    """`work` of each item, in the items' order, done by `workers` threads (called `name`), with
    up to `ahead` items under way.

    Items are taken as they are needed. A single one is worked on here, without a thread. What
    `work` raises is raised in its place and ends the rest. Whoever stops early, or is
    interrupted, closes the iterator: what has begun is waited for, nothing else begins; with
    `finish` every item that was taken is worked on first.
    """
    source = iter(items)
    first = list(islice(source, 2))
    if len(first) < 2 or workers < 2:
        yield from map(work, chain(first, source))
        return
    from concurrent.futures import ThreadPoolExecutor

    coming = chain(first, source)
    pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
    try:
        waiting = deque(pool.submit(work, item) for item in islice(coming, ahead))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in islice(coming, 1))
    finally:
        pool.shutdown(cancel_futures=not finish)
