"""What tests with a real OpenSearch begin with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.opensearch_index import Place, place_on
from tests.integration.proxy import Proxy, proxy_before
from tests.opensearch_server import Server


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
