"""The index of a cluster: records and vectors in OpenSearch, approximate search by HNSW."""

from chalicelib.index.opensearch.client import Client
from chalicelib.index.opensearch.schema import Shape
from chalicelib.index.opensearch.shelf import OpenSearchShelf
from chalicelib.index.opensearch.store import OpenSearchIndex

__all__ = ["Client", "OpenSearchIndex", "OpenSearchShelf", "Shape"]
