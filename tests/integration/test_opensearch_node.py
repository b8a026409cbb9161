"""The OpenSearch server that tests and `make opensearch` run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.opensearch.node import OpenSearchNode
from tests.integration.local_stack import ROOT, environment
from tests.integration.processes import descendants, ended
from tests.opensearch_server import Given, Server

INDEX = "test-of-the-node"


@pytest.fixture
def index(opensearch_node: Server) -> Iterator[str]:
    """The address of an index with one vector field."""
    address = f"{opensearch_node.url}/{INDEX}"
    requests.delete(address, timeout=60)
    vector = {
        "type": "knn_vector",
        "dimension": 2,
        "method": {"name": "hnsw", "engine": "lucene", "space_type": "innerproduct"},
    }
    body = {
        "settings": {"index.knn": True, "number_of_replicas": 0},
        "mappings": {"properties": {"vector": vector}},
    }
    made = requests.put(address, json=body, timeout=60)
    assert made.ok, made.text
    yield address
    requests.delete(address, timeout=60)


def found(index: str) -> list[str]:
    query = {"query": {"knn": {"vector": {"vector": [1, 0], "k": 2}}}}
    answer = requests.post(f"{index}/_search", json=query, timeout=60)
    assert answer.ok, answer.text
    return [hit["_id"] for hit in answer.json()["hits"]["hits"]]


def put(index: str, id: str, *vector: float) -> None:
    answer = requests.put(f"{index}/_doc/{id}?refresh=true", json={"vector": vector}, timeout=60)
    assert answer.ok, answer.text


def test_it_has_the_knn_plugin_and_finds_the_nearest(opensearch_node: Server, index: str) -> None:
    plugins = requests.get(f"{opensearch_node.url}/_cat/plugins", timeout=60)
    assert "opensearch-knn" in plugins.text
    put(index, "far", 0, 1)
    put(index, "near", 1, 0)
    assert found(index) == ["near", "far"]


def test_it_makes_no_index_unasked(opensearch_node: Server) -> None:
    if isinstance(opensearch_node, Given):
        pytest.skip("somebody else's server has settings of its own")
    answer = requests.put(f"{opensearch_node.url}/nobody-made-it/_doc/1", json={}, timeout=60)
    assert answer.status_code == 404


def test_what_was_written_outlives_a_kill(opensearch_node: Server, index: str) -> None:
    if isinstance(opensearch_node, Given):
        pytest.skip("somebody else's server is not ours to kill")
    put(index, "kept", 1, 0)
    before = opensearch_node.url
    opensearch_node.kill()
    with pytest.raises(requests.ConnectionError):
        requests.get(before, timeout=10)
    opensearch_node.start()
    assert opensearch_node.url == before
    assert found(index) == ["kept"]


STARTER = """
import json, signal
from local.opensearch.node import OpenSearchNode
node = OpenSearchNode()
node.start()
print(json.dumps({"url": node.url, "scratch": str(node.scratch)}), flush=True)
signal.pause()
"""


def test_the_node_ends_when_its_starter_is_killed(opensearch_node: Server) -> None:
    if not isinstance(opensearch_node, OpenSearchNode):
        pytest.skip("only our own node is bound to its starter")
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True, env=environment(),
        cwd=ROOT,
    )  # fmt: skip
    with starter:
        assert starter.stdout
        seen = json.loads(starter.stdout.readline())
        assert requests.get(seen["url"], timeout=60).ok
        children = descendants(starter.pid)
        assert any("org.opensearch.bootstrap.OpenSearch" in c.command for c in children)
        os.kill(starter.pid, signal.SIGKILL)
    ended(children)
    assert not Path(seen["scratch"]).exists(), "its temporary files stay behind"
