"""`OpenSearchIndex`: the index protocol over one OpenSearch index.

Searches find candidates by HNSW and score them in float32 on the server; the whole ranked set
comes back as ids and scores, so that its order, its end and its pages are decided in one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.copies import Collapse, Copy, copies_among
from chalicelib.index.base import (
    ALL,
    FACETS,
    MAX_FACET_VALUES,
    Facets,
    Listing,
    Place,
    RankedSet,
    Summary,
    Versioned,
    Write,
    WriteResult,
)
from chalicelib.index.checks import checked_writes, unit_vector, unit_vectors
from chalicelib.index.opensearch import bulk, schema
from chalicelib.index.opensearch.alike import candidates, marked
from chalicelib.index.opensearch.candidates import Search
from chalicelib.index.opensearch.client import Client, encode
from chalicelib.index.opensearch.documents import (
    WITHOUT_VECTOR,
    filter_query,
    from_document,
    of_shard,
    summary,
    to_document,
    with_states,
)
from chalicelib.index.opensearch.notes import Notes
from chalicelib.index.opensearch.requests import MANY, SEARCH_PATIENCE_S, Requests
from chalicelib.index.opensearch.rewording import give_words
from chalicelib.index.opensearch.searching import Shown, answered, best_scores
from chalicelib.index.times import micros, recency
from chalicelib.records import STATES, Filters, ImageRecord, State
from chalicelib.relevance import Cut, Order, Wording
from chalicelib.sharding import WHOLE, Shard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SCAN = 2000
"""Summaries read at a time; a window of ids holds about as many."""


class OpenSearchIndex:
    """`Index` for vectors [dim] of `model` and the images of `bucket`, in the OpenSearch index
    `name`.

    `at_once` makes every write wait until searches see it: for tests.
    """

    def __init__(
        self,
        client: Client,
        *,
        name: str,
        dim: int,
        model: str,
        bucket: str,
        shape: schema.Shape,
        at_once: bool = False,
    ) -> None:
        self._client = client
        self._name = name
        self._dim = dim
        self._model = model
        self._bucket = bucket
        self._shape = shape
        self._at_once = at_once
        self._ask = Requests(client, name)
        self._notes = Notes(client, name)

    def ensure(self) -> None:
        schema.ensure(
            self._client,
            self._name,
            dim=self._dim,
            model=self._model,
            bucket=self._bucket,
            shape=self._shape,
        )
        self._notes.mark()

    def close(self) -> None:
        self._client.close()

    def refresh(self) -> None:
        """Let searches see everything written so far."""
        self._ask.refresh()

    # --- by id --------------------------------------------------------------------------------

    def read(self, ids: Sequence[str]) -> dict[str, Versioned]:
        return {
            document["_id"]: Versioned(
                from_document(document["_source"]),
                (document["_seq_no"], document["_primary_term"]),
            )
            for document in self._ask.documents(ids, WITHOUT_VECTOR)
        }

    def vector(self, id: str) -> NDArray[np.float32] | None:
        import numpy as np

        for document in self._ask.documents([id], {"includes": ["vector"]}):
            if "vector" in document["_source"]:
                return np.array(document["_source"]["vector"], dtype=np.float32)
        return None

    # --- writing ------------------------------------------------------------------------------

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        records = checked_writes(writes, self._dim)
        self._notes.mark()
        results: list[WriteResult] = ["conflict"] * len(records)
        # OpenSearch counts primary terms from 1 and refuses a whole request that names a lower.
        asked = [n for n, w in enumerate(writes) if w.expected is None or w.expected[1] >= 1]

        def confirm(doubtful: Sequence[int]) -> set[int]:
            ours = {n: records[asked[n]] for n in doubtful}
            held = self.read([record.id for record in ours.values()])
            return {n for n, r in ours.items() if r.id in held and held[r.id].record == r}

        actions = [_store_action(writes[n], records[n]) for n in asked]
        for n, result in zip(asked, self._send(actions, confirm), strict=True):
            results[n] = result
        return results

    def _send(self, actions: Sequence[bulk.Action], confirm: bulk.Confirm) -> list[WriteResult]:
        alias = schema.write_alias(self._name)
        return bulk.send(self._client, alias, actions, refresh=self._at_once, confirm=confirm)

    def purge(self, deleted_before: datetime) -> int:
        old = {"range": {"indexed": {"lt": micros(deleted_before)}}}
        query = with_states(ALL, ["deleted"], old)
        went = 0
        for hits in self._ask.walk(query, MANY, seq_no_primary_term=True, _source=False):
            actions = [encode({"delete": _condition(hit)}) + b"\n" for hit in hits]
            names = [hit["_id"] for hit in hits]

            def confirm(doubtful: Sequence[int], names: list[str] = names) -> set[int]:
                held = self.read([names[n] for n in doubtful])
                return {n for n in doubtful if names[n] not in held}

            went += self._send(actions, confirm).count("written")
        give_words(self._ask, lambda actions: self._send(actions, lambda _: set()))
        return went

    # --- searching ----------------------------------------------------------------------------

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
        query = unit_vector(query, self._dim, field="query")
        self._notes.mark()
        return answered(
            self._ask,
            Search(query, filters, wording or Wording(), ranked, leave_out),
            Shown(limit, after, facets, collapse, cut, order),
        )

    def best_scores(self, queries: NDArray[np.float32]) -> NDArray[np.float64]:
        rows = unit_vectors(queries, self._dim, field="queries")
        return best_scores(self._ask, rows)

    def note(self, name: str) -> str | None:
        return self._notes.read(name, patience_s=SEARCH_PATIENCE_S)

    def keep_note(self, name: str, text: str) -> None:
        self._notes.keep(name, text)

    def copies(self, of: Sequence[ImageRecord], filters: Filters = ALL) -> list[list[Copy]]:
        admitted = with_states(filters, ["ready"])
        asked = [candidates(record, admitted) for record in of]
        bodies = [body for body in asked if body is not None]
        answers = iter(self._ask.searches(bodies, patience_s=SEARCH_PATIENCE_S))
        return [
            [] if body is None else copies_among(record, marked(next(answers)))
            for record, body in zip(of, asked, strict=True)
        ]

    def list(
        self,
        filters: Filters,
        states: Sequence[State],
        *,
        limit: int,
        after: tuple[datetime | None, str] | None = None,
    ) -> Listing:
        body: dict[str, Any] = {
            "query": with_states(filters, [*states]),
            "sort": [{"recency": "asc"}, {"id": "asc"}],
            "track_total_hits": True,
            "_source": WITHOUT_VECTOR,
        }
        if after is not None:
            body["search_after"] = [recency(after[0]), after[1]]
        records: list[ImageRecord] = []
        total = None
        while True:
            body["size"] = max(0, min(limit - len(records), MANY))
            found = self._ask.search(body, patience_s=SEARCH_PATIENCE_S)["hits"]
            total = found["total"]["value"] if total is None else total
            read = [from_document(hit["_source"]) for hit in found["hits"]]
            now = self._ask.states([record.id for record in read])
            records += [record for record in read if now.get(record.id) == record.state]
            if len(records) >= limit or len(found["hits"]) < body["size"]:
                return Listing(records, total)
            body["search_after"] = found["hits"][-1]["sort"]

    def counts(self, filters: Filters = ALL) -> dict[State, int]:
        states = {"terms": {"field": "state", "size": len(STATES)}}
        query = filter_query(filters) or {"match_all": {}}
        found = self._ask.aggregate(query, {"states": states})["states"]
        counted = {bucket["key"]: bucket["doc_count"] for bucket in found["buckets"]}
        return {state: counted.get(state, 0) for state in STATES}

    def facets(self, filters: Filters = ALL) -> Facets:
        order = [{"_count": "desc"}, {"_key": "asc"}]
        values: dict[str, Any] = {
            name: {"terms": {"field": name, "size": MAX_FACET_VALUES, "order": order}}
            for name in FACETS
        }
        values["camera"]["terms"]["exclude"] = [""]
        found = self._ask.aggregate(with_states(filters, ["ready"]), values)
        return {
            name: {str(b["key"]): b["doc_count"] for b in found[name]["buckets"]} for name in FACETS
        }

    # --- everything ---------------------------------------------------------------------------

    def scan(self, shard: Shard = WHOLE) -> Iterator[Summary]:
        self._ask.refresh()
        for hits in self._ask.walk(of_shard(shard), _SCAN, _source=list(Summary._fields)):
            yield from (summary(hit["_source"]) for hit in hits)


def _store_action(write: Write, record: ImageRecord) -> bulk.Action:
    action: dict[str, dict[str, Any]] = {"create": {"_id": record.id}}
    if write.expected is not None:
        seq_no, primary_term = write.expected
        condition = {"if_seq_no": seq_no, "if_primary_term": primary_term}
        action = {"index": {"_id": record.id} | condition}
    return encode(action) + b"\n" + encode(to_document(record)) + b"\n"


def _condition(hit: dict[str, Any]) -> dict[str, Any]:
    return {
        "_id": hit["_id"],
        "if_seq_no": hit["_seq_no"],
        "if_primary_term": hit["_primary_term"],
    }
