"""`python -m local.opensearch`: one node in the foreground. `make opensearch` runs this."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from chalicelib.errors import IntellisenseError
from local.opensearch.node import OpenSearchNode
from local.processes import ROOT


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m local.opensearch", description="Run one OpenSearch node until Ctrl-C."
    )
    parser.add_argument("--port", type=int, default=9200, help="on 127.0.0.1 (9200; 0: any free)")
    parser.add_argument(
        "--data", type=Path, default=ROOT / ".local" / "opensearch", help="(.local/opensearch)"
    )
    parser.add_argument("--heap", default="1g", help="memory for its heap (1g)")
    options = parser.parse_args(arguments)
    # kill and docker stop end the node as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with OpenSearchNode(options.data, port=options.port, heap=options.heap) as node:
            print(f"OpenSearch is at {node.url}. Ctrl-C stops it; what is in it stays.")
            print("Beside it: make demo ARGS='--index opensearch'", flush=True)
            node.wait()
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    except IntellisenseError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
