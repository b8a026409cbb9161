"""The codes of errors: listed once, told in the docs, and no others are ever given."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib import codes, errors
from chalicelib.codes import CODES

ROOT = Path(__file__).resolve().parents[2]

NEVER_ANSWERED = {"kept_changing", "index_refused"}
"""Of the embedder's log: no route gives them."""


def classes(of: type[errors.IntellisenseError]) -> Iterator[type[errors.IntellisenseError]]:
    yield of
    for below in of.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from classes(below)


def test_every_kind_of_error_has_a_listed_code_of_its_status() -> None:
    kinds = list(classes(errors.IntellisenseError))
    assert len(kinds) > 15
    for kind in kinds:
        if kind in (errors.Permanent, errors.Transient):
            continue
        listed = CODES[kind.default_code]
        assert listed.status == kind.status, kind.__name__


def raised() -> set[str]:
    """Every code that the source gives an error beside its kind's."""
    found = set()
    for path in (ROOT / "chalicelib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                for given in node.keywords:
                    if given.arg == "code" and isinstance(given.value, ast.Constant):
                        found.add(given.value.value)
    return found


def test_every_code_that_the_source_names_is_listed() -> None:
    assert {"invalid_cursor", "token_expired"} < raised()
    assert raised() - NEVER_ANSWERED - CODES.keys() == set()
    assert raised() > NEVER_ANSWERED, "one of these is not raised any more"


def test_what_api_gateway_says_by_itself_has_listed_codes() -> None:
    source = (ROOT / "infra" / "parts" / "rest_api.py").read_text()
    said = re.findall(r'"[A-Z0-9_]+": \((\d+|None), "(\w+)"', source)
    assert len(said) > 5
    for status, code in said:
        assert code in CODES
        assert status == "None" or CODES[code].status == int(status)


def documented() -> dict[str, int]:
    """Code → status, of the table in docs/api.md."""
    text = (ROOT / "docs" / "api.md").read_text().partition("## Errors")[2].partition("\n## ")[0]
    found: dict[str, int] = {}
    for line in text.splitlines():
        if row := re.match(r"\| (\d{3}) \| (.*?) \| .+ \|$", line):
            for code in re.findall(r"`(\w+)`", row[2]):
                assert code not in found, f"{code} stands there twice"
                found[code] = int(row[1])
    return found


def test_the_docs_list_the_same_codes_with_the_same_statuses() -> None:
    assert documented() == {code: said.status for code, said in CODES.items()}


@pytest.mark.parametrize("status", sorted({said.status for said in CODES.values()}))
def test_the_codes_of_a_status_are_those_that_are_listed_with_it(status: int) -> None:
    assert {c for c, s in CODES.items() if s.status == status} == set(codes.of_status(status))
