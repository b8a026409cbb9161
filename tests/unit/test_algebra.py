"""Vectors with weights → one vector: what is wanted, less what is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from chalicelib.algebra import LEAST_LEFT, LEAST_SUM, LEFT_OUT_WEIGHT, Term, sum_of
from chalicelib.errors import InvalidRequest
from tests.unit.sentences import faults

DIM = 6


def axis(*numbers: int) -> NDArray[np.float32]:
    """The unit vector between some axes."""
    vector = np.zeros(DIM, np.float32)
    vector[list(numbers)] = 1
    return vector / np.float32(math.sqrt(len(numbers)))


def at(degrees: float) -> NDArray[np.float32]:
    """A unit vector so far from axis 0 towards axis 1."""
    turned = math.radians(degrees)
    return np.array([math.cos(turned), math.sin(turned), *[0] * (DIM - 2)], np.float32)


VECTORS = st.lists(st.floats(-1, 1, width=32), min_size=DIM, max_size=DIM).map(
    lambda numbers: np.array(numbers, np.float32)
)
UNITS = VECTORS.filter(lambda v: float(np.linalg.norm(v)) > 0.1).map(
    lambda v: v / np.float32(np.linalg.norm(v))
)
WEIGHTS = st.floats(0.05, 1)


def test_one_thing_is_itself() -> None:
    found = sum_of([Term(axis(2))], field="text")
    assert np.allclose(found.vector, axis(2))
    assert (found.wanted, found.pictures) == (pytest.approx(1), 0)


def test_two_things_are_looked_for_between_them_and_nearer_the_weightier() -> None:
    both = sum_of([Term(axis(0)), Term(axis(1))], field="parts")
    assert np.allclose(both.vector, axis(0, 1))
    assert both.length == pytest.approx(math.sqrt(0.5)), "they have nothing in common"
    assert sum_of([Term(axis(0)), Term(axis(0), 0.3)], field="parts").length == pytest.approx(1)
    more = sum_of([Term(axis(0)), Term(axis(1), 0.5)], field="parts").vector
    assert more[0] == pytest.approx(2 * more[1])


def test_what_is_not_wanted_is_moved_away_from() -> None:
    found = sum_of([Term(at(0)), Term(at(60), -0.5)], field="parts")
    assert float(found.vector @ at(60)) < float(at(0) @ at(60))
    assert found.wanted == pytest.approx(float(found.vector @ at(0)), abs=1e-6)
    assert 0 < found.wanted < 1


def test_a_text_leaves_out_with_one_weight_however_much_it_leaves_out() -> None:
    one = sum_of([Term(axis(0), left_out=(axis(1),))], field="text")
    assert np.allclose(
        one.vector, sum_of([Term(axis(0)), Term(axis(1), -LEFT_OUT_WEIGHT)], field="").vector
    )
    more = sum_of([Term(axis(0), left_out=(axis(1), axis(2), axis(3)))], field="text")
    assert more.wanted == pytest.approx(one.wanted)


def test_a_text_that_counts_less_leaves_out_less() -> None:
    terms = [Term(axis(0)), Term(axis(1), 0.5, left_out=(axis(2),))]
    found = sum_of(terms, field="parts").vector
    assert found[2] / found[1] == pytest.approx(-LEFT_OUT_WEIGHT)
    assert found[1] / found[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("terms", "share"),
    [
        ([Term(axis(0), picture=True)], 1),
        ([Term(axis(0), picture=True), Term(axis(1))], 0.5),
        ([Term(axis(0), 0.25, picture=True), Term(axis(1), 0.75)], 0.25),
        ([Term(axis(0)), Term(axis(1), -0.5, picture=True)], 0),
    ],
)
def test_the_share_of_pictures_is_that_of_what_is_wanted(terms: list[Term], share: float) -> None:
    assert sum_of(terms, field="parts").pictures == pytest.approx(share)


@pytest.mark.parametrize(
    "terms",
    [
        [Term(axis(0)), Term(axis(0), -1.0)],
        [Term(axis(0)), Term(axis(0), -0.95)],
        [Term(at(0)), Term(at(2), -1.0)],
        [Term(axis(0), 0.1), Term(axis(1), -1.0)],
        [Term(axis(0), 0.5), Term(axis(0, 1), -1.0)],
        [Term(at(0)), Term(at(180))],
        [Term(at(0)), Term(at(120)), Term(at(240))],
    ],
)
def test_parts_that_cancel_each_other_out_are_refused(terms: list[Term]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sum_of(terms, field="parts")
    assert caught.value.field == "parts"
    assert faults(caught.value.message) == []


@given(
    st.lists(st.tuples(UNITS, st.floats(-1, 1).filter(lambda w: abs(w) > 0.01)), max_size=9), UNITS
)
@settings(max_examples=200)
def test_any_sum_is_a_unit_vector_that_still_is_about_what_is_wanted(
    others: list[tuple[NDArray[np.float32], float]], first: NDArray[np.float32]
) -> None:
    terms = [Term(first), *(Term(vector, weight) for vector, weight in others)]
    try:
        found = sum_of(terms, field="parts")
    except InvalidRequest:
        sums = [
            sum(
                (t.weight * t.vector.astype(np.float64) for t in part),
                start=np.zeros(DIM),
            )
            for part in (terms, [t for t in terms if t.weight > 0])
        ]
        whole, wanted = (float(np.linalg.norm(s)) for s in sums)
        along = float(sums[0] @ sums[1])
        assert (
            whole < LEAST_SUM * sum(abs(t.weight) for t in terms) * (1 + 1e-9)
            or wanted < LEAST_SUM * sum(t.weight for t in terms if t.weight > 0) * (1 + 1e-9)
            or along < LEAST_LEFT * whole * wanted * (1 + 1e-9)
        )
        return
    assert found.vector.dtype == np.float32
    assert float(np.linalg.norm(found.vector)) == pytest.approx(1, abs=1e-5)
    assert LEAST_LEFT <= found.wanted <= 1 + 1e-9


@given(UNITS, UNITS, WEIGHTS, WEIGHTS)
def test_the_order_of_parts_and_a_common_factor_change_nothing(
    one: NDArray[np.float32], other: NDArray[np.float32], a: float, b: float
) -> None:
    terms = [Term(one, a), Term(other, b)]
    halved = [Term(other, b / 2), Term(one, a / 2)]
    try:
        found = sum_of(terms, field="parts").vector
    except InvalidRequest:
        return
    assert np.allclose(found, sum_of(halved, field="parts").vector, atol=1e-5)
