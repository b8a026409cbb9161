"""A whole library over fakes: buckets, index, ingest; and what must hold of it at rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chalicelib.index.base import Index
from chalicelib.index.memory import MemoryIndex
from chalicelib.ingest import Ingest
from chalicelib.records import STATES, Filters, ImageRecord, image_id
from tests.fakes.bucket import MemoryBucket
from tests.fakes.encoding import DIM, FakeDecoders, FakeEncoder


def _index() -> Index:
    index = MemoryIndex(dim=DIM)
    index.ensure()
    return index


@dataclass
class FakeLibrary:
    index: Index = field(default_factory=_index)
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    thumbnails: MemoryBucket = field(default_factory=lambda: MemoryBucket("thumbnails"))
    encoder: FakeEncoder = field(default_factory=FakeEncoder)
    max_bytes: int = 1000

    def ingest(self, **changes: Any) -> Ingest:
        parts: dict[str, Any] = {
            "bucket": self.bucket,
            "thumbnails": self.thumbnails,
            "index": self.index,
            "encoder": self.encoder,
            "decoders": FakeDecoders(),
            "max_bytes": self.max_bytes,
            "pixel_budget": 10_000,
            "byte_budget": 10_000,
        }
        return Ingest(**(parts | changes))

    def put(self, key: str, data: bytes = b"picture", **metadata: str) -> None:
        self.bucket.put(key, data, "image/png", metadata)

    def record(self, key: str) -> ImageRecord | None:
        found = self.index.read([image_id(self.bucket.name, key)])
        return next(iter(found.values())).record if found else None

    def differences(self) -> list[str]:
        """What is wrong, one sentence each: the index must say what the bucket says."""
        wrong = []
        records = {r.key: r for r in self.index.list(Filters(), STATES, limit=100_000).records}
        for listed in self.bucket.list():
            record = records.get(listed.key)
            if record is None or record.state == "deleted":
                wrong.append(f"{listed.key} is in the bucket, not in the index")
            elif record.etag != listed.etag:
                wrong.append(f"{listed.key} has an old record")
            elif record.state != self._state(listed.key) and "refused" not in record.reason:
                wrong.append(f"{listed.key} is {record.state}, not {self._state(listed.key)}")
            elif record.state == "ready" and not self._is_placed(record):
                wrong.append(f"{listed.key} is not where the calibration has it")
        live = [r.key for r in records.values() if r.state != "deleted"]
        there = {listed.key for listed in self.bucket.list()}
        gone = [key for key in live if key not in there]
        wrong += [f"{key} is in the index, not in the bucket" for key in gone]
        named = {r.thumbnail_key for r in records.values() if r.thumbnail_key}
        kept = set(self.thumbnails.objects)
        wrong += [f"thumbnail {key} belongs to no record" for key in sorted(kept - named)]
        wrong += [f"thumbnail {key} is named but not there" for key in sorted(named - kept)]
        return wrong

    def _is_placed(self, record: ImageRecord) -> bool:
        calibration, vector = self.encoder.calibration, self.index.vector(record.id)
        assert vector is not None
        if calibration is None:
            return record.calibration == "" and abs(np.linalg.norm(vector) - 1) < 1e-3
        length = 1 / calibration.response
        return (
            record.calibration == calibration.version
            and record.response == calibration.response
            and abs(np.linalg.norm(vector) / length - 1) < 1e-3
        )

    def _state(self, key: str) -> str:
        """What the record of an object that is there should say."""
        data = self.bucket.objects[key].data
        if key in self.bucket.archived:
            return "archived"
        bad = len(data) > self.max_bytes or data.startswith((b"BROKEN", b"POISON"))
        return "rejected" if bad else "ready"
