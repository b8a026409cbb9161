"""What tests of several kinds share: the starter model, the sample photos, a running stack."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import boto3
import pytest
import requests
from hypothesis import settings
from moto.server import ThreadedMotoServer

from chalicelib.errors import IntellisenseError
from local.samples import sample_photos
from models.cache import cache_folder
from models.starter import build_starter
from tests import needs, opensearch_server, versitygw_server
from tests.hostile.corpora import corpora as odd_pictures
from tests.integration.local_stack import LocalStack, running
from tests.unit import tiny_clip

Made = TypeVar("Made")

# A shell makes what it runs in the background deaf to Ctrl-C, and with it all that this starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("nightly", max_examples=2_000)
if profile := os.environ.get("HYPOTHESIS_PROFILE"):
    settings.load_profile(profile)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests that share a server run in one worker, so that it is started once."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "opensearch_node" in fixtures or _chooses(item, "opensearch"):
            item.add_marker(pytest.mark.xdist_group("opensearch"))
        elif "gateway" in fixtures:
            item.add_marker(pytest.mark.xdist_group("gateway"))
        elif "stack" in fixtures:
            item.add_marker(pytest.mark.xdist_group("stack"))


def _chooses(item: pytest.Item, kind: str) -> bool:
    """Whether one of the item's parameters is `kind`, as of a fixture that asks for the node."""
    call = getattr(item, "callspec", None)
    return call is not None and any(isinstance(p, str) and p == kind for p in call.params.values())


@pytest.fixture(autouse=True)
def _own_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 keeps the credentials that the first client of a process found."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """One worker at a time makes what all of them use."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def starter() -> Path:
    """The folder of the starter model: the one that INTELLISENSE_STARTER names, else built."""
    if named := os.environ.get("INTELLISENSE_STARTER"):
        return Path(named)
    cache = cache_folder()
    with _alone(cache):
        return build_starter(cache / "models" / "starter", cache)


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of sample photos."""
    cache = cache_folder()
    with _alone(cache):
        return sample_photos(cache)


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of odd and broken pictures from other projects' tests."""
    cache = cache_folder()
    with _alone(cache):
        return odd_pictures(cache)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that knows six colours and costs nothing."""
    return tiny_clip.build(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def stack(
    starter: Path, samples: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalStack]:
    """The stack with the sample photos in it, shared: what a test adds goes into a collection of
    its own, and the samples stay as they are. `url` is of page and API, `s3_url` of the bucket."""
    with running(tmp_path_factory.mktemp("stack") / "data", starter, samples=True) as stack:
        yield stack.loaded()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of moto's S3 and SQS, empty, and one module's own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    # What moto holds is its process', not its server's: another module's is still there.
    requests.post(f"{address}/moto-api/reset", timeout=30).raise_for_status()
    yield address
    server.stop()


def _ready(make_ready: Callable[[], Made]) -> Made:
    """What `make_ready` returns, which one process at a time may fetch or build; where it cannot be
    had the test is left out, under CI it fails."""
    try:
        with _alone(cache_folder()):
            return make_ready()
    except IntellisenseError as error:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say(error.message)


@pytest.fixture(scope="session")
def opensearch_node() -> Iterator[opensearch_server.Server]:
    """A real OpenSearch with the k-NN plugin, at `url`, shared: a test makes indexes of its own
    and removes them. One that is ours can be killed and started again."""
    with opensearch_server.running(_ready(opensearch_server.make_ready)) as node:
        yield node


@pytest.fixture(scope="session")
def gateway() -> Iterator[versitygw_server.Gateway]:
    """An S3 server that holds form uploads to their policies, shared: a test makes buckets of its
    own."""
    with versitygw_server.running(_ready(versitygw_server.make_ready)) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def chromium() -> needs.Chromium:
    """The browser and its driver."""
    found = needs.chromium()
    if found is None:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say(needs.GET_CHROMIUM)
    return found
