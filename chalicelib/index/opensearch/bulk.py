"""Many conditional writes in few requests, each answered by itself.

A bulk request succeeds item by item, so every status is read: 409 is a conflict, 429 and 5xx are
tried again, 400 will never be taken
(https://docs.opensearch.org/latest/api-reference/document-apis/bulk/).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from chalicelib.errors import IndexUnavailable
from chalicelib.index.base import Refused, WriteResult
from chalicelib.index.opensearch.client import (
    BodyTooLarge,
    Client,
    blocked,
    is_block,
    may_pass,
    missing,
)

MOST_BYTES = 5 * 1024 * 1024
"""Of one request. The smallest managed domains take 10 MiB
(https://docs.aws.amazon.com/opensearch-service/latest/developerguide/limits.html)."""

Confirm = Callable[[Sequence[int]], set[int]]
"""Which of these actions are in the index already, as we sent them."""


GONE = "document_missing_exception"
"""What an update of a document that is not there (any more) gets."""

Action = bytes
"""The one line or two that say it in a bulk request."""


class _Item:
    """An action on its way; `unsure` once it may have been carried out without our knowing."""

    __slots__ = ("action", "number", "unsure")

    def __init__(self, number: int, action: Action) -> None:
        self.number = number
        self.action = action
        self.unsure = False


def send(
    client: Client,
    alias: str,
    actions: Sequence[Action],
    *,
    refresh: bool,
    confirm: Confirm,
) -> list[WriteResult]:
    """Carry out `actions` in order; the answers are in that order too.

    A request that broke off may have been carried out, and comes back as a conflict when it is
    sent again: such conflicts are put to `confirm`. Raises `IndexUnavailable` when time runs out.
    """
    results: dict[int, WriteResult] = {}
    doubtful: list[int] = []
    for chunk in _chunks([_Item(n, action) for n, action in enumerate(actions)]):
        _send_chunk(client, alias, chunk, refresh, results)
        doubtful += [i.number for i in chunk if i.unsure and results[i.number] == "conflict"]
    if doubtful:
        results |= dict.fromkeys(confirm(doubtful), "written")
    return [results[number] for number in range(len(actions))]


def _chunks(items: Sequence[_Item], most: int = MOST_BYTES) -> Iterator[list[_Item]]:
    chunk: list[_Item] = []
    size = 0
    for item in items:
        if chunk and size + len(item.action) > most:
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += len(item.action)
    if chunk:
        yield chunk


def _send_chunk(
    client: Client,
    alias: str,
    items: list[_Item],
    refresh: bool,
    results: dict[int, WriteResult],
) -> None:
    patience = client.patience()
    while items:
        try:
            answer = _request(client, alias, items, refresh)
        except BodyTooLarge:
            if len(items) == 1:
                results[items[0].number] = Refused("it is larger than OpenSearch takes")
                return
            half = len(items) // 2
            _send_chunk(client, alias, items[:half], refresh, results)
            items = items[half:]
            continue
        again = [
            (item, reason)
            for item, said in zip(items, answer["items"], strict=True)
            if (reason := _judge(client, item, next(iter(said.values())), results))
        ]
        if not again:
            return
        items = [item for item, _ in again]
        if (pause := patience.next_pause()) is None:
            raise IndexUnavailable(
                f"OpenSearch at {client.url} did not take {len(items)} writes: {again[0][1]}."
            )
        time.sleep(pause)


def _request(client: Client, alias: str, items: list[_Item], refresh: bool) -> Any:
    def unsure() -> None:
        for item in items:
            item.unsure = True

    params = {"require_alias": "true", "refresh": "true" if refresh else "false"}
    lines = b"".join(item.action for item in items)
    return client.call("POST", f"/{alias}/_bulk", lines, params=params, on_retry=unsure)


def _judge(
    client: Client, item: _Item, said: Mapping[str, Any], results: dict[int, WriteResult]
) -> str:
    """Note the result of one item; the reason where it must be sent again."""
    status = said["status"]
    if status in (200, 201):
        results[item.number] = "written"
        return ""
    error = said.get("error", {})
    kind, reason = str(error.get("type", "")), str(error.get("reason", ""))
    if status == 409 or said.get("result") == "not_found" or kind == GONE:
        results[item.number] = "conflict"
        return ""
    if is_block(status, kind):
        raise blocked(reason)
    if status in (401, 403):
        raise client.sign_in_refused(status, reason or kind)
    if status == 404:
        raise missing(reason)
    if may_pass(status):
        item.unsure = True
        return f"{status} {reason or kind}"
    cause = error.get("caused_by", {}).get("reason", "")
    results[item.number] = Refused(f"{reason} {cause}".strip() or f"status {status}")
    return ""
