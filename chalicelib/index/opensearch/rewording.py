"""Gives words to images that were written before there were any, or by older rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.index.base import WriteResult
from chalicelib.index.opensearch import bulk
from chalicelib.index.opensearch.client import encode
from chalicelib.index.opensearch.documents import (
    WITHOUT_VECTOR,
    from_document,
    without_words,
    words_of,
)
from chalicelib.index.opensearch.requests import MANY, Requests

Send = Callable[[Sequence[bulk.Action]], list[WriteResult]]


def give_words(ask: Requests, send: Send) -> int:
    """How many got words. One that changes meanwhile gets them with that change."""
    given = 0
    for hits in ask.walk(without_words(), MANY, seq_no_primary_term=True, _source=WITHOUT_VECTOR):
        given += send([_update(hit) for hit in hits]).count("written")
    return given


def _update(hit: dict[str, Any]) -> bulk.Action:
    condition = {
        "_id": hit["_id"],
        "if_seq_no": hit["_seq_no"],
        "if_primary_term": hit["_primary_term"],
    }
    change = {"doc": words_of(from_document(hit["_source"]))}
    return encode({"update": condition}) + b"\n" + encode(change) + b"\n"
