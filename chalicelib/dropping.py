"""Dropping the index of a model that nobody uses any more, with its thumbnails."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from itertools import islice

from chalicelib.errors import InvalidRequest, NotFound
from chalicelib.index.base import Shelf
from chalicelib.index.naming import fingerprint_in
from chalicelib.storage import Bucket
from chalicelib.thumbnails import thumbnail_folder

USED_WITHIN = timedelta(days=1)
"""An index used within this is somebody's, unless its dropper knows better."""

_THREADS = 16
_MANY = 1000


def drop_index(
    shelf: Shelf, name: str, *, in_use: str, thumbnails: Bucket, anyway: bool = False
) -> int:
    """Drop the index called `name`; returns how many thumbnails went with it.

    Raises `NotFound` for an unknown name, `InvalidRequest` for the index `in_use` and, without
    `anyway`, for one that somebody used within a day. Killed on its way, it goes on when called
    again.
    """
    if name == in_use:
        raise InvalidRequest(
            f"{name} is the one in use: it belongs to the model that IMAGES_MODEL_FOLDER names.",
            field="name",
        )
    names = shelf.names()
    if name not in names:
        known = ", ".join(names) or "none at all"
        raise NotFound(f"There is no index {name}; there are: {known}.", field="name")
    used = None if anyway else shelf.last_used(name)
    if used is not None and datetime.now(timezone.utc) - used < USED_WITHIN:
        raise InvalidRequest(
            f"{name} was last used at {used.isoformat(timespec='seconds')}, less than a day ago."
            " Stop what uses it; --anyway drops it all the same.",
            field="name",
        )
    # The thumbnails first: without the index nobody would know whose they are. An index of the
    # same model under another name has its thumbnails in the same place.
    fingerprint = fingerprint_in(name)
    others = [other for other in {*names, in_use} - {name} if fingerprint_in(other) == fingerprint]
    gone = 0 if others else _delete_all(thumbnails, thumbnail_folder(fingerprint))
    shelf.drop(name)
    return gone


def _delete_all(bucket: Bucket, prefix: str) -> int:
    count = 0
    keys: Iterator[str] = (listed.key for listed in bucket.list(prefix))
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="drop") as pool:
        while some := list(islice(keys, _MANY)):
            count += len(list(pool.map(bucket.delete, some)))
    return count
