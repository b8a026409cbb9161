"""The library as a whole: listing, one image, deleting, counting."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from chalicelib import cursors
from chalicelib.copies import Copy, Folded, judge
from chalicelib.errors import NotFound
from chalicelib.index.base import Searched
from chalicelib.ingest import Ingest, log_outcome
from chalicelib.records import WHOLE, Filters, ImageRecord, State, Wire
from chalicelib.storage import Bucket, Missing, Unchanged

MAX_IDS = 100


class ListRequest(Wire):
    """The query of `GET /images`."""

    states: tuple[State, ...] = ("ready",)
    filters: Filters = Filters()
    limit: Annotated[int, Field(ge=1, le=200), WHOLE] = 50
    cursor: Annotated[str, StringConstraints(max_length=500)] | None = None


class Library:
    """What is in the index, record by record."""

    def __init__(self, *, bucket: Bucket, index: Searched, ingest: Ingest) -> None:
        self._bucket = bucket
        self._index = index
        self._ingest = ingest

    def over(self, index: Searched) -> Library:
        """The same, of what is in `index`."""
        return Library(bucket=self._bucket, index=index, ingest=self._ingest)

    def get(self, id: str) -> ImageRecord:
        """Raises `NotFound` for the unknown, the not yet indexed and the deleted."""
        found = self._index.read([id]).get(id) if cursors.is_image_id(id) else None
        if found is None or found.record.state == "deleted":
            raise NotFound("No image has this id. A new one has a record once it is indexed.")
        return found.record

    def check_uploaded(self, key: str, *, by: str) -> None:
        """Raises `NotFound` unless the object at `key` itself says that its owner is `by`; it may
        have no record yet."""
        look = self._bucket.look(key, max_bytes=0)
        if isinstance(look, Missing | Unchanged) or look.info.owner != by:
            raise NotFound("No image has this key.", field="key")

    def get_known(self, ids: list[str]) -> list[ImageRecord]:
        """The records of `ids` that there are, in their order."""
        found = self._index.read(ids)
        records = [found[known].record for known in ids if known in found]
        return [record for record in records if record.state != "deleted"]

    def counted(self, records: list[ImageRecord]) -> list[Folded]:
        """How many copies each of `records` has in the whole library."""
        return [
            Folded(
                exact=sum(copy.kind == "exact" for copy in found),
                near=sum(copy.kind == "near" for copy in found),
            )
            for found in self._index.copies(records)
        ]

    def copies(self, id: str) -> list[tuple[ImageRecord, Copy]]:
        """The copies of an image, the exact ones first, then the nearest; at most `MAX_COPIES`.
        Raises `NotFound` as `get` does."""
        of = self.get(id)
        (found,) = self._index.copies([of])
        held = self._index.read([copy.id for copy in found])
        # The index may lag behind; what the records say now is what counts.
        now = ((held[c.id].record, c) for c in found if c.id in held)
        return [
            (record, Copy(copy.id, *verdict))
            for record, copy in now
            if record.state == "ready" and (verdict := judge(of, record)) is not None
        ]

    def list(self, request: ListRequest) -> tuple[list[ImageRecord], str | None, int]:
        """(records newest first, cursor for the next page, how many match in all)."""
        listing = self._index.list(
            request.filters,
            request.states,
            limit=request.limit,
            after=_read_cursor(request.cursor),
        )
        cursor = None
        if len(listing.records) == request.limit:
            last = listing.records[-1]
            moment = last.uploaded_at.isoformat() if last.uploaded_at else None
            cursor = cursors.pack(moment, last.id)
        return listing.records, cursor, listing.total

    def delete(self, record: ImageRecord) -> None:
        """The object goes first; then the record says so, without waiting for the event."""
        self._bucket.delete(record.key)
        log_outcome(self._ingest.forget(record.key))


def _read_cursor(cursor: str | None) -> tuple[datetime | None, str] | None:
    if cursor is None:
        return None
    moment, last_id = cursors.unpack(cursor, 2)
    try:
        when = None if moment is None else datetime.fromisoformat(moment)
    except (ValueError, TypeError):
        raise cursors.invalid_cursor() from None
    if not cursors.is_image_id(last_id) or (when is not None and when.tzinfo is None):
        raise cursors.invalid_cursor()
    return when, last_id
