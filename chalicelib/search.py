"""Request → query vector → index → page."""

from __future__ import annotations

import copy
import hashlib
import math
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol, cast

from aws_lambda_powertools import Logger

from chalicelib import cursors
from chalicelib.errors import NotFound
from chalicelib.index.base import Searched
from chalicelib.log import SERVICE
from chalicelib.queries import SearchRequest
from chalicelib.records import MAX_RANKED, Hit, Page
from chalicelib.uploads import decode_base64

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.clip.pixels import PixelSpec
    from chalicelib.decoding import DecoderPool

logger = Logger(service=SERVICE, child=True)

_REMEMBERED_TEXTS = 1024


class QueryEncoder(Protocol):
    """The part of `Clip` that search needs."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def pixel_spec(self) -> PixelSpec: ...
    @property
    def exact(self) -> bool: ...
    def embed_texts(self, texts: list[str], /) -> NDArray[np.float32]: ...
    def embed_pixels(self, pixels: NDArray[np.uint8], /) -> NDArray[np.float32]: ...


class Search:
    """Answers search requests over one index."""

    def __init__(
        self,
        *,
        index: Searched,
        encoder: QueryEncoder,
        decoders: DecoderPool,
        log_queries: bool = True,
    ) -> None:
        self._index = index
        self._encoder = encoder
        self._decoders = decoders
        self._log_queries = log_queries
        self._texts: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def over(self, index: Searched) -> Search:
        """The same, of what is in `index`; texts are remembered for both."""
        other = copy.copy(self)
        other._index = index
        return other

    def search(self, request: SearchRequest, *, owner: str = "") -> Page:
        """One page of the ranked set that `request` asks for.

        Raises `InvalidRequest` for a cursor of another search or an image that is not base64,
        `NotFound` for an unknown id, `UnreadableImage` for a broken query image.
        """
        started = time.perf_counter()
        after = read_cursor(request, self._encoder.fingerprint)
        vector = self._query_vector(request)
        embedded = time.perf_counter()
        ranked = self._index.search(
            vector,
            request.filters,
            limit=request.limit,
            ranked=MAX_RANKED,
            after=after,
            leave_out=request.id,
            facets=request.facets,
            collapse=request.collapse,
        )
        done = time.perf_counter()
        last = ranked.hits[-1] if len(ranked.hits) == request.limit else None
        page = Page(
            items=tuple(ranked.hits),
            next_cursor=write_cursor(request, self._encoder.fingerprint, last) if last else None,
            total=ranked.total,
            facets=ranked.facets,
            timings_ms={
                "embed": round((embedded - started) * 1000, 2),
                "index": round((done - embedded) * 1000, 2),
                "total": round((done - started) * 1000, 2),
            },
            model=self.model(),
        )
        if self._log_queries:
            self._log(request, page, owner)
        return page

    def model(self) -> dict[str, Any]:
        encoder = self._encoder
        return {"name": encoder.name, "fingerprint": encoder.fingerprint, "dim": encoder.dim}

    def _query_vector(self, request: SearchRequest) -> NDArray[np.float32]:
        if request.text is not None:
            return self._text_vector(request.text)
        if request.image is not None:
            data = decode_base64(request.image, field="image")
            prepared = self._decoders.prepare(
                data, self._encoder.pixel_spec, exact=self._encoder.exact, thumbnail=False
            )
            rows = self._encoder.embed_pixels(prepared.pixels[None])
            return cast("NDArray[np.float32]", rows[0])
        assert request.id is not None
        vector = self._index.vector(request.id)
        if vector is None:
            raise NotFound("No searchable image has this id.", field="id")
        return vector

    def _text_vector(self, text: str) -> NDArray[np.float32]:
        with self._lock:
            if text in self._texts:
                self._texts.move_to_end(text)
                return self._texts[text]
        vector = cast("NDArray[np.float32]", self._encoder.embed_texts([text])[0])
        with self._lock:
            self._texts[text] = vector
            while len(self._texts) > _REMEMBERED_TEXTS:
                self._texts.popitem(last=False)
        return vector

    def _log(self, request: SearchRequest, page: Page, owner: str) -> None:
        """The query log: what was asked, never a picture's content."""
        logger.info(
            "search",
            words=request.text,
            by="text" if request.text is not None else "image" if request.image else "id",
            like=request.id,
            filters=request.filters.model_dump(mode="json", exclude_none=True),
            collapse=request.collapse,
            limit=request.limit,
            later_page=request.cursor is not None,
            count=len(page.items),
            total=page.total,
            best=page.items[0].score if page.items else None,
            timings_ms=page.timings_ms,
            owner=owner,
        )


# --- cursors ----------------------------------------------------------------------------------


def write_cursor(request: SearchRequest, model: str, last: Hit) -> str:
    """Where the next page starts, and which search it belongs to."""
    return cursors.pack(float(last.score), last.record.id, _search_mark(request, model))


def read_cursor(request: SearchRequest, model: str) -> tuple[float, str] | None:
    if request.cursor is None:
        return None
    score, last_id, mark = cursors.unpack(request.cursor, 3)
    right = isinstance(score, float) and math.isfinite(score) and cursors.is_image_id(last_id)
    if not right or mark != _search_mark(request, model):
        raise cursors.invalid_cursor()
    return score, last_id


def _search_mark(request: SearchRequest, model: str) -> str:
    asked = request.model_dump_json(exclude={"limit", "cursor", "facets"})
    return hashlib.sha256(f"{model}\n{asked}".encode()).hexdigest()[:12]
