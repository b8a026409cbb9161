"""A deployment in use, with each function in a process of its own and what it asks for recorded.

S3 and SQS are moto's, OpenSearch is real, and the functions have the environment of the template
but for where these are. So all that is left of the difference to AWS is who answers.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests

from chalicelib.clip import load_clip
from chalicelib.clip.named import name_of
from chalicelib.index.naming import index_name
from tests.infra import asked
from tests.infra.functions_read import (
    ROOT,
    Function,
    Running,
    base_environment,
    functions,
    jobs,
    running,
)
from tests.infra.recording import Call, recorded, variables
from tests.infra.stacks_read import Resource, Stacks
from tests.infra.template_reader import Built
from tests.unit import tiny_clip
from tests.unit.tiny_calibration import calibrated

API, SEARCH, EMBEDDER, BATCH = "api", "search", "embedder", "batch"


def kinds(stacks: Stacks) -> dict[str, Function]:
    """The product's functions: the embedder is what the queue's mapping names; of the two that
    serve routes, search is the container."""
    found: dict[str, Function] = {}
    for function in functions(stacks):
        if function.handler == "container_embedder.handler.handler":
            kind = EMBEDDER
        else:
            assert function.handler == "app.app"
            image = function.resource.properties.get("PackageType") == "Image"
            kind = SEARCH if image else API
        assert kind not in found
        found[kind] = function
    assert set(found) == {API, SEARCH, EMBEDDER}
    return found


class Played:
    """Functions that run, and what there is for them to work on."""

    def __init__(
        self, built: Built, folder: Path, model: Path, opensearch: str, issuer: str
    ) -> None:
        self.built = built
        self.stacks = built.stacks
        self.functions = kinds(built.stacks)
        self.folder = folder
        self.model = model
        self.opensearch = opensearch
        self.issuer = issuer
        self.calls = folder / "calls"
        self.calls.mkdir(parents=True)
        self._running: dict[str, Running] = {}
        self._opened = ExitStack()
        self.photos = self.functions[API].environment["IMAGES_BUCKET"]
        self.thumbnails = self.functions[API].environment["IMAGES_THUMBNAILS_BUCKET"]

    def close(self) -> None:
        self._opened.close()
        for name in (self.index, self.name_of(self.other_model)):
            requests.delete(f"{self.opensearch}/{name}", timeout=60)

    def instead(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The only settings that are not the template's: where the services answer, and where
        the model lies, which in AWS the image says."""
        told = {
            "IMAGES_ENDPOINT": self.built.endpoint,
            "IMAGES_OPENSEARCH_URL": self.opensearch,
        }
        if "IMAGES_MODEL" in environment:
            told["IMAGES_MODEL"] = name_of(load_clip(self.model))
        else:
            told["IMAGES_MODEL_FOLDER"] = str(self.model)
        if "IMAGES_TOKEN_ISSUER" in environment:
            told["IMAGES_TOKEN_ISSUER"] = self.issuer
        return told

    @functools.cached_property
    def index(self) -> str:
        return self.name_of(self.model)

    @staticmethod
    def name_of(model: Path) -> str:
        """The index of a model."""
        clip = load_clip(model)
        return index_name(clip.name, clip.fingerprint)

    @functools.cached_property
    def other_model(self) -> Path:
        return tiny_clip.build(self.folder / "other-model", seed=4242)

    # --- functions ----------------------------------------------------------------------------

    def run(self, kind: str) -> Running:
        """The process of a function, started when it is first asked for, as Lambda does."""
        if kind not in self._running:
            started = running(
                self.functions[kind],
                self.instead(self.functions[kind].environment),
                self.folder / f"{kind}.log",
                **variables(kind, self.calls),
            )
            self._running[kind] = self._opened.enter_context(started)
        return self._running[kind]

    def begin_anew(self, kind: str) -> None:
        """The next invocation finds a process that knows nothing of those before it."""
        self._running.pop(kind, None)

    def ask(self, method: str, route: str, **given: Any) -> asked.Answer:
        """By the function that serves the route."""
        kind = SEARCH if route.startswith("/search") else API
        return asked.answer(self.run(kind).invoke(asked.request(method, route, **given)))

    # --- events -------------------------------------------------------------------------------

    @property
    def mapping(self) -> Resource:
        (mapping,) = self.built.mappings()
        return mapping

    def put(self, key: str, data: bytes, **more: str) -> None:
        self.built.s3.put_object(Bucket=self.photos, Key=key, Body=data, **more)

    def remove(self, key: str) -> None:
        self.built.s3.delete_object(Bucket=self.photos, Key=key)

    def work_off(self) -> list[dict[str, Any]]:
        """What waits in the queue goes to the function that the mapping names, batch by batch;
        returns the messages."""
        seen: list[dict[str, Any]] = []
        while records := self.built.waiting(self.mapping, self.photos):
            self.deliver(records)
            seen += records
        return seen

    def deliver(self, records: list[dict[str, Any]]) -> Any:
        answer = self.run(EMBEDDER).invoke({"Records": records})
        self.built.settle(self.mapping, records, answer)
        return answer

    def refresh(self) -> None:
        """OpenSearch shows at once what was written."""
        requests.post(f"{self.opensearch}/{self.index}/_refresh", timeout=60).raise_for_status()

    # --- bulk work ----------------------------------------------------------------------------

    def job(self, *arguments: str) -> dict[str, Any]:
        """One command of the batch job, as its container runs it; returns what it answered."""
        environment = jobs(self.stacks)[0].environment
        whole = {
            **base_environment(self.stacks.region),
            **environment,
            **self.instead(environment),
            **variables(BATCH, self.calls),
        }
        done = subprocess.run(
            [sys.executable, "-m", "container_embedder.batch_job", *arguments],
            cwd=ROOT, env=whole, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def recorded(self) -> list[Call]:
        return recorded(self.calls)


@contextmanager
def played(
    stacks: Stacks, endpoint: str, opensearch: str, folder: Path, *, seed: int, issuer: str = ""
) -> Iterator[Played]:
    """`seed` makes a model of this deployment's own, and so an index of its own."""
    model = tiny_clip.build(folder / "model", seed=seed)
    calibrated(model)
    deployment = Played(Built(stacks, endpoint), folder, model, opensearch, issuer)
    try:
        yield deployment
    finally:
        deployment.close()
