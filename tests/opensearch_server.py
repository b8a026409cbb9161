"""The OpenSearch that tests talk to: the one that OPENSEARCH_URL names, else one by Docker, else
one from Maven Central."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from chalicelib.errors import Transient
from local.opensearch import docker
from local.opensearch.account import node_account
from local.opensearch.distribution import prepare
from local.opensearch.node import OpenSearchNode
from models.cache import cache_folder
from tests.ports import free_port


class Given(NamedTuple):
    """Somebody else's: neither started nor stopped by us."""

    url: str


Server = Given | docker.DockerNode | OpenSearchNode


def make_ready() -> Callable[[], Server]:
    """Fetch what is needed; returns what makes the server.

    Raises IntellisenseError, saying what is missing.
    """
    if url := os.environ.get("OPENSEARCH_URL"):
        return lambda: Given(url.rstrip("/"))
    if docker.has_docker():
        try:
            docker.pull()
            return docker.DockerNode
        except Transient as error:
            print(f"{error.message} Taking OpenSearch from Maven Central.", file=sys.stderr)  # noqa: T201
    prepare(cache_folder(), node_account())
    # Killed and started again it needs its port again.
    return lambda: OpenSearchNode(port=free_port())


@contextmanager
def running(make: Callable[[], Server]) -> Iterator[Server]:
    server = make()
    if isinstance(server, Given):
        yield server
        return
    try:
        server.start()
        yield server
    finally:
        server.stop()
