"""A library in use: photos come, change and go, people search, and the model may change."""

from __future__ import annotations

import base64
import contextlib
import queue
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from chalicelib.errors import NotFound
from chalicelib.queries import SearchRequest
from chalicelib.records import Filters, image_id
from chalicelib.wiring import Services
from tests.integration.local_stack import BUCKET
from tests.integration.pictures import jpeg
from tests.integration.processes import eventually

STABLE = 90
"""Photos in the collection "stable" that nobody touches."""

BUSY = 12
"""Keys in "busy" that everybody does."""


@dataclass
class Place:
    """A library whose functions carry the model of `deployed`."""

    deployed: Services
    events: queue.Queue[str] = field(default_factory=queue.Queue)
    failures: list[BaseException] = field(default_factory=list)
    searches: int = 0
    _at_work: list[Services] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def deploy(self, new: Services) -> None:
        """From now on new functions have the new model; returns when the last old one ends."""
        with self._lock:
            old, self.deployed = self.deployed, new
        eventually(lambda: old in self._at_work, lambda working: not working)

    def put(self, key: str, data: bytes) -> None:
        self.deployed.bucket.put(key, data, "image/jpeg")
        self.events.put(key)

    def delete(self, key: str) -> None:
        self.deployed.bucket.delete(key)
        self.events.put(key)

    # --- what goes on in threads --------------------------------------------------------------

    def embedder(self) -> None:
        """One event, by the model that is deployed when it is taken up."""
        with contextlib.suppress(queue.Empty):
            key = self.events.get(timeout=0.05)
            with self._lock:
                services = self.deployed
                self._at_work.append(services)
            try:
                outcome = services.ingest.process([key])[key]
                assert outcome.result != "failed", outcome
            finally:
                with self._lock:
                    self._at_work.remove(services)
                self.events.task_done()

    def meddler(self) -> None:
        key = f"busy/{random.randrange(BUSY)}.jpg"
        deed = random.random()
        if deed < 0.6:
            self.put(key, b"no image" if deed < 0.1 else jpeg(random.randrange(10**6)))
        elif deed < 0.8:
            self.delete(key)
        else:
            with contextlib.suppress(NotFound):
                library = self.deployed.library
                library.delete(library.get(image_id(BUCKET, key)))
                self.events.put(key)

    def searcher(self) -> None:
        """Whatever else goes on, the photos that do not change are all found."""
        search = self.deployed.search
        stable = Filters(collection="stable")
        number = random.randrange(STABLE)
        picture = base64.b64encode(jpeg(number)).decode()
        known = image_id(BUCKET, f"stable/{number}.jpg")
        for request, total in (
            (SearchRequest(text="a red boat", filters=stable), STABLE),
            (SearchRequest(image=picture, filters=stable), STABLE),
            (SearchRequest(id=known, filters=stable), STABLE - 1),
        ):
            page = search.search(request)
            assert page.total == total
            if request.image:
                assert page.items[0].record.id == known
        everything = search.search(SearchRequest(text="green")).total
        assert everything is not None
        assert everything >= STABLE
        self.searches += 1

    # --- at rest ------------------------------------------------------------------------------

    def differences(self, services: Services) -> dict[str, object]:
        """How the index of `services` and the buckets differ; empty when each says the same."""
        objects = {o.key: o.etag for o in services.bucket.list()}
        records = [s for s in services.index.scan() if s.state != "deleted"]
        said = {s.key: s.etag for s in records}
        thumbnails = {o.key for o in services.thumbnails.list()}
        ready = [s for s in records if s.state == "ready"]
        faults = {
            "twice": len(records) - len(said),
            "otherwise": sorted(objects.items() ^ said.items()),
            "of another model": [s.key for s in records if s.model != services.clip.fingerprint],
            "no thumbnail": [s.key for s in ready if s.thumbnail_key not in thumbnails],
            "rejected": [s.key for s in records if s.state != "ready" and _good(services, s.key)],
        }
        return {name: fault for name, fault in faults.items() if fault}


def _good(services: Services, key: str) -> bool:
    """Whether the object is a picture."""
    return getattr(services.bucket.look(key, max_bytes=10**6), "data", b"") != b"no image"


@contextmanager
def in_use(place: Place) -> Iterator[None]:
    """Photos come, change and go, and people search, until all of it has been seen to."""
    stopped, quiet = threading.Event(), threading.Event()

    def over(act: Callable[[], None], end: threading.Event, pause: float) -> threading.Thread:
        def work() -> None:
            while not end.wait(pause):
                try:
                    act()
                except BaseException as error:
                    place.failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    meddlers = [over(place.meddler, quiet, 0.05) for _ in range(2)]
    others = [over(place.embedder, stopped, 0) for _ in range(2)]
    others += [over(place.searcher, stopped, 0.01) for _ in range(2)]
    try:
        yield
    finally:
        quiet.set()
        for thread in meddlers:
            thread.join()
        place.events.join()
        stopped.set()
        for thread in others:
            thread.join()
    assert place.failures == []
