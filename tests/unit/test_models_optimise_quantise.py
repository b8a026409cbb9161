"""Weights → whole numbers, and how forms are compared."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from hypothesis import given
from hypothesis import strategies as st

from models.graph import FLOAT, Graph
from models.quantise import SEVEN_BITS, quantise_linears, to_blocks, to_columns
from models.verify import Vectors, compare
from models.verify_texts import sample_texts

shapes = st.tuples(st.integers(1, 150), st.integers(1, 9), st.integers(0, 2**32 - 1))


@given(shapes, st.sampled_from([32, 128]))
def test_a_block_is_off_by_half_a_step_at_most(shape: tuple[int, int, int], block: int) -> None:
    rows, columns, seed = shape
    weight = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)
    whole, scales = to_blocks(weight, block)
    back = (whole.astype(np.float32) - 128) * scales[..., None]
    back = back.reshape(columns, -1)[:, :rows].T
    steps = np.repeat(scales, block, axis=1)[:, :rows].T
    assert (np.abs(back - weight) <= steps * 0.501).all()


@given(shapes)
def test_two_products_of_seven_bit_columns_fit_sixteen_bits(shape: tuple[int, int, int]) -> None:
    rows, columns, seed = shape
    weight = np.random.default_rng(seed).normal(scale=9, size=(rows, columns)).astype(np.float32)
    whole, _ = to_columns(weight, SEVEN_BITS)
    largest = np.sort(np.abs(whole.astype(np.int64)), axis=0)[-2:].sum(axis=0)
    assert 255 * largest.max() < 2**15


def test_a_column_of_zeros_stays_zero() -> None:
    whole, scales = to_columns(np.zeros((4, 2), np.float32), SEVEN_BITS)
    assert not whole.any()
    assert (scales > 0).all()


def linear(rng: np.random.Generator, **turned: int) -> onnx.ModelProto:
    graph = Graph("linear")
    x = graph.input("x", FLOAT, ["n", 96])
    shape = (80, 96) if turned.get("transB") else (96, 80)
    weight, bias = graph.constant(rng.normal(size=shape)), graph.constant(rng.normal(size=80))
    return graph.build(graph.add("Gemm", x, weight, bias, **turned), "y", ["n", 80])


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=providers)
    return np.asarray(session.run(None, {"x": x})[0])


def test_a_gemm_becomes_whole_either_way_round_with_its_bias() -> None:
    x = np.random.default_rng(1).normal(size=(5, 96)).astype(np.float32)
    for turned in ({}, {"transB": 1}):
        for way in ("blocks", "columns"):
            model = linear(np.random.default_rng(0), **turned)
            wanted = run(model, x)
            assert quantise_linears(model, way) == 1
            assert not [node for node in model.graph.node if node.op_type == "Gemm"]
            error = np.linalg.norm(run(model, x) - wanted) / np.linalg.norm(wanted)
            assert 0 < error < 0.03


def test_a_gemm_that_does_more_than_a_product_is_left_alone() -> None:
    model = linear(np.random.default_rng(0))
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("alpha", 2.0))
    assert quantise_linears(model, "blocks") == 0


def rows(seed: int, count: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_a_model_compared_with_itself_is_the_same_and_with_another_is_not() -> None:
    one = Vectors(rows(0, 120), rows(1, 30))
    same = compare(one, one)
    assert (same.by_text, same.by_picture, same.good) == (1, 1, True)
    assert same.least_cosine > 0.999999
    other = compare(one, Vectors(rows(2, 120), rows(3, 30)))
    assert not other.good
    assert other.overlap < 0.3


def test_one_bad_picture_is_enough_to_refuse() -> None:
    one = Vectors(rows(0, 120), rows(1, 30))
    bad = one.pictures.copy()
    bad[7] = -bad[7]
    figures = compare(one, Vectors(bad, one.texts))
    assert figures.overlap > 0.9
    assert not figures.good


def test_the_sample_texts_are_about_a_hundred_each_once() -> None:
    texts = sample_texts()
    assert 90 <= len(texts) == len(set(texts))
    assert not any("\n" in text or "  " in text for text in texts)
