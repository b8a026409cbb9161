"""What every index does. `tests/contract/test_index.py` holds each store to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from chalicelib.records import Filters, Hit, ImageRecord, State

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Version = tuple[int, int]
"""Names one state of one record, for conditional writes; opaque outside the store that gave it.
OpenSearch: (`_seq_no`, `_primary_term`). A record deleted and made again never gets an old one."""


class Versioned(NamedTuple):
    """A record as read, with the version a conditional write must name."""

    record: ImageRecord
    version: Version


@dataclass(frozen=True, slots=True)
class Write:
    """Store `record` only if the store still holds `expected` of it; None: if it holds none."""

    record: ImageRecord
    expected: Version | None


WriteResult = Literal["written", "conflict"]


class RankedSet(NamedTuple):
    """`hits` is one page, best first; `total` the size of the whole ranked set it is part of."""

    hits: list[Hit]
    total: int


class Listing(NamedTuple):
    records: list[ImageRecord]
    total: int


class Summary(NamedTuple):
    """The little that reconcile needs of a record, tombstones included."""

    id: str
    key: str
    etag: str
    state: State
    model: str
    decoder_version: int
    thumbnail_key: str


class Index(Protocol):
    """Records and vectors of one model. Safe to use from several threads and processes.

    Every method raises `IndexUnavailable` when the store does not answer.
    """

    def ensure(self) -> None:
        """Make the store ready; harmless when it is. Raises `ConfigurationError` when what is
        there was made for another vector size."""

    def read(self, ids: Sequence[str]) -> dict[str, Versioned]:
        """The records of `ids` as last written (never stale), tombstones included; the unknown
        are left out. Records come without their vectors."""

    def vector(self, id: str) -> NDArray[np.float32] | None:
        """The stored vector, float32 [D], or None where there is none."""

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        """Each write by itself, in order of `writes`. A record has a vector exactly when it is
        "ready", and the vector must be finite, of unit length and of this index's size, else
        `InvalidRequest` is raised before anything is written."""

    def search(
        self,
        query: NDArray[np.float32],
        filters: Filters,
        *,
        limit: int,
        ranked: int,
        after: tuple[float, str] | None = None,
        leave_out: str | None = None,
    ) -> RankedSet:
        """The `limit` best "ready" images by inner product with `query` (float32 [D], unit).

        The ranked set is the best `ranked` images that `filters` admit, ordered by falling score
        (rounded to 6 decimals) and then by id; `after` starts behind that (score, id), and
        `leave_out` names an id that does not take part. A filter never makes a page shorter than
        what matches. Records come without vectors."""

    def list(
        self,
        filters: Filters,
        states: Sequence[State],
        *,
        limit: int,
        after: tuple[datetime | None, str] | None = None,
    ) -> Listing:
        """Records in `states`, the newest `uploaded_at` first, those without one last, then by
        id; `after` starts behind that (`uploaded_at`, id). `total` counts all that match.
        Records come without vectors."""

    def counts(self) -> dict[State, int]:
        """How many records are in each state; every state is present."""

    def scan(self) -> Iterator[Summary]:
        """Every record, tombstones included, in no promised order, while writes may go on."""

    def purge(self, deleted_before: datetime) -> int:
        """Remove tombstones whose `indexed_at` is older; one that changes meanwhile stays.
        Returns how many went."""

    def close(self) -> None:
        """Release files and connections; harmless when called twice."""
