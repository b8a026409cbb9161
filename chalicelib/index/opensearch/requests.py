"""Requests to one OpenSearch index: documents by id, hits by query, all of them in walks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from chalicelib.errors import IndexUnavailable
from chalicelib.index.opensearch.client import (
    Client,
    encode,
    is_missing,
    may_pass,
    missing,
    refused,
)

SEARCH_PATIENCE_S = 8.0
"""Somebody waits for the answer: better an error while they still do."""

MANY = 1000
"""Documents asked for at a time."""


class Requests:
    """What is asked of the index `name`; writes have their own way (`bulk`)."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name

    def documents(
        self, ids: Sequence[str], source: dict[str, Any], *, patience_s: float | None = None
    ) -> Iterator[dict[str, Any]]:
        """The documents of `ids` that there are, as last written (realtime)."""
        wanted = list(dict.fromkeys(ids))
        for first in range(0, len(wanted), MANY):
            yield from self._some(wanted[first : first + MANY], source, patience_s)

    def _some(
        self, ids: list[str], source: dict[str, Any], patience_s: float | None
    ) -> Iterator[dict[str, Any]]:
        """An answer may lack single documents, as where a shard is not up again yet: those are
        asked for again."""
        patience = self._client.patience(patience_s)
        while ids:
            docs = [{"_id": one, "_source": source} for one in ids]
            answer = self._client.call(
                "POST", f"/{self._name}/_mget", {"docs": docs}, patience_s=patience.left
            )
            failed = [document for document in answer["docs"] if "error" in document]
            yield from (d for d in answer["docs"] if "error" not in d and d["found"])
            if not failed:
                return
            error = failed[0]["error"]
            if is_missing(error):
                raise missing(error.get("reason", ""))
            if (pause := patience.next_pause()) is None:
                raise IndexUnavailable(
                    f"OpenSearch could not read {failed[0]['_id']}: {error.get('reason', '')}."
                )
            time.sleep(pause)
            ids = [document["_id"] for document in failed]

    def states(self, ids: Sequence[str]) -> dict[str, str]:
        """The state each of `ids` is in now."""
        found = self.documents(ids, {"includes": ["state"]}, patience_s=SEARCH_PATIENCE_S)
        return {document["_id"]: document["_source"]["state"] for document in found}

    def search(self, body: dict[str, Any], *, patience_s: float | None = None) -> Any:
        """Raises `IndexUnavailable` also where only some of the shards answered."""
        answer = self._client.call(
            "POST", f"/{self._name}/_search", body,
            params={"allow_partial_search_results": "false"}, patience_s=patience_s,
        )  # fmt: skip
        if answer.get("timed_out") or answer["_shards"]["failed"]:
            raise IndexUnavailable("A part of the index did not answer.")
        return answer

    def searches(self, bodies: Sequence[dict[str, Any]], *, patience_s: float) -> list[Any]:
        """Many at once, in order; those that went wrong are tried again by themselves. Raises as
        `search` does, also where one of them alone stays without its answer."""
        patience = self._client.patience(patience_s)
        answers: dict[int, Any] = {}
        waiting = list(range(len(bodies)))
        while waiting:
            asked = b"".join(_WHOLE + encode(bodies[number]) + b"\n" for number in waiting)
            found = self._client.call(
                "POST", f"/{self._name}/_msearch", asked, patience_s=patience.left
            )
            answers |= zip(waiting, found["responses"], strict=True)
            waiting = [number for number in waiting if _must_ask_again(answers[number])]
            if waiting:
                if (pause := patience.next_pause()) is None:
                    raise IndexUnavailable("A part of the index did not answer.")
                time.sleep(pause)
        return [answers[number] for number in range(len(bodies))]

    def aggregate(self, query: dict[str, Any], wanted: dict[str, Any]) -> Any:
        body = {"size": 0, "query": query, "aggs": wanted}
        return self.search(body, patience_s=SEARCH_PATIENCE_S)["aggregations"]

    def walk(self, query: dict[str, Any], most: int, **parts: Any) -> Iterator[Any]:
        """The hits of `query` in lists of up to `most`, each hit once, held open by nothing.

        Ids are hashes, so their first digits cut the index into windows of about one size; a
        window is sorted by id, which never changes, so writes going on disturb nothing."""
        total = self._client.call("POST", f"/{self._name}/_count", {"query": query})["count"]
        digits = 0
        while total > most * 16**digits:
            digits += 1
        for window in range(16**digits):
            prefix: dict[str, Any] = (
                {"prefix": {"id": f"{window:0{digits}x}"}} if digits else {"match_all": {}}
            )
            body: dict[str, Any] = {
                "size": most,
                "query": {"bool": {"filter": [query, prefix]}},
                "sort": [{"id": "asc"}],
                **parts,
            }
            while hits := self.search(body)["hits"]["hits"]:
                yield hits
                if len(hits) < most:
                    break
                body["search_after"] = hits[-1]["sort"]

    def refresh(self) -> None:
        """Let searches see everything written so far."""
        self._client.call("POST", f"/{self._name}/_refresh")


_WHOLE = encode({"allow_partial_search_results": False}) + b"\n"


def _must_ask_again(answer: dict[str, Any]) -> bool:
    """Whether one answer of many is none yet; raises what trying again would not mend."""
    if "error" not in answer:
        return bool(answer.get("timed_out") or answer["_shards"]["failed"])
    error = answer["error"]
    if is_missing(error):
        raise missing(error.get("reason", ""))
    if may_pass(answer["status"]):
        return True
    raise refused(answer["status"], answer)
