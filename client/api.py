"""The client: what the routes do, as methods."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from client import asking, uploading
from client.credentials import Credentials, Iam, Nobody, Token
from client.downloading import download
from client.journal import Journal
from client.models import Image, Match, Part, SearchPage, image_of, page_of
from client.oidc import Provider
from client.patience import SECONDS, Patience
from client.places import Place, find
from client.progress import Progress, Silent
from client.reports import Report
from client.signed_in import KeptSignIns, SignedIn
from client.surroundings import default_url, state_folder
from client.transport import Transport, check_address
from client.walking import find_images

MOST_A_PAGE = 200
MOST_RANKED = 1000
"""So many images an answer has at most, over all its pages."""

COLLECTION = "uploads"


class Client:
    """Safe to use from several threads. Each method raises `ClientError`s (client/errors.py)."""

    def __init__(
        self,
        url: str = "",
        *,
        token: str = "",
        iam: bool = False,
        patience: float = SECONDS,
        state: Path | None = None,
    ) -> None:
        """`url` of the page or of the API. `token`: an access token; `iam`: sign with AWS
        credentials; neither: whoever signed in by `python -m client login`, where that is asked
        for. `patience`: so many seconds something is tried again. `state`: where journals and
        sign-ins are kept. Nothing is asked before the first method is called."""
        self.url = url or default_url()
        self.state = state or state_folder()
        self._token, self._iam, self._patience = token, iam, patience
        self.stop = threading.Event()
        """Set, it ends whatever is under way, for good."""

    @cached_property
    def place(self) -> Place:
        check_address(self.url, secret=bool(self._token or self._iam))
        return find(self.url)

    @cached_property
    def transport(self) -> Transport:
        api = self.place.api
        return Transport(api, self._credentials(api), patience=self._patience, stop=self.stop)

    def _credentials(self, api: str) -> Credentials:
        if self._token:
            return Token(self._token)
        if self._iam:
            return Iam(api)
        if self.place.sign_in is None:
            return Nobody()
        provider, kept = Provider(self.place.sign_in), KeptSignIns(self.state)
        return SignedIn(provider, kept, lambda: Patience(self._patience, self.stop))

    # --- finding ------------------------------------------------------------------------------

    def search(self, text: str = "", *, limit: int | None = None, **asked: Any) -> Iterator[Match]:
        """What matches, best first; `asked` as `search_page` takes it."""
        for page in self.search_pages(text, limit=limit, **asked):
            yield from page.matches

    def search_pages(
        self,
        text: str = "",
        *,
        image: bytes = b"",
        id: str = "",
        parts: Sequence[Part] = (),
        region: tuple[float, float, float, float] | None = None,
        limit: int | None = None,
        **asked: Any,
    ) -> Iterator[SearchPage]:
        """The pages of one search, until there are `limit` matches or no more."""
        parts = _parts(text, image, id, region, parts)
        cursor, left = None, MOST_RANKED if limit is None else limit
        while left > 0:
            size = min(left, MOST_A_PAGE)
            page = self.search_page(parts=parts, limit=size, cursor=cursor, **asked)
            yield page
            cursor, left = page.next_cursor, left - len(page.matches)
            if cursor is None:
                return
            parts = asking.as_answered(parts, page)

    def search_page(
        self,
        text: str = "",
        *,
        image: bytes = b"",
        id: str = "",
        parts: Sequence[Part] = (),
        region: tuple[float, float, float, float] | None = None,
        filters: dict[str, Any] | None = None,
        order: str = "best",
        closest: bool = False,
        facets: bool = False,
        collapse: str = "none",
        limit: int = 20,
        cursor: str | None = None,
    ) -> SearchPage:
        """One page of `POST /search`; what its fields mean is in docs/api.md."""
        body = asking.without(
            asking.query_of(_parts(text, image, id, region, parts)),
            filters=filters,
            order=order,
            closest=closest or None,
            facets=facets or None,
            collapse=collapse,
            limit=limit,
            cursor=cursor,
        )
        return page_of(self.transport.post("/search", body))

    # --- the library --------------------------------------------------------------------------

    def images(self, **query: Any) -> Iterator[Image]:
        """The library, newest first, with the filters of `GET /images`."""
        cursor: dict[str, str] = {}
        while True:
            page = self.transport.get("/images", limit=MOST_A_PAGE, **query, **cursor)
            yield from map(image_of, page["items"])
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}

    def image(self, id: str) -> Image:
        """Raises `ApiError` with the code "not_found"."""
        return image_of(self.transport.get(f"/images/{id}"))

    def known(self, ids: Sequence[str]) -> list[Image]:
        """Those of `ids` that are indexed, in any state."""
        return [image_of(raw) for raw in uploading.indexed_images(self.transport, ids)]

    def copies(self, id: str) -> list[Image]:
        return [image_of(raw) for raw in self.transport.get(f"/images/{id}/copies")["items"]]

    def delete(self, id: str) -> None:
        self.transport.call("DELETE", f"/images/{id}")

    def download(self, image: Image, folder: str | os.PathLike[str]) -> Path:
        """The image's file in `folder`, compared with its digest."""
        return download(self.transport, image, Path(folder).expanduser())

    def stats(self) -> dict[str, Any]:
        return dict(self.transport.get("/stats"))

    def session(self) -> dict[str, Any]:
        """Who is asking, and what they may do."""
        return dict(self.transport.get("/session"))

    # --- uploading ----------------------------------------------------------------------------

    def upload(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        collection: str = COLLECTION,
        jobs: int = 4,
        wait: bool = False,
        progress: Progress | None = None,
    ) -> Report:
        """Every image among `paths` and in folders among them, `jobs` at a time. What an earlier
        run has sent is not sent again. `wait`: until each can be found, or is rejected.

        What befalls single files is in the report. Raises `UsageError`, and what befell the
        connection before anything was sent.
        """
        files, left_out = find_images([Path(path) for path in paths])
        progress = progress or Silent()
        journal = Journal(self.state, self.transport.url, collection)
        try:
            run = self._upload(journal, collection, jobs, progress)
            run.report.left_out = left_out
            report = run.run(files)
            if wait and not report.interrupted:
                uploading.wait_indexed(self.transport, report, progress)
        finally:
            journal.close()
            progress.end()
        return report

    def would_upload(
        self, paths: Iterable[str | os.PathLike[str]], *, collection: str = COLLECTION
    ) -> tuple[uploading.Known, Report]:
        """What `upload` would do, and what it would leave out."""
        files, left_out = find_images([Path(path) for path in paths])
        journal = Journal(self.state, self.transport.url, collection)
        try:
            known = self._upload(journal, collection, 1, Silent()).look(files)
        finally:
            journal.close()
        return known, Report(left_out=left_out)

    def _upload(
        self, journal: Journal, collection: str, jobs: int, progress: Progress
    ) -> uploading.Upload:
        return uploading.Upload(
            self.transport, journal, collection=collection, jobs=jobs, progress=progress
        )


def _parts(
    text: str,
    image: bytes,
    id: str,
    region: tuple[float, float, float, float] | None,
    parts: Sequence[Part],
) -> list[Part]:
    first = Part(text=text, image=image, id=id, region=region)
    return [first, *parts] if text or image or id else list(parts)
