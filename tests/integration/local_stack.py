"""`python -m local` as the tests run it: a process group of its own, looked at from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import requests
from botocore.config import Config

from chalicelib import wiring
from chalicelib.clip import load_clip
from chalicelib.config import Settings
from chalicelib.index.base import Summary
from chalicelib.records import image_id
from tests.integration.processes import Seen, descendants, ended, eventually
from tests.promised import Promise

ROOT = Path(__file__).parents[2]
BUCKET, THUMBNAILS = "photos", "thumbnails"


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}


def command(
    data: Path, model: Path, *arguments: str | Path, held_after: int | None = None
) -> list[str]:
    """`held_after`: so many files are loaded, and no more (`held_local.py`)."""
    program = ["local"]
    if held_after is not None:
        program = ["tests.integration.held_local", str(held_after)]
    where = ["--data", str(data), "--model", str(model)]
    return [sys.executable, "-m", *program, *where, *map(str, arguments)]


def run_local(
    data: Path, model: Path, *arguments: str | Path, opensearch: str = "", **options: Any
) -> subprocess.CompletedProcess[str]:
    """One run to its end, without the samples."""
    more, variables = _index_at(opensearch)
    return subprocess.run(
        command(data, model, "--no-samples", *more, *arguments),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=240,
        env=environment(**variables), **options,
    )  # fmt: skip


def _index_at(opensearch: str) -> tuple[list[str], dict[str, str]]:
    """(arguments, variables) of a stack with its index there; empty: in its data folder."""
    return (["--index", "opensearch"], {"OPENSEARCH_URL": opensearch}) if opensearch else ([], {})


class LocalStack:
    """A stack that runs until it is told otherwise."""

    def __init__(
        self,
        data: Path,
        model: Path,
        *arguments: str | Path,
        samples: bool = False,
        opensearch: str = "",
        held_after: int | None = None,
    ) -> None:
        self.data = data
        self.model = model
        self.opensearch = opensearch
        data.mkdir(parents=True, exist_ok=True)
        self._said = data.with_name(f"{data.name}.stderr")
        more, variables = _index_at(opensearch)
        more += [] if samples else ["--no-samples"]
        with self._said.open("w") as errors:
            self.process = subprocess.Popen(
                command(data, model, "--port", "0", *more, *arguments, held_after=held_after),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                env=environment(**variables), start_new_session=True,
            )  # fmt: skip

    # --- its life -----------------------------------------------------------------------------

    @property
    def said(self) -> str:
        """What it has written to standard error so far."""
        return self._said.read_text()

    def _announced(self) -> str:
        """Its address once it answers there; the lock of a killed one may hold another."""
        assert self.process.poll() is None, f"the stack ended:\n{self.said}"
        lock = self.data / "lock"
        url = lock.read_text() if lock.exists() else ""
        try:
            return url if url and requests.get(url + "/health", timeout=60).ok else ""
        except requests.ConnectionError:
            return ""

    @cached_property
    def url(self) -> str:
        """Waits until the stack answers."""
        return eventually(self._announced)

    def loaded(self) -> LocalStack:
        """Waits until all it was told to load is loaded."""
        assert self.url
        eventually(
            lambda: (self._announced(), self.said)[1], lambda s: "Image Intellisense is at" in s
        )
        return self

    def children(self) -> list[Seen]:
        return descendants(self.process.pid)

    def child(self, module: str) -> Seen:
        """The child that runs `module`."""
        found = [s for s in self.children() if f" {module} " in f"{s.command} "]
        assert len(found) == 1, found
        return found[0]

    def kill(self) -> None:
        """`kill -9` to the parent alone; the rest must end by itself, and does by the return."""
        children = self.children()
        self.process.kill()
        self.process.wait()
        ended(children)

    def interrupt(self) -> int:
        """Ctrl-C in its terminal: SIGINT to the whole group. Returns the exit status."""
        children = self.children()
        os.killpg(self.process.pid, signal.SIGINT)
        status = self.process.wait(timeout=240)
        ended(children)
        return status

    def at_rest(self) -> LocalStack:
        """Waits until the queue is empty and nothing is being worked on: what the worker does
        after it has written a record, such as its line in the log, is done too."""
        rest = {"waiting": 0, "in_flight": 0}
        eventually(lambda: self.get("/stats")["queue"], lambda queue: queue == rest)
        return self

    # --- HTTP ---------------------------------------------------------------------------------

    def request(self, method: str, path: str, **arguments: Any) -> requests.Response:
        given = {"allow_redirects": False, **arguments}
        answer = requests.request(method, self.url + path, timeout=60, **given)
        self._promised.hold(method, path, answer.status_code, answer.headers, answer.text)
        return answer

    @cached_property
    def _promised(self) -> Promise:
        """What it says of itself."""
        return Promise(requests.get(f"{self.url}/openapi.json", timeout=60).json())

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return _good(self.request("GET", path, params=query))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return _good(self.request("POST", path, json=body))

    def upload(self, name: str, data: bytes, *, collection: str = "uploads") -> str:
        """By a presigned place, as the page does it; returns the id."""
        file = {"name": name, "size": len(data)}
        place = self.post("/uploads", {"collection": collection, "files": [file]})["uploads"][0]
        post = place["post"]
        answer = requests.post(
            post["url"], data=post["fields"], files={"file": (name, data)}, timeout=60
        )
        assert answer.status_code == 204, answer.text
        return str(place["id"])

    def known(self, id: str) -> dict[str, Any]:
        """The image, once it has a record."""
        answer = eventually(
            lambda: self.request("GET", f"/images/{id}"), lambda a: a.status_code == 200
        )
        return _good(answer)

    def images(self, **query: Any) -> list[dict[str, Any]]:
        """The whole library, walked page by page."""
        items: list[dict[str, Any]] = []
        cursor: dict[str, Any] = {}
        while True:
            page = self.get("/images", **{"limit": 200, **query, **cursor})
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = {"cursor": page["next_cursor"]}

    def found(self, text: str, **filters: Any) -> list[str]:
        """The names that a search for `text` ranks, best first, also of what does not match."""
        body = {"text": text, "filters": filters, "limit": 200, "closest": True}
        answer = self.post("/search", body)
        return [item["name"] for item in answer["items"]]

    # --- the buckets --------------------------------------------------------------------------

    @cached_property
    def s3_url(self) -> str:
        body = {"files": [{"name": "any.png", "size": 1}]}
        url: str = self.post("/uploads", body)["uploads"][0]["post"]["url"]
        return url.rpartition("/")[0]

    @cached_property
    def s3(self) -> Any:
        return s3_client(self.s3_url)

    def put(self, key: str, data: bytes, **more: Any) -> str:
        """Straight into the bucket, as `aws s3 cp` does it; returns the id."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=data, **more)
        return image_id(BUCKET, key)

    def objects(self, bucket: str = BUCKET) -> dict[str, str]:
        """Key → etag of what the bucket lists."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        rows = [row for page in pages for row in page.get("Contents", [])]
        keys = {row["Key"]: row["ETag"].strip('"') for row in rows}
        assert len(keys) == len(rows)
        return keys

    def stored(self) -> int:
        """How many objects are on disk, running or not."""
        return len(list((self.data / "buckets" / BUCKET).glob("*/*.json")))

    def await_stored(self, count: int) -> None:
        """Waits until so many objects are on disk."""
        eventually(self.stored, lambda seen: seen >= count)

    # --- the index ----------------------------------------------------------------------------

    def records(self) -> list[Summary]:
        """Every record, tombstones left out, read past the API from the index itself."""
        return [summary for summary in self._scan() if summary.state != "deleted"]

    def _scan(self) -> Iterator[Summary]:
        settings = Settings(
            bucket=BUCKET,
            thumbnails_bucket=THUMBNAILS,
            index="opensearch" if self.opensearch else "embedded",
            index_folder=str(self.data / "index"),
            opensearch_url=self.opensearch,
            opensearch_auth="none",
        )
        index = wiring.index_of(settings, load_clip(self.model))
        try:
            yield from list(index.scan())
        finally:
            index.close()

    def differences(self) -> dict[str, Any]:
        """How index and buckets differ; empty when each says the same."""
        objects, thumbnails, records = self.objects(), self.objects(THUMBNAILS), self.records()
        said = {record.key: record.etag for record in records}
        named = {record.thumbnail_key for record in records} - {""}
        faults = {
            "twice": len(records) - len(said),
            "only in the bucket": sorted(objects.keys() - said.keys()),
            "only in the index": sorted(said.keys() - objects.keys()),
            "stale": sorted(k for k in objects.keys() & said.keys() if objects[k] != said[k]),
            "no thumbnail": sorted(named - thumbnails.keys()),
            "thumbnail of nothing": sorted(thumbnails.keys() - named),
        }
        return {name: fault for name, fault in faults.items() if fault}

    def reports(self) -> list[dict[str, Any]]:
        """What each reconcile since the data folder was made has reported, in order."""
        return [x for x in self.log("worker") if x.get("message") == "reconciled"]

    def log(self, part: str) -> list[dict[str, Any]]:
        """The lines of a log that are JSON."""
        file = self.data / "logs" / f"{part}.log"
        lines = file.read_text(errors="replace").splitlines() if file.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def s3_client(url: str) -> Any:
    return boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1",
        aws_access_key_id="local", aws_secret_access_key="local",
        config=Config(
            s3={"addressing_style": "path"}, retries={"max_attempts": 6}, max_pool_connections=16
        ),
    )  # fmt: skip


def _good(answer: requests.Response) -> dict[str, Any]:
    assert answer.status_code < 300, f"{answer.status_code}: {answer.text}"
    body: dict[str, Any] = answer.json()
    return body


@contextmanager
def running(
    data: Path,
    model: Path,
    *arguments: str | Path,
    samples: bool = False,
    opensearch: str = "",
    held_after: int | None = None,
) -> Iterator[LocalStack]:
    """A stack that is gone at the end, however the test ends. `opensearch`: the address of one,
    for its index. `held_after`: so many files are loaded, and no more."""
    stack = LocalStack(
        data, model, *arguments, samples=samples, opensearch=opensearch, held_after=held_after
    )
    try:
        yield stack
    finally:
        if stack.process.poll() is None:
            stack.interrupt()


def indexed_ids(outcomes: Sequence[dict[str, Any]]) -> list[str]:
    """The ids that a log says were embedded, once for each time."""
    return [
        x["image_id"] for x in outcomes if x.get("message") == "image" and x["result"] == "indexed"
    ]
