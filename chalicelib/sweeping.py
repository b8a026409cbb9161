"""Deletes thumbnails that no record names: what writes cut short have left behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import islice

import numpy as np

from chalicelib.index.base import Index
from chalicelib.packed import Packed, hashes
from chalicelib.storage import Bucket
from chalicelib.thumbnails import thumbnail_folder

ORPHANS_KEPT = timedelta(days=1)
"""A thumbnail younger than this may belong to a write that is under way."""

_AT_ONCE = 1000
_ID_DIGITS = 32


def sweep_thumbnails(thumbnails: Bucket, index: Index, said: Packed, fingerprint: str) -> int:
    """Delete thumbnails of this model that no record names; returns how many went. Those of other
    models are named by their own indexes.

    `said` clears most of them of suspicion; the index itself is asked about the others, since
    records may have changed meanwhile.
    """
    folder = thumbnail_folder(fingerprint)
    border = datetime.now(timezone.utc) - ORPHANS_KEPT
    old = (o.key for o in thumbnails.list(folder) if o.uploaded_at < border)
    went = 0
    while some := list(islice(old, _AT_ONCE)):
        for key in _orphans(_doubtful(some, said, folder), index, folder):
            thumbnails.delete(key)
            went += 1
    return went


def _id_in(key: str, folder: str) -> str:
    """The id that `key` is under, "" where it is under none."""
    head, slash, _ = key.removeprefix(folder).partition("/")
    digits = set(head) <= set("0123456789abcdef")
    return head if slash and digits and len(head) == _ID_DIGITS else ""


def _doubtful(keys: Sequence[str], said: Packed, folder: str) -> list[str]:
    """Those of `keys` that `said` does not know as the thumbnails of their images."""
    named = [key for key in keys if _id_in(key, folder)]
    places = said.find([_id_in(key, folder) for key in named])
    known = np.flatnonzero(places >= 0)
    certain = known[said.thumbnails[places[known]] == hashes(named)[known]]
    cleared = {named[place] for place in certain.tolist()}
    return [key for key in keys if key not in cleared]


def _orphans(keys: Sequence[str], index: Index, folder: str) -> Iterator[str]:
    ids = {key: _id_in(key, folder) for key in keys}
    held = index.read([name for name in dict.fromkeys(ids.values()) if name])
    for key, name in ids.items():
        if name not in held or held[name].record.thumbnail_key != key:
            yield key
