"""One real OpenSearch node on this machine, for tests and developers.

`python -m local.opensearch` runs one until Ctrl-C; `local.opensearch.node.OpenSearchNode` is the
same for tests. Server and k-NN plugin come from Maven Central, as in `files.py`.
"""
