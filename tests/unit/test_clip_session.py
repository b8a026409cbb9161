"""One graph: the same rows by every way of running it, and a sentence for each that is broken."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from chalicelib.clip import Clip
from chalicelib.clip.binding import KEPT
from chalicelib.clip.devices import CPU, CUDA, Place, why_no_cuda
from chalicelib.clip.folder import read_folder
from chalicelib.clip.onnxfile import read_onnx
from chalicelib.clip.session import Session
from chalicelib.clip.spec import Tower
from chalicelib.errors import ModelError, UnusableVector
from tests.unit import tiny_clip

BOUND = replace(CPU, memory="cpu")
"""The processor, by the way that devices are run."""
BOUND_PLACES = [BOUND] if why_no_cuda() else [BOUND, CUDA]
PLACES = [CPU, *BOUND_PLACES]


def told(place: Place) -> str:
    return f"{place.name}{' bound' if place.memory else ''}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip.build(tmp_path_factory.mktemp("model"), attention_mask=True)


def clip_on(folder: Path, place: Place) -> Clip:
    return Clip(read_folder(folder), threads=1, device=place)


def pixels(count: int, seed: int = 0) -> NDArray[np.uint8]:
    shape = (count, tiny_clip.SIDE, tiny_clip.SIDE, 3)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def texts(count: int, seed: int = 0) -> list[str]:
    words = np.random.default_rng(seed).integers(1, 30, count)
    return [f"{'word ' * int(n)}red" for n in words]


@pytest.mark.parametrize("place", BOUND_PLACES, ids=told)
@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(counts=st.lists(st.integers(1, 2 * CPU.batch + 3), min_size=1, max_size=6))
def test_bound_buffers_change_no_vector(folder: Path, place: Place, counts: list[int]) -> None:
    plain, bound = clip_on(folder, CPU), clip_on(folder, place)
    for seed, count in enumerate(counts):
        for wanted, got in (
            (plain.embed_pixels(pixels(count, seed)), bound.embed_pixels(pixels(count, seed))),
            (plain.embed_texts(texts(count, seed)), bound.embed_texts(texts(count, seed))),
        ):
            if place.name == "cpu":
                assert np.array_equal(got, wanted)
            else:
                assert ((got * wanted).sum(axis=1) >= 0.999).all()


@pytest.mark.parametrize("place", BOUND_PLACES, ids=told)
def test_threads_share_a_bound_graph_and_none_sees_anothers_rows(
    folder: Path, place: Place
) -> None:
    clip = clip_on(folder, place)
    wanted = [clip.embed_pixels(pixels(3, seed)) for seed in range(8)]
    together = threading.Barrier(8)

    def work(seed: int) -> bool:
        together.wait(timeout=30)
        return all(
            np.allclose(clip.embed_pixels(pixels(3, seed)), wanted[seed], atol=1e-6)
            for _ in range(40)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    binding = clip._vision._session._binding
    assert binding is not None
    assert 1 <= len(binding._idle) <= KEPT


@pytest.mark.parametrize("place", BOUND_PLACES, ids=told)
def test_what_was_handed_over_and_what_was_given_back_stay_as_they_are(
    folder: Path, place: Place
) -> None:
    clip = clip_on(folder, place)
    mine = pixels(4)
    first = clip.embed_pixels(mine)
    kept = first.copy()
    clip.embed_pixels(pixels(4, seed=1))
    assert np.array_equal(first, kept)
    assert np.array_equal(mine, pixels(4))


def graph(
    file: Path,
    nodes: list[onnx.NodeProto],
    *,
    takes: int = TensorProto.FLOAT,
    gives: int = TensorProto.FLOAT,
    batch: int | str = "n",
    constants: dict[str, NDArray[np.generic]] | None = None,
) -> Tower:
    """x [N, 4] → y [N, 4], whatever `nodes` make of it."""
    made = helper.make_graph(
        nodes,
        "sample",
        [helper.make_tensor_value_info("x", takes, [batch, 4])],
        [helper.make_tensor_value_info("y", gives, [batch, None])],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    opset = [helper.make_opsetid("", tiny_clip.OPSET)]
    model = helper.make_model(made, opset_imports=opset, ir_version=tiny_clip.IR_VERSION)
    onnx.save(model, str(file))
    return Tower(read_onnx(file, file.parent), "x", "y")


ROWS = np.arange(1, 1 + 3 * 4, dtype=np.float32).reshape(3, 4)
UNIT = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)


@pytest.mark.parametrize("place", PLACES, ids=told)
@pytest.mark.parametrize("batch", ["n", 1, 2, 5])
def test_a_graph_of_any_batch_gives_a_row_for_a_row(
    tmp_path: Path, place: Place, batch: int | str
) -> None:
    tower = graph(tmp_path / "m.onnx", [helper.make_node("Neg", ["x"], ["y"])], batch=batch)
    assert np.allclose(Session(tower, 4, 1, place).run({"x": ROWS}), -UNIT, atol=1e-6)


@pytest.mark.parametrize("place", PLACES, ids=told)
def test_half_precision_rows_are_made_units_in_full(tmp_path: Path, place: Place) -> None:
    half = TensorProto.FLOAT16
    nodes = [helper.make_node("Mul", ["x", "large"], ["y"])]
    large = {"large": np.asarray(5000, np.float16)}
    tower = graph(tmp_path / "m.onnx", nodes, takes=half, gives=half, constants=large)
    got = Session(tower, 4, 1, place).run({"x": ROWS})
    assert got.dtype == np.float32
    assert np.allclose(got, UNIT, atol=2e-3)


@pytest.mark.parametrize("place", PLACES, ids=told)
def test_half_precision_that_overflows_is_an_unusable_vector(tmp_path: Path, place: Place) -> None:
    half = TensorProto.FLOAT16
    nodes = [helper.make_node("Mul", ["x", "large"], ["y"])]
    large = {"large": np.asarray(60000, np.float16)}
    tower = graph(tmp_path / "m.onnx", nodes, takes=half, gives=half, constants=large)
    with pytest.raises(UnusableVector, match=r"m\.onnx: gives a vector that is zero or not finite"):
        Session(tower, 4, 1, place).run({"x": ROWS})


@pytest.mark.parametrize("place", PLACES, ids=told)
@pytest.mark.parametrize("op", ["Log", "Sqrt"])
def test_not_a_number_is_an_unusable_vector(tmp_path: Path, place: Place, op: str) -> None:
    tower = graph(tmp_path / "m.onnx", [helper.make_node(op, ["x"], ["y"])])
    session = Session(tower, 4, 1, place)
    with pytest.raises(UnusableVector, match="zero or not finite"):
        session.run({"x": -ROWS})
    assert np.isfinite(session.run({"x": ROWS})).all(), "the next rows are none the worse"


@pytest.mark.parametrize("place", PLACES, ids=told)
def test_rows_of_another_length_are_an_error_that_says_both(tmp_path: Path, place: Place) -> None:
    tower = graph(tmp_path / "m.onnx", [helper.make_node("Concat", ["x", "x"], ["y"], axis=1)])
    with pytest.raises(ModelError, match=r"m\.onnx: y has shape \(3, 8\), not \(3, 4\)"):
        Session(tower, 4, 1, place).run({"x": ROWS})


@pytest.mark.parametrize("place", PLACES, ids=told)
def test_a_graph_that_fails_is_named_and_runs_again(tmp_path: Path, place: Place) -> None:
    nodes = [helper.make_node("Gather", ["table", "x"], ["z"]), *_pooled("z", "y")]
    table = {"table": ROWS, "axes": np.asarray([2], np.int64)}
    tower = graph(tmp_path / "m.onnx", nodes, takes=TensorProto.INT64, constants=table)
    session = Session(tower, 4, 1, place)
    with pytest.raises(ModelError, match=r"m\.onnx: the graph fails \(.*out of data bounds"):
        session.run({"x": np.full((2, 4), 99)})
    assert session.run({"x": np.full((2, 4), 1)}).shape == (2, 4)


def _pooled(source: str, output: str) -> list[onnx.NodeProto]:
    return [helper.make_node("ReduceSum", [source, "axes"], [output], keepdims=0)]


def test_a_type_that_no_tower_takes_is_named(tmp_path: Path) -> None:
    double = TensorProto.DOUBLE
    nodes = [helper.make_node("Neg", ["x"], ["y"])]
    tower = graph(tmp_path / "m.onnx", nodes, takes=double, gives=double)
    with pytest.raises(ModelError, match=r"m\.onnx: takes tensor\(double\)"):
        Session(tower, 4, 1).run({"x": ROWS})


def spoilt(change: Callable[[onnx.ModelProto], object]) -> Callable[[Path], None]:
    def apply(file: Path) -> None:
        model = onnx.load(str(file))
        change(model)
        file.write_bytes(model.SerializeToString())

    return apply


def _of_another_domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.acme"
    model.opset_import.append(helper.make_opsetid("com.acme", 1))


NEWER = r"Export it for an older opset, or use one newer than onnxruntime \d"
BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda f: f.write_bytes(b""), "Fetch or export it again"),
    "cut off": (lambda f: f.write_bytes(f.read_bytes()[:-9]), "Fetch or export it again"),
    "not ONNX": (lambda f: f.write_bytes(b"<html>" * 99), "Fetch or export it again"),
    "gone": (Path.unlink, "Fetch or export it again"),
    "opset": (spoilt(lambda m: setattr(m.opset_import[0], "version", 99)), NEWER),
    "IR": (spoilt(lambda m: setattr(m, "ir_version", 99)), r"IR version: 99.*" + NEWER),
    "operator": (
        spoilt(lambda m: setattr(m.graph.node[0], "op_type", "Hyperbole")),
        "No Op registered for Hyperbole.*" + NEWER,
    ),
    "domain": (spoilt(_of_another_domain), r"com\.acme:MatMul.*" + NEWER),
    "dangling": (
        spoilt(lambda m: m.graph.node[0].input.__setitem__(0, "nowhere")),
        "'nowhere' is not a graph input.*Fetch or export it again",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_graph_that_does_not_load_is_named_with_what_may_help(tmp_path: Path, case: str) -> None:
    change, wanted = BROKEN[case]
    tower = graph(
        tmp_path / "m.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        constants={"w": np.eye(4, dtype=np.float32)},
    )
    change(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"^m\.onnx does not load \(.*" + wanted) as caught:
        Session(tower, 4, 1).run({"x": ROWS})
    assert "onnxruntime_src" not in caught.value.message


def test_a_session_that_lost_its_device_is_refused(tmp_path: Path) -> None:
    tower = graph(tmp_path / "m.onnx", [helper.make_node("Neg", ["x"], ["y"])])
    gone = replace(CUDA, providers=(("DmlExecutionProvider", {}), ("CPUExecutionProvider", {})))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ModelError, match="with CPUExecutionProvider only"):
            Session(tower, 4, 1, gone).run({"x": ROWS})
