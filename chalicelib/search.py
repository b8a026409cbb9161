"""Request → query vector and words → index → page."""

from __future__ import annotations

import copy
import hashlib
import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from aws_lambda_powertools import Logger

from chalicelib import cursors
from chalicelib.algebra import GIVES_WAY, Sum, sum_of
from chalicelib.index.base import Place, RankedSet, Searched
from chalicelib.log import SERVICE
from chalicelib.meanings import Meanings, QueryEncoder, wording_of
from chalicelib.queries import KINDS, Part, SearchRequest
from chalicelib.records import MAX_RANKED, Page
from chalicelib.relevance import Cut, threshold_of
from chalicelib.storage import Bucket

if TYPE_CHECKING:
    from chalicelib.decoding import DecoderPool
    from chalicelib.thresholds import Measured

logger = Logger(service=SERVICE, child=True)


class KnownThresholds(Protocol):
    """The part of `Thresholds` that search needs."""

    def current(self) -> Measured | None: ...


class Search:
    """Answers search requests over one index."""

    def __init__(
        self,
        *,
        index: Searched,
        encoder: QueryEncoder,
        decoders: DecoderPool,
        bucket: Bucket,
        thresholds: KnownThresholds,
        max_bytes: int,
        log_queries: bool = True,
    ) -> None:
        self._index = index
        self._encoder = encoder
        self._meanings = Meanings(
            encoder=encoder, decoders=decoders, bucket=bucket, max_bytes=max_bytes
        )
        self._thresholds = thresholds
        self._log_queries = log_queries

    def over(self, index: Searched) -> Search:
        """The same, of what is in `index`; texts are remembered for both, and thresholds are those
        of the whole."""
        other = copy.copy(self)
        other._index = index
        return other

    def search(self, request: SearchRequest, *, owner: str = "") -> Page:
        """One page of what `request` asks for.

        A picture sent is rounded to its vector as text before anything is made of it, so that a
        later page may be asked for with either.

        Raises `InvalidRequest` for a cursor of another search, parts that cancel each other out or
        an image that is not base64, `NotFound` for an unknown id, `UnreadableImage` for a broken
        query image.
        """
        started = time.perf_counter()
        sent, vectors = request, self._vectors(request)
        request = request.with_vectors(vectors)
        mark = self._mark(request)
        place = read_cursor(request.cursor, mark)
        asked = self._asked(request)
        embedded = time.perf_counter()
        threshold = place.threshold if place else self._threshold(asked)
        ranked = self._ranked(request, asked, threshold, place.after if place else None)
        done = time.perf_counter()
        page = Page(
            items=tuple(ranked.hits),
            next_cursor=write_cursor(ranked.next, threshold, mark) if ranked.next else None,
            total=ranked.total,
            matched=ranked.matched,
            rest=ranked.rest,
            threshold=threshold,
            facets=ranked.facets,
            timings_ms={
                "embed": round((embedded - started) * 1000, 2),
                "index": round((done - embedded) * 1000, 2),
                "total": round((done - started) * 1000, 2),
            },
            model=self.model(),
            vectors=tuple(vectors) if any(vectors) else None,
        )
        if self._log_queries:
            _log(sent, page, owner)
        return page

    def model(self) -> dict[str, Any]:
        encoder = self._encoder
        return {"name": encoder.name, "fingerprint": encoder.fingerprint, "dim": encoder.dim}

    def _vectors(self, request: SearchRequest) -> list[str | None]:
        return self._meanings.vectors(request.asked(), alone=request.parts is None)

    def _asked(self, request: SearchRequest) -> Sum:
        alone = request.parts is None
        terms = self._meanings.terms(request.asked(), self._index, alone=alone)
        return sum_of(terms, field="text" if alone else "parts")

    def _threshold(self, asked: Sum) -> float | None:
        """The least ρ of a best answer; None where the model has no calibration."""
        measured = self._thresholds.current()
        if measured is None:
            return None
        by_kind = threshold_of(measured.texts, measured.images, asked.pictures, asked.length)
        return float(by_kind * asked.wanted**GIVES_WAY)

    def _ranked(
        self, request: SearchRequest, asked: Sum, threshold: float | None, after: Place | None
    ) -> RankedSet:
        parts = request.asked()
        return self._index.search(
            asked.vector,
            request.filters,
            limit=request.limit,
            ranked=MAX_RANKED,
            after=after,
            leave_out=frozenset(part.id for part in parts if part.id and part.weight > 0),
            facets=request.facets,
            collapse=request.collapse,
            wording=wording_of(parts),
            cut=None if threshold is None else Cut(threshold, request.closest),
            order=request.order,
        )

    def _mark(self, request: SearchRequest) -> str:
        """Stands for the search that a cursor belongs to."""
        calibration = self._encoder.calibration
        version = calibration.version if calibration else ""
        asked = request.model_dump_json(exclude={"limit", "cursor", "facets"})
        text = f"{self._encoder.fingerprint}\n{version}\n{asked}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _log(request: SearchRequest, page: Page, owner: str) -> None:
    """The query log: what was asked, never a picture's content."""
    parts = request.asked()
    logger.info(
        "search",
        words=next((part.text for part in parts if part.text and part.weight > 0), None),
        by="parts" if request.parts else _kind(parts[0]),
        like=next((part.id for part in parts if part.id and part.weight > 0), None),
        parts=[_said(part) for part in parts] if request.parts else None,
        filters=request.filters.model_dump(mode="json", exclude_none=True),
        collapse=request.collapse,
        order=request.order,
        closest=request.closest,
        limit=request.limit,
        later_page=request.cursor is not None,
        count=len(page.items),
        total=page.total,
        matched=page.matched,
        rest=page.rest,
        threshold=page.threshold,
        best=page.items[0].score if page.items else None,
        best_meaning=max((hit.meaning for hit in page.items), default=None),
        timings_ms=page.timings_ms,
        owner=owner,
    )


_PICTURES = ("image", "vector")


def _kind(part: Part) -> str:
    return next(kind for kind in KINDS if getattr(part, kind) is not None)


def _said(part: Part) -> dict[str, Any]:
    """One part as the log has it."""
    said = part.model_dump(mode="json", exclude_none=True)
    return {name: True if name in _PICTURES else value for name, value in said.items()}


# --- cursors ----------------------------------------------------------------------------------


class Cursor(NamedTuple):
    """Where the next page starts, and the threshold of the first: one that is measured again
    between two pages would make other sets of them."""

    after: Place
    threshold: float | None


def write_cursor(after: Place, threshold: float | None, mark: str) -> str:
    return cursors.pack(float(after[0]), after[1], threshold, mark)


def read_cursor(cursor: str | None, mark: str) -> Cursor | None:
    """Raises `InvalidRequest` for a cursor of another search than `mark` stands for."""
    if cursor is None:
        return None
    number, last_id, threshold, of = cursors.unpack(cursor, 4)
    right = _is_finite(number) and (threshold is None or _is_finite(threshold))
    if not right or not cursors.is_image_id(last_id) or of != mark:
        raise cursors.invalid_cursor()
    return Cursor((number, last_id), threshold)


def _is_finite(part: Any) -> bool:
    return isinstance(part, float) and math.isfinite(part)
