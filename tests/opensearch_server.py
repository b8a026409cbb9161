"""The OpenSearch that tests talk to: the one that OPENSEARCH_URL names, else one by Docker, else
one from Maven Central."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from local.opensearch import docker
from local.opensearch.account import node_account
from local.opensearch.files import prepare
from local.opensearch.node import OpenSearchNode
from models.cache import cache_folder


class Given(NamedTuple):
    """Somebody else's: neither started nor stopped by us."""

    url: str


Server = Given | docker.DockerNode | OpenSearchNode


def make_ready() -> None:
    """Fetch what is needed. Raises IntellisenseError, saying what is missing."""
    if os.environ.get("OPENSEARCH_URL"):
        return
    if docker.has_docker():
        docker.pull()
    else:
        prepare(cache_folder(), node_account())


@contextmanager
def running() -> Iterator[Server]:
    if url := os.environ.get("OPENSEARCH_URL"):
        yield Given(url.rstrip("/"))
        return
    node = docker.DockerNode() if docker.has_docker() else OpenSearchNode()
    try:
        node.start()
        yield node
    finally:
        node.stop()
