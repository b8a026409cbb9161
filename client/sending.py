"""One file on its way into the bucket: once, whole, and unchanged."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple
from xml.etree import ElementTree

import requests

from client.errors import ApiError, FileChanged, StoreRefused, Unreachable
from client.form import FormBody
from client.journal import Entry, Journal, Stamp
from client.patience import retry_after
from client.transport import Transport, is_final, why

TIMEOUT = (10.0, 120.0)
"""Seconds to connect to the store, and for it to take or say something."""

MARGIN = 15.0
"""Seconds before its end at which a place is no longer used: the store looks when the form has
arrived."""

TRIES = 3
"""For a file that changes while it is read, a byte that does on the way, a place that expires."""

PIECE = 1 << 20


class Outcome(NamedTuple):
    """Sent now, or already there. `changed`: the file is another now than the one that was sent."""

    how: Literal["sent", "already"]
    id: str
    size: int
    changed: bool = False


class _PlaceExpired(Exception):
    pass


class Sender:
    """Safe to use from several threads, for different files. `on_bytes` hears of bytes sent, and
    with negative numbers of those that must be sent again."""

    def __init__(
        self,
        transport: Transport,
        journal: Journal,
        collection: str,
        on_bytes: Callable[[int], None],
    ) -> None:
        self._transport = transport
        self._journal = journal
        self._collection = collection
        self._on_bytes = on_bytes

    def send(self, path: Path) -> Outcome:
        """Raises `FileChanged`, `OSError`, `ApiError`, `StoreRefused`, `Unreachable`."""
        for left in range(TRIES, 0, -1):
            try:
                with path.open("rb") as data:
                    return self._send(path, data)
            except FileChanged:
                if left == 1:
                    raise
        raise AssertionError("unreachable")

    def _send(self, path: Path, data: BinaryIO) -> Outcome:
        stamp = stamp_of(data)
        digest = digest_of(data)
        if stamp_of(data) != stamp:
            raise FileChanged("It is changed while it is read.")
        entry = self._known(path, stamp, digest)
        if entry and entry.state == "sent":
            return Outcome("already", entry.id, stamp.size)
        for _ in range(TRIES):
            entry = entry or self._placed(path, stamp, digest)
            try:
                self._post(entry, data)
            except _PlaceExpired:
                # It may be there all the same: an answer can be lost.
                if not is_there(self._transport, entry):
                    entry = None
                    continue
            self._journal.sent(entry)
            return Outcome("sent", entry.id, stamp.size, changed=stamp_of(data) != stamp)
        raise Unreachable("The place to send it to expired each time before it was sent.")

    def _known(self, path: Path, stamp: Stamp, digest: str) -> Entry | None:
        """The entry of an earlier run that goes for these bytes: there already ("sent"), or with a
        place that is good still, at which the same bytes make no second image."""
        entry = self._journal.of(path)
        if entry is None or entry.sha256 != digest:
            return self._elsewhere(path, stamp, digest)
        entry = replace(entry, stamp=stamp)
        if entry.state == "placed" and time.time() < entry.good_until:
            return entry
        if not is_there(self._transport, entry):
            return None
        self._journal.sent(entry)
        return replace(entry, state="sent")

    def _elsewhere(self, path: Path, stamp: Stamp, digest: str) -> Entry | None:
        """A file that was moved or renamed since."""
        for entry in self._journal.with_digest(digest):
            gone = entry.state == "sent" and not entry.path.exists()
            if gone and is_there(self._transport, entry):
                self._journal.moved(entry, path, stamp)
                return replace(entry, state="sent")
        return None

    def _placed(self, path: Path, stamp: Stamp, digest: str) -> Entry:
        """A new place, written down before a byte is sent there."""
        name = os.fsencode(path.name).decode("utf-8", "replace")
        file = {"name": name, "size": stamp.size, "sha256": digest}
        asked = {"collection": self._collection, "files": [file]}
        answer = self._transport.call("POST", "/uploads", body=asked)
        (place,) = answer.body["uploads"]
        good_for = _seconds_until(place["expires_at"], answer.headers.get("Date", ""))
        entry = Entry(
            path=path,
            stamp=stamp,
            sha256=digest,
            id=place["id"],
            url=place["url"],
            state="placed",
            post=place["post"],
            good_until=time.time() + good_for - MARGIN,
        )
        self._journal.write(entry)
        return entry

    def _post(self, entry: Entry, data: BinaryIO) -> None:
        """Until the store has taken it. Raises `_PlaceExpired`, `FileChanged` and the like."""
        patience, spoilt = self._transport.patience(), 0
        while True:
            if time.time() >= entry.good_until:
                raise _PlaceExpired
            refused, body = self._once(entry, data)
            if refused is None:
                return
            self._on_bytes(-body.sent)
            if body.sent == entry.stamp.size and body.sha256 != entry.sha256:
                raise FileChanged("It is changed while it is read.")
            again, asked = True, None
            if isinstance(refused, StoreRefused):
                if refused.expired:
                    raise _PlaceExpired
                spoilt += refused.spoilt
                again = refused.passing or (refused.spoilt and spoilt < TRIES)
                asked = refused.retry_after
            if not again or not patience.pause(asked):
                raise refused

    def _once(
        self, entry: Entry, data: BinaryIO
    ) -> tuple[StoreRefused | Unreachable | None, FormBody]:
        """What the store has against it, or None."""
        data.seek(0)
        transport = self._transport
        body = FormBody(
            entry.post["fields"],
            data,
            entry.stamp.size,
            on_bytes=self._on_bytes,
            stop=transport.stop,
        )
        headers = {"Content-Type": body.content_type}
        url = entry.post["url"]
        try:
            answer = transport.session.post(
                url, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False
            )
        except FileChanged:
            self._on_bytes(-body.sent)
            raise
        except requests.RequestException as error:
            lost = Unreachable(f"The bucket does not answer: {why(error)}.")
            if is_final(error):
                raise lost from error
            return lost, body
        return (None if answer.ok else store_error(answer)), body


def stamp_of(data: BinaryIO) -> Stamp:
    return Stamp.of(os.fstat(data.fileno()))


def digest_of(data: BinaryIO) -> str:
    """sha256 in hex, from here to the end."""
    digest = hashlib.sha256()
    while piece := data.read(PIECE):
        digest.update(piece)
    return digest.hexdigest()


def is_there(transport: Transport, entry: Entry) -> bool:
    """Whether the bucket has the file, whole, indexed or not."""
    try:
        address = transport.redirect(entry.url)
    except ApiError as error:
        if error.status in (400, 404):
            return False
        raise
    patience = transport.patience()
    while True:
        try:
            # Signed for GET, so HEAD would be refused.
            answer = transport.session.get(
                address, headers={"Range": "bytes=0-0"}, timeout=TIMEOUT, stream=True
            )
            answer.close()
        except requests.RequestException as error:
            if is_final(error) or not patience.pause():
                raise Unreachable(f"The bucket does not answer: {why(error)}.") from error
            continue
        if answer.status_code < 500:
            size = answer.headers.get("Content-Range", "").rpartition("/")[2]
            return answer.status_code == 206 and size == str(entry.stamp.size)
        if not patience.pause():
            raise store_error(answer)


def store_error(answer: requests.Response) -> StoreRefused:
    """S3's words (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""
    try:
        parts = ElementTree.fromstring(answer.content)
        said = {part.tag.rpartition("}")[2]: part.text or "" for part in parts}
    except ElementTree.ParseError:
        said = {}
    code = said.get("Code") or f"http_{answer.status_code}"
    return StoreRefused(
        f"The bucket said {code}" + (f": {said['Message']}" if said.get("Message") else "."),
        status=answer.status_code,
        code=code,
        retry_after=retry_after(answer.headers.get("Retry-After"), time.time()),
    )


def _seconds_until(expires_at: str, date: str) -> float:
    """By the server's own clock, where its answer says what that shows."""
    end = datetime.fromisoformat(expires_at).timestamp()
    try:
        return end - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return end - time.time()
