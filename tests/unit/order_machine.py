"""A state machine of all that may happen between a bucket and its index (`test_order_machine.py`).

Workers take messages and go through the three steps of ingest, one step at a time. Between any two
of them the bucket changes, other workers write, messages are doubled and overtaken, S3 fails,
workers die (their messages come back), reconcile runs, days pass. At rest the index must say what
the bucket says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote_plus

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chalicelib.events import object_changes
from chalicelib.index.base import Index, Write, WriteResult
from chalicelib.ingest import Ingest
from chalicelib.reconcile import TOMBSTONES_KEPT, Report, reconcile
from chalicelib.records import image_id
from chalicelib.verdicts import Attempt, Outcome, made_with
from tests.fakes.bucket import Marker, MemoryBucket
from tests.fakes.encoding import FakeCalibration, FakeEncoder
from tests.fakes.library import FakeLibrary

KEYS = ("a.png", "with space + 100%/ü.png", "folder/", "../up.png")
CONTENTS = (
    b"one",
    b"one",
    b"second",
    b"BROKEN",
    b"POISON",
    b"",
    b"far more bytes than are allowed",
)
STEPS = ("record", "object", "write")


class Killed(BaseException):
    """The worker's process has ended, in mid-call."""


class Fuse:
    """Ends the worker before or after one of its next calls, once set."""

    def __init__(self) -> None:
        self.left: int | None = None

    def burn(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed


class FusedBucket(MemoryBucket):
    def __init__(self, name: str, fuse: Fuse) -> None:
        super().__init__(name)
        self._fuse = fuse

    def put(self, *arguments: Any, **more: Any) -> None:
        self._fuse.burn()
        super().put(*arguments, **more)
        self._fuse.burn()

    def delete(self, key: str) -> None:
        self._fuse.burn()
        super().delete(key)
        self._fuse.burn()

    def age(self, days: int) -> None:
        for key, stored in self.objects.items():
            earlier = stored.uploaded_at - timedelta(days=days)
            self.objects[key] = replace(stored, uploaded_at=earlier)


class FusedIndex:
    """The index, its writes fused."""

    def __init__(self, index: Index, fuse: Fuse) -> None:
        self._index = index
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def write(self, writes: list[Write]) -> list[WriteResult]:
        self._fuse.burn()
        results = self._index.write(writes)
        self._fuse.burn()
        return results


class Noted:
    """In place of an ingest: what a reconcile would look at."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def stream(self, keys: Iterable[str], *, batch: int) -> Generator[Outcome, None, None]:
        self.keys = list(keys)
        yield from ()


@dataclass(eq=False)
class Worker:
    """`messages` are in its hands until it is done with them; a reconcile has none."""

    keys: list[str]
    encoder: FakeEncoder
    """That of its version of the product, with a calibration."""
    messages: list[str] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    step: int = 0


def message(key: str, name: str, shape: str) -> str:
    about = {"bucket": {"name": "photos"}, "object": {"key": key}}
    if shape == "eventbridge":
        return json.dumps({"detail-type": name, "detail": about})
    about["object"]["key"] = quote_plus(key)
    body = json.dumps({"Records": [{"eventName": name, "s3": about}]})
    return json.dumps({"Type": "Notification", "Message": body}) if shape == "topic" else body


keys, contents = st.sampled_from(KEYS), st.sampled_from(CONTENTS)
shapes = st.sampled_from(["s3", "eventbridge", "topic"])
chances = st.integers(0, 1000)
changes = st.sampled_from(
    """put, put, put, delete, delete, expire, delete by the API, undelete, delete the oldest,
    delete the newest, archive, restore""".replace("\n    ", " ").split(", ")
)
accidents = st.sampled_from(["double", "die", "die in mid-write", "S3 does not answer"])
repairs = st.sampled_from(
    ["compare now, repair later", "all at once", "purge", "purge", "days pass", "recalibrate"]
)


class OrderMachine(RuleBasedStateMachine):
    """`run` in `test_order_machine.py` gives it an index, empty before and after each history."""

    index: Index
    refresh: Callable[[], object] = staticmethod(lambda: None)
    """Lets listings see what was written."""
    steps = STEPS
    only = ""
    """The one key of all histories, where it is given: what is rare is then less so."""
    recalibrates = True
    """Whether calibrations change, in some of them."""
    histories = 0
    """How many have been played to their end."""
    clean = True
    """Whether the one before left nothing behind."""

    def __init__(self) -> None:
        super().__init__()
        if not self.clean:
            self.wipe()
        type(self).clean = False
        self.fuse = Fuse()
        self.library = FakeLibrary(
            index=FusedIndex(self.index, self.fuse),  # type: ignore[arg-type]
            bucket=MemoryBucket(versioned=True),
            thumbnails=FusedBucket("thumbnails", self.fuse),
            max_bytes=20,
        )
        self.library.encoder.calibration = FakeCalibration("1", response=0.5)
        self.now = datetime.now(timezone.utc)
        self.queue: list[str] = []
        self.workers: list[Worker] = []
        self.recalibrated = False
        """Whether records of an older calibration may be left, until reconcile places them."""
        self.orphaned = False
        """Whether a worker died in mid-write, or S3 did not answer then: thumbnails of nothing may
        be left, until reconcile sweeps them."""

    def ingest(self, encoder: FakeEncoder | None = None) -> Ingest:
        encoder = encoder or self.library.encoder
        return self.library.ingest(clock=lambda: self.now, encoder=encoder)

    def notify(self, key: str, name: str, shape: str) -> None:
        self.queue.append(message(key, name, shape))

    # --- the bucket ---------------------------------------------------------------------------

    @rule(key=keys, what=changes, data=contents, shape=shapes)
    def change(self, key: str, what: str, data: bytes, shape: str) -> None:
        bucket, key = self.library.bucket, self.only or key
        held = bucket.versions.get(key, [])
        if what == "put":
            self.library.put(key, data)
            self.notify(key, "ObjectCreated:Put", shape)
        elif what in ("delete", "expire", "delete by the API"):
            bucket.delete(key)
            kind = "LifecycleExpiration" if what == "expire" else "ObjectRemoved"
            self.notify(key, f"{kind}:DeleteMarkerCreated", shape)
            if what == "delete by the API":
                self.ingest().forget(key)
        elif what == "undelete" and held and isinstance(held[-1], Marker):
            bucket.delete_version(key, held[-1].version_id)
            self.notify(key, "ObjectRemoved:Delete", shape)
        elif what in ("delete the oldest", "delete the newest") and held:
            bucket.delete_version(key, held[0 if "oldest" in what else -1].version_id)
            self.notify(key, "ObjectRemoved:Delete", shape)
        elif what == "archive" and key in {listed.key for listed in bucket.list()}:
            bucket.archived.add(key)
            self.notify(key, "LifecycleTransition", shape)
        elif what == "restore" and key in bucket.archived:
            bucket.archived.discard(key)
            self.notify(key, "ObjectRestore:Completed", shape)

    # --- the workers --------------------------------------------------------------------------

    @precondition(lambda self: self.queue)
    @rule(chance=chances, most=st.integers(1, 3), steps=st.sampled_from([2, 1, 0, 3, 2]))
    def begin(self, chance: int, most: int, steps: int) -> None:
        """Takes messages in any order, and goes so many steps."""
        taken = [
            self.queue.pop((chance + n) % len(self.queue))
            for n in range(min(most, len(self.queue)))
        ]
        found = dict.fromkeys(change.key for body in taken for change in object_changes(body))
        worker = Worker(list(found), self.library.encoder, taken)
        self.workers.append(worker)
        for _ in range(steps):
            self.take_step(worker)

    @precondition(lambda self: self.workers)
    @rule(chance=chances, end=st.booleans())
    def advance(self, chance: int, end: bool) -> None:
        """By one step, or to the end."""
        worker = self.workers[chance % len(self.workers)]
        self.take_step(worker)
        if end:
            self.complete(worker)

    @rule(chance=chances, what=accidents)
    def accident(self, chance: int, what: str) -> None:
        if what == "double" and self.queue:
            self.queue.append(self.queue[chance % len(self.queue)])
        if not self.workers:
            return
        worker = self.workers[chance % len(self.workers)]
        if what == "S3 does not answer":
            self.orphaned |= worker.step == 2
            self.take_step(worker, down=True)
        elif what == "die":
            self.die(worker)
        elif what == "die in mid-write":
            while worker.step < 2:
                self.take_step(worker)
            self.fuse.left = chance % 7
            try:
                self.take_step(worker)
            except Killed:
                self.orphaned = True
                self.die(worker)
            finally:
                self.fuse.left = None

    def take_step(self, worker: Worker, *, down: bool = False) -> None:
        """`down`: S3 does not answer meanwhile."""
        ingest = self.ingest(worker.encoder)
        if not worker.attempts:
            worker.attempts = [Attempt(key, image_id("photos", key)) for key in worker.keys]
        name = self.steps[worker.step]
        self.library.bucket.down = self.library.thumbnails.down = down
        try:
            if name == "record":
                ingest.read_records(worker.attempts)
            elif name == "object":
                ingest.read_objects(worker.attempts)
            else:
                ingest.write(worker.attempts)
        finally:
            self.library.bucket.down = self.library.thumbnails.down = False
        worker.step += 1
        if name == "write":
            self.acknowledge(worker)

    def acknowledge(self, worker: Worker) -> None:
        """As `Ingest.process` and the handler: what lost its write begins anew, what failed comes
        back, the rest is done."""
        failed = {a.key for a in worker.attempts if a.outcome and a.outcome.result == "failed"}
        again = [a.key for a in worker.attempts if a.again]
        assert all(a.again or a.outcome for a in worker.attempts)
        about = {m: {change.key for change in object_changes(m)} for m in worker.messages}
        self.queue += [m for m in worker.messages if about[m] & failed]
        worker.messages = [m for m in worker.messages if not about[m] & failed]
        worker.keys, worker.attempts, worker.step = again, [], 0
        if not again:
            self.workers.remove(worker)

    def complete(self, worker: Worker) -> None:
        while worker in self.workers:
            self.take_step(worker)

    def die(self, worker: Worker) -> None:
        self.workers.remove(worker)
        self.queue += worker.messages

    # --- the repair, and time -----------------------------------------------------------------

    @rule(what=repairs)
    def repair(self, what: str) -> None:
        if what == "days pass":
            return self.let_days_pass()
        if what == "recalibrate":
            return self.recalibrate() if self.recalibrates else None
        self.refresh()
        if what == "purge":
            self.library.index.purge(self.now - TOMBSTONES_KEPT)
        elif what == "compare now, repair later":
            # Not told again when it dies.
            noted = Noted()
            self.reconcile(noted)
            if noted.keys:
                self.workers.append(Worker(noted.keys, self.library.encoder))
        else:
            self.reconcile(self.ingest())
        return None

    def reconcile(self, ingest: Ingest | Noted) -> Report:
        self.refresh()
        return reconcile(
            bucket=self.library.bucket,
            thumbnails=self.library.thumbnails,
            index=self.library.index,
            ingest=ingest,  # type: ignore[arg-type]
            now=made_with(self.library.encoder),
        )

    def recalibrate(self) -> None:
        """Workers that live go on with what they have, and may write last."""
        assert self.library.encoder.calibration
        version = int(self.library.encoder.calibration.version) + 1
        self.library.encoder = FakeEncoder()
        self.library.encoder.calibration = FakeCalibration(str(version), response=0.5**version)
        self.recalibrated = True

    def let_days_pass(self) -> None:
        """No worker lives so long. Tombstones and thumbnails of nothing are old enough to go."""
        for worker in list(self.workers):
            self.die(worker)
        self.now += timedelta(days=3)
        self.library.thumbnails.age(3)  # type: ignore[attr-defined]
        self.repair("purge")

    # --- what must hold -----------------------------------------------------------------------

    @invariant()
    def every_thumbnail_that_is_named_is_there(self) -> None:
        held = self.library.index.read([image_id("photos", key) for key in KEYS])
        named = {v.record.thumbnail_key for v in held.values()} - {""}
        assert named <= set(self.library.thumbnails.objects)

    def teardown(self) -> None:
        """Comes to rest, with the slowest workers last, and compares."""
        slow = list(self.workers)
        self.deliver()
        for worker in slow:
            self.complete(worker)
        self.deliver()
        self.compare()
        self.clear()
        type(self).histories += 1
        type(self).clean = True

    def deliver(self) -> None:
        """Every message, until it is done with."""
        while self.queue:
            self.begin(0, len(self.queue), 0)
            self.complete(self.workers[-1])

    def compare(self) -> None:
        self.refresh()
        if self.recalibrated:
            self.reconcile(self.ingest())
            self.refresh()
        orphans = [w for w in self.library.differences() if "belongs to no record" in w]
        if self.orphaned:
            self.library.thumbnails.age(2)  # type: ignore[attr-defined]
            assert self.reconcile(Noted()).orphans == len(orphans)
        wrong = self.library.differences()
        assert not wrong, wrong
        nothing = Noted()
        self.reconcile(nothing)
        assert nothing.keys == []

    def clear(self) -> None:
        """What is deleted in the end leaves nothing at all, once its tombstones are purged."""
        for key in KEYS:
            self.library.bucket.delete(key)
            self.notify(key, "ObjectRemoved:Delete", "s3")
        self.deliver()
        assert self.library.thumbnails.objects == {}
        self.refresh()
        self.library.index.purge(self.now + timedelta(days=1))
        self.refresh()
        assert list(self.library.index.scan()) == []

    def wipe(self) -> None:
        """After a history that ended badly: its repetitions must find what it found."""
        self.refresh()
        held = self.index.read([image_id("photos", key) for key in KEYS])
        gone = [
            Write(replace(v.record, state="deleted", thumbnail_key=""), v.version)
            for v in held.values()
        ]
        assert set(self.index.write(gone)) <= {"written"}
        self.refresh()
        self.index.purge(datetime(9999, 1, 1, tzinfo=timezone.utc))
        self.refresh()
