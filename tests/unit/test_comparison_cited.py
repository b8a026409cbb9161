"""The tests that docs/comparison.md and the decisions point at are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CITED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
DOCUMENTS = [path for path in (ROOT / "docs").rglob("*.md") if CITED.search(path.read_text())]


def test_the_comparison_points_at_tests() -> None:
    assert ROOT / "docs" / "comparison.md" in DOCUMENTS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_that_a_document_points_at_is_there(document: Path) -> None:
    cited = CITED.findall(document.read_text())
    missing = [
        f"{file}::{name}"
        for file, name in cited
        if not (ROOT / file).exists() or f"def {name}(" not in (ROOT / file).read_text()
    ]
    assert missing == []
