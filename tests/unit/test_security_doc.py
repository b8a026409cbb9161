"""docs/security.md names a test for each of its claims: each of them is there."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))
RISKS = {
    1: "Broken object level authorization",
    2: "Broken authentication",
    3: "Broken object property level authorization",
    4: "Unrestricted resource consumption",
    5: "Broken function level authorization",
    6: "Unrestricted access to sensitive business flows",
    7: "Server side request forgery",
    8: "Security misconfiguration",
    9: "Improper inventory management",
    10: "Unsafe consumption of APIs",
}
"""https://owasp.org/API-Security/editions/2023/en/0x11-t10/"""


@functools.cache
def defined_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_each_test_that_is_named_is_there(file: str, name: str) -> None:
    assert name.startswith("test_")
    assert name in defined_in(file)


def test_every_mention_of_a_test_names_one_whole() -> None:
    mentions = re.findall(r"`(tests/[^`]*)`", TEXT)
    assert len(mentions) >= len(NAMED) > 50
    assert {f"{file}::{name}" for file, name in NAMED} == set(mentions)


@pytest.mark.parametrize("number", RISKS)
def test_each_risk_of_the_ten_has_its_tests_and_says_what_is_left(number: int) -> None:
    heading = f"### API{number} {RISKS[number]}\n"
    assert heading in TEXT
    section = TEXT.partition(heading)[2].partition("\n### ")[0]
    assert "::test_" in section
    assert "*Yours:*" in section


def test_there_are_ten_and_no_more() -> None:
    assert re.findall(r"^### API(\d+) ", TEXT, re.MULTILINE) == [str(n) for n in RISKS]
