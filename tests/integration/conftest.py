"""What tests with a real OpenSearch begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.client_runs import Machine, Way, way_to
from tests.integration.local_stack import LocalStack, running
from tests.integration.opensearch_index import Place, place_on
from tests.integration.pictures import plain
from tests.integration.proxy import Proxy, proxy_before
from tests.opensearch_patience import be_patient
from tests.opensearch_server import Server


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)


@pytest.fixture
def place(opensearch_node: Server) -> Iterator[Place]:
    """A name for an index of the test's own."""
    with place_on(opensearch_node.url) as place:
        yield place


@pytest.fixture
def proxy(opensearch_node: Server) -> Iterator[Proxy]:
    """On the way to the server, where faults are played."""
    with proxy_before(opensearch_node.url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def open_stack(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack without sign-in for the client's tests, each in a collection of its own."""
    with running(tmp_path_factory.mktemp("open") / "data", tiny) as stack:
        yield stack


@pytest.fixture
def machine(open_stack: LocalStack, tmp_path: Path) -> Machine:
    """A user of the client who has never used it."""
    return Machine(tmp_path / "state", open_stack.url)


@pytest.fixture
def way(open_stack: LocalStack) -> Iterator[Way]:
    with way_to(open_stack) as way:
        yield way


@pytest.fixture(scope="session")
def contract_stack(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack without sign-in for those who ask it anything at all: nobody else's is in it."""
    with running(tmp_path_factory.mktemp("contract") / "data", tiny, "--no-ocr") as stack:
        for number, colour in enumerate(("red", "green", "blue", "white", "black") * 4):
            stack.put(f"colours/{colour}-{number}.jpg", plain(colour, number))
        yield stack
