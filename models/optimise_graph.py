"""A tower's graph as published → the same arithmetic in few nodes, fp32.

Constants folded and LayerNorm and activations fused by onnxruntime, at the levels whose results do
not depend on the machine ("Graph Optimizations in ONNX Runtime": basic and extended, not layout);
attention by `optimise_attention`; query, key and value joined. Every rewriting of our own is run
beside the graph before it, and dropped where the two differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import version_converter

from chalicelib.clip.pixels import normalise
from chalicelib.clip.session import short
from chalicelib.clip.spec import ModelFolder, Tower
from chalicelib.clip.tokens import Tokens, padded, run_length
from chalicelib.errors import ModelError
from models.optimise_attention import fuse_attention
from models.optimise_view import View, node
from models.quantise import join_linears

Inputs = dict[str, NDArray[Any]]

OPSET = 17
"""What older graphs are raised to: from 13 on, nothing they may hold has changed its meaning."""

NAMES = {"vision": ("pixel_values", "image_embeds"), "text": ("input_ids", "text_embeds")}

SAME = 1e-3
"""Largest difference between two ways to compute unit rows in fp32."""

_PROBES = ["a cat", "two dogs on a beach at sunset"]


def simple_graph(folder: ModelFolder, role: str, scratch: Path) -> onnx.ModelProto:
    """One tower (`role` "vision" or "text"), in fp32, with transformers.js's names, unit rows out.

    `scratch` is an empty folder for what onnxruntime writes. Raises ModelError.
    """
    tower = folder.vision_tower if role == "vision" else folder.text_tower
    scratch.mkdir(parents=True)
    model = _read(tower)
    _cut(model, tower, role)
    model = through_runtime(model, scratch / "folded.onnx", "BASIC")
    probe = probe_of(folder, role, model)
    wanted = run(model, probe, scratch)
    fused = onnx.ModelProto()
    fused.CopyFrom(model)
    if fuse_attention(fused) and agree(fused, probe, wanted, scratch):
        model = fused
    model = through_runtime(model, scratch / "fused.onnx", "EXTENDED")
    joined = onnx.ModelProto()
    joined.CopyFrom(model)
    if join_linears(joined) and agree(joined, probe, wanted, scratch):
        model = joined
    if not agree(model, probe, wanted, scratch):
        raise ModelError(f"{tower.onnx.path.name}: optimising the graph changes what it computes")
    return model


def _read(tower: Tower) -> onnx.ModelProto:
    path = tower.onnx.path
    try:
        model = onnx.load(str(path))
        versions = {opset.domain: opset for opset in model.opset_import}
        if versions[""].version < 13:
            model = version_converter.convert_version(model, OPSET)
        elif versions[""].version < OPSET:
            versions[""].version = OPSET
    except Exception as error:  # onnx raises many kinds, with no common root
        raise ModelError(f"{path.name} cannot be read for optimising ({short(error)})") from error
    return model


def _cut(model: onnx.ModelProto, tower: Tower, role: str) -> None:
    """Only the tower's own ends, under transformers.js's names; rows of length 1."""
    taken, given = NAMES[role]
    rows = next(value for value in model.graph.output if value.name == tower.output)
    raw = f"{given}__raw"
    for item in model.graph.node:
        for names, old, new in (
            (item.input, tower.input, taken),
            (item.input, tower.output, raw),
            (item.output, tower.output, raw),
        ):
            for at, name in enumerate(names):
                if name == old:
                    names[at] = new
    model.graph.node.append(node("LpNormalization", [raw], [given], axis=-1, p=2))
    rows.name = given
    for at in reversed(range(len(model.graph.output))):
        if model.graph.output[at].name != given:
            del model.graph.output[at]
    for value in model.graph.input:
        value.name = taken if value.name == tower.input else value.name
    View(model).prune()
    needed = {name for item in model.graph.node for name in item.input}
    for at in reversed(range(len(model.graph.input))):
        if model.graph.input[at].name not in needed:
            del model.graph.input[at]
    spare = {value.name for value in model.graph.input} & {one.name for one in tower.spare}
    if spare:
        raise ModelError(
            f"{tower.onnx.path.name} computes pictures and texts together (the {role} tower needs "
            f"{', '.join(sorted(spare))}); it cannot be optimised."
        )


def through_runtime(model: onnx.ModelProto, path: Path, level: str) -> onnx.ModelProto:
    """The graph as onnxruntime simplifies it at "BASIC" or "EXTENDED"; `path` is overwritten."""
    import onnxruntime

    source = write(model, path.with_suffix(".in.onnx"))
    options = _options(level)
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry(
        "session.optimized_model_external_initializers_file_name", f"{path.name}.data"
    )
    options.add_session_config_entry(
        "session.optimized_model_external_initializers_min_size_in_bytes", "4096"
    )
    try:
        onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
        simpler = onnx.load(str(path))
    except Exception as error:  # onnxruntime raises many kinds, with no common root
        raise ModelError(f"{path.stem}: onnxruntime cannot optimise it ({short(error)})") from error
    used = {"", *(item.domain for item in simpler.graph.node)} - {"ai.onnx"}
    for at in reversed(range(len(simpler.opset_import))):
        if simpler.opset_import[at].domain not in used:
            del simpler.opset_import[at]
    return simpler


def _options(level: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = {
        "NONE": levels.ORT_DISABLE_ALL,
        "BASIC": levels.ORT_ENABLE_BASIC,
        "EXTENDED": levels.ORT_ENABLE_EXTENDED,
    }[level]
    options.log_severity_level = 3
    return options


def write(model: onnx.ModelProto, path: Path) -> Path:
    """Save with the weights beside it, so that graphs of more than 2 GiB pass, too."""
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.data").unlink(missing_ok=True)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    onnx.save(
        copy,
        str(path),
        save_as_external_data=True,
        location=f"{path.name}.data",
        size_threshold=4096,
    )
    return path


def probe_of(
    folder: ModelFolder,
    role: str,
    model: onnx.ModelProto,
    pixels: NDArray[np.uint8] | None = None,
    texts: list[str] | None = None,
) -> Inputs:
    """What `model` takes, made of pixels or texts: without them, of two (one, if it takes one)."""
    first = model.graph.input[0].type.tensor_type.shape.dim
    most = first[0].dim_value or None
    if role == "vision":
        side = folder.pixels.crop
        if pixels is None:
            pixels = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)
        return {NAMES["vision"][0]: normalise(pixels[:most], folder.pixels)}
    ids = Tokens(folder.text).of((texts or _PROBES)[:most])
    length = run_length(ids, folder.text, first[1].dim_value or None)
    tokens, mask = padded(ids, folder.text, length)
    given = {NAMES["text"][0]: tokens, "attention_mask": mask}
    kinds = {i.name: i.type.tensor_type.elem_type for i in model.graph.input}
    as_numpy = onnx.helper.tensor_dtype_to_np_dtype
    return {name: given[name].astype(as_numpy(kind)) for name, kind in kinds.items()}


def run(model: onnx.ModelProto, inputs: Inputs, scratch: Path) -> NDArray[np.float32]:
    """The model's only output. Raises ModelError where it does not load or fails."""
    return run_all(model, [model.graph.output[0].name], inputs, scratch)[model.graph.output[0].name]


def run_all(
    model: onnx.ModelProto, names: list[str], inputs: Inputs, scratch: Path
) -> dict[str, NDArray[np.float32]]:
    """Values of float32 within the model, by name. Raises ModelError as `run`."""
    import onnxruntime

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    ends = {value.name for value in watched.graph.output}
    for name in names:
        if name not in ends:
            value = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            watched.graph.output.append(value)
    path = write(watched, scratch / "run.onnx")
    try:
        session = onnxruntime.InferenceSession(
            str(path), _options("NONE"), providers=["CPUExecutionProvider"]
        )
        got = session.run(names, inputs)
    except Exception as error:  # onnxruntime raises many kinds, with no common root
        raise ModelError(f"the rewritten graph fails ({short(error)})") from error
    return {name: np.asarray(v, np.float32) for name, v in zip(names, got, strict=True)}


def agree(
    model: onnx.ModelProto, probe: Inputs, wanted: NDArray[np.float32], scratch: Path
) -> bool:
    """Whether the model gives the `wanted` rows, as nearly as fp32 can."""
    try:
        got = run(model, probe, scratch)
    except ModelError:
        return False
    return got.shape == wanted.shape and bool(np.abs(got - wanted).max() <= SAME)
