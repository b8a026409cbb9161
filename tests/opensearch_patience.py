"""How long tests wait for a real OpenSearch."""

from __future__ import annotations

import pytest

SEARCH_PATIENCE_S = 120.0
_ROOMS = ("requests", "searching", "store")


def be_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """People get an error after some seconds; a server that others keep busy may take longer."""
    for room in _ROOMS:
        name = f"chalicelib.index.opensearch.{room}.SEARCH_PATIENCE_S"
        monkeypatch.setattr(name, SEARCH_PATIENCE_S)
