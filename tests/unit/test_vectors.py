"""Vectors of pictures as texts: what they keep, and which are refused."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chalicelib.errors import InvalidRequest
from chalicelib.vectors import MAX_LENGTH, PATTERN, from_text, to_text
from tests.unit.sentences import faults

MODEL, OTHER = "8d07af97fb9c", "8d07af98fb9c"
NUMBERS = arrays(np.float32, 16, elements=st.floats(-1, 1, width=32)).filter(
    lambda v: np.abs(v).max() > 1e-3
)


def text_of(numbers: bytes) -> str:
    return "v1" + MODEL[:8] + base64.urlsafe_b64encode(numbers).decode().rstrip("=")


@given(NUMBERS)
def test_a_text_keeps_a_vector_to_half_a_step_and_the_second_time_to_the_last_bit(
    vector: np.ndarray,
) -> None:
    text = to_text(vector, MODEL)
    assert re.match(PATTERN, text)
    read = from_text(text, MODEL, 16, field="vector")
    assert read.dtype == np.float32
    assert np.isclose(np.linalg.norm(read), 1, atol=1e-6)
    scaled = read * (np.abs(vector).max() / np.abs(read).max())
    assert np.abs(scaled - vector).max() <= np.abs(vector).max() / 127 / 2 * 1.001
    assert to_text(read, MODEL) == text
    assert (from_text(to_text(read, MODEL), MODEL, 16, field="vector") == read).all()


def test_a_large_models_vector_has_room_in_an_address() -> None:
    vector = np.linspace(-1, 1, 6000, dtype=np.float32)
    assert len(to_text(vector, MODEL)) <= MAX_LENGTH
    assert len(to_text(vector[:1152], MODEL)) == 2 + 8 + 1536


GOOD = text_of(bytes(range(16)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no vector"),
        ("a cat", "no vector"),
        (GOOD.replace("v1", "v2"), "no vector"),
        (GOOD + "=", "no vector"),
        (GOOD + "\n", "no vector"),
        (GOOD[:14] + " " + GOOD[14:], "no vector"),
        (GOOD[:14] + "é", "no vector"),
        (GOOD.replace("8d07af97", "8d07af98"), "another model (8d07af98)"),
        (GOOD[:-2], "15 numbers, and those of this model have 16"),
        (GOOD[:-1], "numbers, and those of this model have 16"),
        (GOOD + "A", "numbers, and those of this model have 16"),
        (text_of(bytes(17)), "17 numbers"),
        (text_of(bytes(16)), "nothing but zeros"),
    ],
)
def test_what_is_no_vector_of_this_model_is_told_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        from_text(text, MODEL, 16, field="parts.1.vector")
    assert why in caught.value.message
    assert caught.value.message.endswith("; search by the picture itself once more.")
    assert faults(caught.value.message) == []
    assert caught.value.field == "parts.1.vector"


@given(st.text(max_size=60) | st.binary(max_size=40).map(text_of))
def test_no_text_at_all_breaks_the_reader(text: str) -> None:
    try:
        read = from_text(text, MODEL, 16, field="vector")
    except InvalidRequest:
        return
    assert np.isfinite(read).all()
    assert np.isclose(np.linalg.norm(read), 1, atol=1e-6)
