"""A library as the batch job finds it, and the job as its caller sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.config import Settings
from chalicelib.storage import S3Bucket
from container_embedder import batch_job

COUNT = 12


@dataclass
class Place:
    """A library as the batch job finds it: settings in the environment, objects in a bucket."""

    settings: Settings
    capsys: pytest.CaptureFixture[str]

    @property
    def s3(self) -> Any:
        return wiring.client("s3", self.settings)

    @property
    def photos(self) -> S3Bucket:
        return S3Bucket(self.s3, self.settings.bucket)

    @property
    def thumbnails(self) -> S3Bucket:
        return S3Bucket(self.s3, self.settings.thumbnails_bucket)

    def run(self, *arguments: str | Path) -> tuple[int, Any, str]:
        """(exit status, what it answered, what it said beside)."""
        status = batch_job.main([str(a) for a in arguments])
        out, said = self.capsys.readouterr()
        lines = out.splitlines()
        assert len(lines) <= 1
        return status, json.loads(lines[0]) if lines else None, said

    def refused(self, *arguments: str | Path) -> str:
        """The one sentence with which it ends."""
        status, answer, said = self.run(*arguments)
        assert (status, answer) == (1, None)
        (line,) = said.splitlines()
        assert line.startswith("error: ")
        assert line.endswith(".")
        return line

    def folders(self) -> dict[str, int]:
        found = [listed.key.partition("/")[0] for listed in self.thumbnails.list()]
        return {folder: found.count(folder) for folder in set(found)}
