"""Cursors: what comes back must be what was given, or be refused."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import cursors
from chalicelib.errors import InvalidRequest
from tests.unit.sentences import faults

_PARTS = st.lists(
    st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20), max_size=4
)


@given(_PARTS)
def test_a_cursor_gives_back_its_parts(parts: list[Any]) -> None:
    cursor = cursors.pack(*parts)
    assert re.fullmatch("[A-Za-z0-9_-]+", cursor)
    assert cursors.unpack(cursor, len(parts)) == parts


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "?",
        "a b",
        "ü",
        "\ud800",
        "A" * 501,
        encoded("no JSON"),
        encoded('{"a": 1}'),
        encoded("3"),
        encoded("[1]"),
        encoded("[1,2,3]"),
        encoded("[" * 300),
        encoded("[1,2") + "=",
        cursors.pack(1, 2) + "!",
        "//" + cursors.pack(1, 2),
    ],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        cursors.unpack(cursor, 2)
    assert (caught.value.code, caught.value.field) == ("invalid_cursor", "cursor")
    assert faults(caught.value.message) == []


@given(st.text(max_size=60), st.integers(0, 4))
def test_any_text_is_a_cursor_or_refused(text: str, length: int) -> None:
    try:
        parts = cursors.unpack(text, length)
    except InvalidRequest:
        return
    assert len(parts) == length


@pytest.mark.parametrize(
    ("part", "good"),
    [
        ("0123456789abcdef" * 2, True),
        ("0123456789ABCDEF" * 2, False),
        ("0" * 31, False),
        ("0" * 33, False),
        ("0" * 31 + "\n", False),
        ("\ud800" * 32, False),
        (None, False),
        (0, False),
    ],
)
def test_an_id_in_a_cursor_is_looked_at(part: Any, good: bool) -> None:
    assert cursors.is_image_id(part) is good
