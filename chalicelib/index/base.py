"""What every index does. `tests/contract/test_index.py` holds each store to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from chalicelib.copies import Collapse, Copy
from chalicelib.records import Filters, Hit, ImageRecord, State
from chalicelib.relevance import Cut, Order, Wording
from chalicelib.sharding import WHOLE, Shard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Facet = Literal["collection", "year", "camera", "format"]

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


class Refused(NamedTuple):
    """The store will never take this record; the others of the call are not harmed."""

    reason: str


WriteResult = Literal["written", "conflict"] | Refused

ALL = Filters()
"""Admits everything."""

FACETS: tuple[Facet, ...] = ("collection", "year", "camera", "format")

MAX_FACET_VALUES = 100
"""Of each facet the values that most images have, at most so many."""

Facets = dict[Facet, dict[str, int]]
"""Of each facet how many images have each value, the most frequent first, then by value. Years
are in UTC. An image without a camera or a date is not counted there; a collection may be ""."""


Place = tuple[float, str]
"""Where an image stands in an order: (score, id), or where that is by date (the date in
microseconds, id), `NO_DATE` for none."""

NO_DATE = float(-(2**62))
"""Older than any date; images without one come last in either order."""


class RankedSet(NamedTuple):
    """`hits` is one page in the order asked for; `total` the size of the whole kept set it is
    part of, as folded; `facets` are counted over that whole set unfolded, where they were asked
    for. `matched` says whether anything matches, None without a cut; `rest` how many were ranked
    and not kept. `next` is where the next page starts; None where nothing can follow."""

    hits: list[Hit]
    total: int
    facets: Facets | None = None
    matched: bool | None = None
    rest: int = 0
    next: Place | None = None


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
    calibration: str = ""
    text_model: str = ""


class Searched(Protocol):
    """What an index is asked by those who only look. Safe to use from several threads and
    processes.

    `read` and `vector` know every write that was answered. `search`, `copies`, `list`, `counts`
    and `facets` may lag behind by as much as the store says (OpenSearch: its refresh interval),
    but the records they give are those of images that `read` knows as "ready". Every method raises
    `IndexUnavailable` when the store does not answer.
    """

    def read(self, ids: Sequence[str]) -> dict[str, Versioned]:
        """The records of `ids` as last written (never stale), tombstones included; the unknown
        are left out. Records come without their vectors."""

    def vector(self, id: str) -> NDArray[np.float32] | None:
        """The stored vector, float32 [D], or None where there is none."""

    def search(
        self,
        query: NDArray[np.float32],
        filters: Filters,
        *,
        limit: int,
        ranked: int,
        after: Place | None = None,
        leave_out: frozenset[str] = frozenset(),
        facets: bool = False,
        collapse: Collapse = "none",
        wording: Wording | None = None,
        cut: Cut | None = None,
        order: Order = "best",
    ) -> RankedSet:
        """One page of the "ready" images that answer `query` (float32 [D], unit) best.

        Candidates are the best `ranked` images that `filters` admit by inner product with
        `query`, and with `wording` the best `ranked` of those that have any of its words too: of
        the very name asked for first, then by share, then by inner product, then by id. All have
        the phrases it asks for and nothing that it excludes. `chalicelib.relevance.decide` orders
        them, by falling score and then id, keeps the best `ranked`, and of these what `cut`
        admits (None: all). How rare a word is, is counted over the "ready" images that `filters`
        admit. A filter never makes a page shorter than what matches. Records come without
        vectors.

        `collapse` folds the kept set: an image that is such a copy of a better one in the set is
        no item of its own but counted behind it. `order` then puts the items in order: "newest"
        and "oldest" by date, those without one last, then by id. `after` starts behind that place,
        and `leave_out` names ids that do not take part."""

    def best_scores(self, queries: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of each row of `queries` (float32 [Q, D], unit) the best inner product with any "ready"
        image's vector, float64 [Q]; -inf where there is none."""

    def note(self, name: str) -> str | None:
        """The text kept with the index under `name`; None where there is none."""

    def keep_note(self, name: str, text: str) -> None:
        """Keep `text` (a few kB) with the index under `name`; of two at once the last stays."""

    def copies(self, of: Sequence[ImageRecord], filters: Filters = ALL) -> list[list[Copy]]:
        """For each record the other "ready" images that are copies of it and that `filters` admit,
        as `chalicelib.copies.first_copies` orders and cuts them. May lag as searches do."""

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

    def counts(self, filters: Filters = ALL) -> dict[State, int]:
        """How many records that `filters` admit are in each state; every state is present."""

    def facets(self, filters: Filters = ALL) -> Facets:
        """Counted over all "ready" images that `filters` admit."""


class Index(Searched, Protocol):
    """Records and vectors of one model. `write` too knows every write that was answered."""

    def ensure(self) -> None:
        """Make the store ready; harmless when it is. Raises `ConfigurationError` when what is
        there was made for another vector size."""

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        """Each write by itself, in order of `writes`. A record has a vector exactly when it is
        "ready", and the vector must be finite, of this index's size, and times the record's
        `response`, where it has one, of unit length, else
        `InvalidRequest` is raised before anything is written.

        Where `IndexUnavailable` is raised, some may have been written and some not."""

    def scan(self, shard: Shard = WHOLE) -> Iterator[Summary]:
        """Every record whose id `shard` holds, once, tombstones included, in no promised order,
        while writes may go on: what was written before the call is there, what is written during
        it may be."""

    def purge(self, deleted_before: datetime) -> int:
        """Remove tombstones whose `indexed_at` is older; one that changes meanwhile stays.
        Returns how many went. A store may also bring up to date what it keeps beside records."""

    def close(self) -> None:
        """Release files and connections; harmless when called twice."""


class Shelf(Protocol):
    """The indexes of all models in one store, by the names of `chalicelib.index.naming`.

    Raises `IndexUnavailable` when the store does not answer, `NotFound` for an unknown name.
    """

    def names(self) -> list[str]:
        """Of every index there is, sorted."""

    def last_used(self, name: str) -> datetime | None:
        """When a process last read or wrote the index, as far as the store can tell."""

    def drop(self, name: str) -> None:
        """Delete the index with all that is in it, whoever uses it."""
