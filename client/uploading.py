"""Many files, several at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from client.errors import ApiError, ClientError, SignInNeeded, Stopped, Unreachable
from client.journal import Entry, Journal, Stamp
from client.progress import Progress
from client.reports import Failed, Report
from client.sending import Outcome, Sender, is_there
from client.transport import Transport

IDS_A_REQUEST = 100
"""How many `GET /images?ids=` takes."""

GLANCE = 0.2
"""Seconds between two looks at whether somebody interrupts."""


FIRST_LOOK, LAST_LOOK = 0.25, 3.0
"""Seconds between two looks at what is indexed."""

GIVE_UP = 900.0
"""Seconds in which nothing was indexed: as long as five tries of one message may take is longer
(docs/operations.md), but then somebody should look."""


@dataclass(slots=True)
class Known:
    """What is to be done: files that are there `already`, the image of each, and files `to_send`,
    with the bytes of each."""

    already: dict[Path, Entry] = field(default_factory=dict)
    to_send: dict[Path, int] = field(default_factory=dict)
    failed: list[Failed] = field(default_factory=list)


class Upload:
    """One run. `stop` of the transport ends it: what is under way breaks off."""

    def __init__(
        self,
        transport: Transport,
        journal: Journal,
        *,
        collection: str,
        jobs: int,
        progress: Progress,
    ) -> None:
        self._transport = transport
        self._journal = journal
        self._collection = collection
        self._jobs = jobs
        self._progress = progress
        self._halted = threading.Event()
        self._lock = threading.Lock()
        self.report = Report()

    def look(self, files: Sequence[Path]) -> Known:
        """What is to be done, without doing it. A file is there already where it has size and time
        of one that was sent, and the image is there still."""
        known, claimed = Known(), {}
        for path in files:
            try:
                stamp = Stamp.of(path.stat())
            except OSError as error:
                known.failed.append(_failed(path, error))
                continue
            if stamp.size == 0:
                known.failed.append(Failed(path, "empty", "The file is empty."))
                continue
            known.to_send[path] = stamp.size
            entry = self._journal.of(path)
            if entry and entry.state == "sent" and entry.stamp == stamp:
                claimed[path] = entry
        for path, entry in self._there(claimed):
            known.already[path] = entry
            del known.to_send[path]
        return known

    def _there(self, claimed: dict[Path, Entry]) -> Iterator[tuple[Path, Entry]]:
        ids = {entry.id for entry in claimed.values()}
        indexed = {image["id"] for image in indexed_images(self._transport, sorted(ids))}
        # What is not indexed yet is in the bucket all the same.
        late = {path: entry for path, entry in claimed.items() if entry.id not in indexed}
        with ThreadPoolExecutor(self._jobs) as pool:
            there = pool.map(lambda entry: is_there(self._transport, entry), late.values())
            found = dict(zip(late, there, strict=True))
        yield from (item for item in claimed.items() if found.get(item[0], True))

    def run(self, files: Sequence[Path]) -> Report:
        """Raises nothing of what may befall a file: the report has it."""
        begun = time.monotonic()
        report = self.report
        try:
            known = self.look(files)
            report.failed += known.failed
            sizes = [entry.stamp.size for entry in known.already.values()]
            sizes += known.to_send.values()
            self._progress.begin(len(sizes), sum(sizes))
            for path, entry in known.already.items():
                report.already += 1
                report.ids[path] = entry.id
                self._progress.done(skipped=entry.stamp.size)
            self._send_all(list(known.to_send))
        except KeyboardInterrupt:
            self._transport.stop.set()
            report.interrupted = True
        finally:
            report.seconds = time.monotonic() - begun
        return report

    def _send_all(self, files: list[Path]) -> None:
        sender = Sender(self._transport, self._journal, self._collection, self._progress.sent)
        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="upload")
        waiting: set[Future[None]] = set()
        try:
            waiting = {pool.submit(self._one, sender, path) for path in files}
            while waiting:
                done, waiting = wait(waiting, timeout=GLANCE)
                for future in done:
                    future.result()
        except KeyboardInterrupt:
            self._transport.stop.set()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            report = self.report
            accounted = {*report.ids, *(f.path for f in report.failed)}
            report.not_tried = [path for path in files if path not in accounted]

    def _one(self, sender: Sender, path: Path) -> None:
        if self._halted.is_set() or self._transport.stop.is_set():
            return
        try:
            outcome = sender.send(path)
        except Stopped:
            return
        except (ClientError, OSError) as error:
            if _meets_all(error):
                self._halt(error)
            else:
                self._fail(_failed(path, error))
        else:
            self._note(path, outcome)

    def _note(self, path: Path, outcome: Outcome) -> None:
        with self._lock:
            report = self.report
            report.ids[path] = outcome.id
            if outcome.how == "sent":
                report.sent += 1
                report.bytes += outcome.size
            else:
                report.already += 1
        self._progress.done(skipped=0 if outcome.how == "sent" else outcome.size)
        if outcome.changed:
            told = "It was changed while it was sent; run this again to send it as it is now."
            self._fail(Failed(path, "file_changed", told))

    def _fail(self, failed: Failed) -> None:
        with self._lock:
            self.report.failed.append(failed)
        self._progress.say(f"{failed.path.name!r}: {failed.reason}")

    def _halt(self, error: Exception) -> None:
        with self._lock:
            self.report.stopped_by = self.report.stopped_by or str(error)
        self._halted.set()


def _meets_all(error: Exception) -> bool:
    """Whether it is of no use to try the next file."""
    if isinstance(error, ApiError):
        return error.stops_all
    return isinstance(error, (Unreachable, SignInNeeded))


def _failed(path: Path, error: Exception) -> Failed:
    if isinstance(error, ClientError):
        return Failed(path, error.code, error.message)
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Failed(path, "unreadable", f"The file cannot be read: {reason}.")


def indexed_images(transport: Transport, ids: Sequence[str]) -> Iterator[dict[str, object]]:
    """Those of `ids` that are indexed, in any state but deleted."""
    for start in range(0, len(ids), IDS_A_REQUEST):
        some = ",".join(ids[start : start + IDS_A_REQUEST])
        yield from transport.get("/images", ids=some)["items"]


def wait_indexed(transport: Transport, report: Report, progress: Progress) -> None:
    """Until each of `report.ids` can be found or is rejected, which goes into the report."""
    report.ready = 0
    waiting = {image: path for path, image in report.ids.items()}
    progress.say(f"Waiting until {len(waiting)} images can be found")
    begun = time.monotonic()
    try:
        _wait(transport, report, waiting)
    except KeyboardInterrupt:
        transport.stop.set()
        report.interrupted = True
    finally:
        report.seconds += time.monotonic() - begun


def _wait(transport: Transport, report: Report, waiting: dict[str, Path]) -> None:
    pause, since = FIRST_LOOK, time.monotonic()
    while waiting:
        before = len(waiting)
        for image in indexed_images(transport, sorted(waiting)):
            path = waiting.pop(str(image["id"]))
            if image["state"] == "ready":
                report.ready = (report.ready or 0) + 1
            else:
                report.failed.append(Failed(path, str(image["state"]), str(image["reason"])))
        if len(waiting) < before:
            pause, since = FIRST_LOOK, time.monotonic()
        elif time.monotonic() - since > GIVE_UP:
            told = "It is not indexed yet; its bytes are safe in the bucket."
            report.failed += [Failed(path, "not_indexed", told) for path in waiting.values()]
            return
        if waiting:
            time.sleep(pause)
        pause = min(LAST_LOOK, pause * 1.5)
