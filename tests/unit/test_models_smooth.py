"""Outliers behind LayerNorms go into the weights, where rounding to eight bits can take them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from chalicelib.clip.folder import read_folder
from models.optimise import NOTE, optimise
from models.optimise_graph import Inputs, probe_of, run, run_all, simple_graph
from models.optimise_view import View
from models.quantise import linears, quantise_linears
from models.smooth import smooth
from models.verify import Sample
from tests.unit import small_clip


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_clip.build(tmp_path_factory.mktemp("outliers") / "small", outliers=True)


@pytest.fixture(scope="module")
def sample(source: Path) -> Sample:
    return small_clip.sample(source)


@pytest.fixture
def vision(source: Path, sample: Sample, tmp_path: Path) -> tuple[onnx.ModelProto, Inputs]:
    folder = read_folder(source)
    model = simple_graph(folder, "vision", tmp_path / "vision")
    return model, probe_of(folder, "vision", model, *sample.first(16))


def spread(model: onnx.ModelProto, probe: Inputs, scratch: Path) -> float:
    """How many times as far the widest channel before a product reaches as the middle one does,
    in the worst of them."""
    before = [one.x for one in linears(View(model)) if "LayerNorm" in maker(model, one.x)]
    seen = run_all(model, before, probe, scratch).values()
    tops = [np.abs(values.reshape(-1, values.shape[-1])).max(axis=0) for values in seen]
    return max(float(top.max() / np.median(top)) for top in tops)


def maker(model: onnx.ModelProto, name: str) -> str:
    return next((item.op_type for item in model.graph.node if name in item.output), "")


def test_outliers_shrink_and_the_vectors_stay(
    vision: tuple[onnx.ModelProto, Inputs], tmp_path: Path
) -> None:
    model, probe = vision
    wanted = run(model, probe, tmp_path)
    before = spread(model, probe, tmp_path)
    assert smooth(model, probe, tmp_path) == 5
    np.testing.assert_allclose(run(model, probe, tmp_path), wanted, atol=1e-4)
    assert before > 50
    assert spread(model, probe, tmp_path) < before / 10


def test_rounding_to_eight_bits_moves_a_smoothed_model_far_less(
    vision: tuple[onnx.ModelProto, Inputs], tmp_path: Path
) -> None:
    model, probe = vision
    wanted = run(model, probe, tmp_path)
    cosines = []
    for smoothed in (False, True):
        rounded = onnx.ModelProto()
        rounded.CopyFrom(model)
        if smoothed:
            smooth(rounded, probe, tmp_path)
        quantise_linears(rounded, "columns")
        cosines.append(float((run(rounded, probe, tmp_path) * wanted).sum(axis=1).min()))
    assert cosines[0] < 0.98
    assert cosines[1] > 0.995


def test_a_model_with_outliers_gets_the_fastest_form(source: Path, sample: Sample) -> None:
    made = optimise(source, source.with_name("small-int8"), sample)
    assert made.figures.least_cosine > 0.995
    plans = json.loads((made.out / NOTE).read_text())["plans"]
    assert [plans[role]["way"] for role in ("vision", "text")] == ["columns", "blocks"]
    assert [plans[role]["kept"] for role in ("vision", "text")] == [0, 0]


@pytest.mark.parametrize("also", [True, False])
def test_a_norm_whose_rows_go_elsewhere_too_is_left_alone(also: bool, tmp_path: Path) -> None:
    """As in networks that add them to what comes behind the product (BERT)."""
    model = norm_and_product(also=also)
    probe: Inputs = {"x": np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)}
    wanted = run(model, probe, tmp_path)
    assert smooth(model, probe, tmp_path) == (0 if also else 1)
    np.testing.assert_allclose(run(model, probe, tmp_path), wanted, atol=1e-5)


def test_channels_without_any_flow_or_weight_stay_finite(tmp_path: Path) -> None:
    model = norm_and_product(silent=True)
    probe: Inputs = {"x": np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)}
    wanted = run(model, probe, tmp_path)
    assert smooth(model, probe, tmp_path) == 1
    got = run(model, probe, tmp_path)
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def norm_and_product(*, also: bool = False, silent: bool = False) -> onnx.ModelProto:
    """x [N, 64] → LayerNorm → product → unit rows; with `also` the norm's rows are added."""
    rng = np.random.default_rng(1)
    gain, offset = rng.uniform(0.5, 20, 64), rng.normal(size=64)
    weight = rng.normal(size=(64, 64)) / 8
    if silent:
        gain[5] = offset[5] = 0
        weight[9] = 0
    constants = {"gain": gain, "offset": offset, "weight": weight}
    last = helper.make_node("Add", ["product", "normal"], ["sum"])
    nodes = [
        helper.make_node("LayerNormalization", ["x", "gain", "offset"], ["normal"]),
        helper.make_node("MatMul", ["normal", "weight"], ["product"]),
        *([last] if also else []),
        helper.make_node("LpNormalization", ["sum" if also else "product"], ["y"], axis=-1, p=2),
    ]
    graph = helper.make_graph(
        nodes,
        "norm",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 64])],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
