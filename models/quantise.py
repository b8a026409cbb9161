"""Weights of linear layers and of the token table → eight bits.

Two ways, both right on every processor that onnxruntime runs on:

- `blocks`: weight and input are rounded in blocks of 32 or 128 along the sum, each block with a
  scale of its own (MatMulNBits with accuracy_level 4). The more exact of the two.
- `columns`: a scale for each column of the weight and one for the whole input
  (DynamicQuantizeLinear, MatMulIntegerToFloat). The faster with many rows. Weights keep to seven
  bits: x86 processors without VNNI add pairs of products in 16 bits and saturate there, and
  2 · 255 · 64 fits. DynamicQuantizeMatMul would be one node for both; emulated arm64 with SME
  computes it wrongly.

Both are onnxruntime's own operators:
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from models.optimise_view import View, attribute, node

Way = Literal["blocks", "columns"]

BLOCK, FINE_BLOCK = 128, 32
"""Weights that share a scale: the faster, and the more exact where single weights are large."""

SEVEN_BITS, EIGHT_BITS = 64, 127
"""The largest whole number a weight becomes."""

LEAST_WEIGHTS = 4 * 1024
"""Smaller matrices stay as they are: there is nothing to gain."""

LEAST_TABLE = 256
"""Rows that a Gather's table has at least; smaller ones stay."""

_INT8_COMPUTE = 4
"""MatMulNBits's accuracy_level: the input is rounded to int8, too."""


@dataclass(frozen=True, slots=True)
class Linear:
    """x [.., K] · weight [K, N] (+ bias [N]) → out [.., N]; `nodes` name what computes it now."""

    x: str
    weight: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    out: str
    nodes: tuple[str, ...]


def linears(view: View) -> list[Linear]:
    """Every product with a constant matrix, its bias with it where one follows, in their order."""
    return [found for item in view.graph.node if (found := _linear(view, item)) is not None]


def _linear(view: View, item: onnx.NodeProto) -> Linear | None:
    if item.op_type not in ("MatMul", "Gemm"):
        return None
    weight = view.array(item.input[1])
    if weight is None or weight.ndim != 2 or weight.dtype != np.float32:
        return None
    bias: NDArray[np.float32] | None = None
    if item.op_type == "Gemm":
        plain = {"alpha": 1.0, "beta": 1.0, "transA": 0}
        if any(attribute(item, name, value) != value for name, value in plain.items()):
            return None
        weight = weight.T if attribute(item, "transB", 0) else weight
        if len(item.input) > 2:
            bias = view.array(item.input[2])
            if bias is None or bias.shape != weight.shape[1:]:
                return None
        return Linear(item.input[0], weight, bias, item.output[0], (item.output[0],))
    out = item.output[0]
    after = view.only_taker(out)
    if after is not None and after.op_type == "Add":
        other = after.input[1] if after.input[0] == out else after.input[0]
        bias = view.array(other)
        if bias is not None and bias.shape == weight.shape[1:] and bias.dtype == np.float32:
            return Linear(item.input[0], weight, bias, after.output[0], (out, after.output[0]))
    return Linear(item.input[0], weight, None, out, (out,))


def join_linears(model: onnx.ModelProto) -> int:
    """Products of one input (query, key and value) → one product and a Split; how many joined."""
    view = View(model)
    by_input: dict[str, list[Linear]] = {}
    for one in linears(view):
        by_input.setdefault(one.x, []).append(one)
    joined = 0
    for x, parts in by_input.items():
        if len(parts) < 2:
            continue
        sizes = [part.weight.shape[1] for part in parts]
        weight = np.concatenate([part.weight for part in parts], axis=1)
        bias = np.concatenate(
            [
                np.zeros(n, np.float32) if p.bias is None else p.bias
                for p, n in zip(parts, sizes, strict=True)
            ]
        )
        product, total = view.fresh("product"), view.fresh("joined")
        split = node(
            "Split",
            [total, view.constant(np.asarray(sizes, np.int64), "sizes")],
            [part.out for part in parts],
            axis=-1,
        )
        nodes = [
            node("MatMul", [x, view.constant(weight, "weight")], [product]),
            node("Add", [product, view.constant(bias, "bias")], [total]),
            split,
        ]
        first, *others = sorted({name for part in parts for name in part.nodes}, key=_place(view))
        view.replace({first: nodes}, others)
        joined += 1
    return joined


def _place(view: View) -> Any:
    places = {item.output[0]: at for at, item in enumerate(view.graph.node)}
    return lambda name: places[name]


def quantise_linears(
    model: onnx.ModelProto, way: Way, keep: frozenset[str] = frozenset(), block: int = BLOCK
) -> int:
    """Rewrite `model` in place, but for the linear layers whose `out` is in `keep`; how many."""
    view = View(model)
    chosen = [
        one for one in linears(view) if one.out not in keep and one.weight.size >= LEAST_WEIGHTS
    ]
    instead = {
        one.nodes[-1]: _columns(view, one) if way == "columns" else _blocks(view, one, block)
        for one in chosen
    }
    view.replace(instead, {name for one in chosen for name in one.nodes[:-1]})
    return len(chosen)


def _blocks(view: View, one: Linear, block: int) -> list[onnx.NodeProto]:
    whole, scales = to_blocks(one.weight, block)
    inputs = [one.x, view.constant(whole, "blocks"), view.constant(scales, "scales")]
    if one.bias is not None:
        inputs += ["", "", view.constant(one.bias, "bias")]
    return [product_of_blocks(inputs, one.weight.shape, one.out, block)]


def product_of_blocks(
    inputs: list[str], shape: tuple[int, ...], out: str, block: int
) -> onnx.NodeProto:
    """x · weight of `shape` [K, N], of which `inputs` hold x and what `to_blocks` made."""
    how = {"bits": 8, "block_size": block, "accuracy_level": _INT8_COMPUTE}
    return node("MatMulNBits", inputs, [out], K=shape[0], N=shape[1], **how)


def _columns(view: View, one: Linear) -> list[onnx.NodeProto]:
    whole, scales = to_columns(one.weight, SEVEN_BITS)
    numbers, scale, zero = (view.fresh(stem) for stem in ("numbers", "scale", "zero"))
    inputs = [numbers, view.constant(whole, "columns"), scale, view.constant(scales, "scales")]
    inputs += [zero, *([] if one.bias is None else ["", view.constant(one.bias, "bias")])]
    return [
        node("DynamicQuantizeLinear", [one.x], [numbers, scale, zero]),
        node("MatMulIntegerToFloat", inputs, [one.out]),
    ]


def to_blocks(
    weight: NDArray[np.float32], block: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """float32 [K, N] → (uint8 [N, blocks, block] around 128, scales float32 [N, blocks])."""
    rows, columns = weight.shape
    count = -(-rows // block)
    filled = np.zeros((count * block, columns), np.float32)
    filled[:rows] = weight
    blocks = filled.T.reshape(columns, count, block)
    scales = _scales(np.abs(blocks).max(axis=2), EIGHT_BITS)
    whole = np.rint(blocks / scales[..., None]) + 128
    return whole.astype(np.uint8), scales


def to_columns(
    weight: NDArray[np.float32], most: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """float32 [K, N] → (int8 [K, N] from -most to most, scales float32 [N])."""
    scales = _scales(np.abs(weight).max(axis=0), most)
    return np.rint(weight / scales).astype(np.int8), scales


def _scales(largest: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    return np.where(largest > 0, largest / most, 1).astype(np.float32)


def quantise_tables(model: onnx.ModelProto) -> int:
    """Tables that tokens are looked up in → int8 with a scale for each row; how many."""
    view = View(model)
    instead: dict[str, list[onnx.NodeProto]] = {}
    for item in view.graph.node:
        table = view.array(item.input[0]) if item.op_type == "Gather" else None
        if table is None or table.ndim != 2 or table.dtype != np.float32:
            continue
        if len(table) < LEAST_TABLE or attribute(item, "axis", 0) != 0:
            continue
        scales = _scales(np.abs(table).max(axis=1, keepdims=True), EIGHT_BITS)
        whole = np.rint(table / scales).astype(np.int8)
        rows, numbers, scale = (view.fresh(stem) for stem in ("rows", "numbers", "scale"))
        ids = item.input[1]
        instead[item.output[0]] = [
            node("Gather", [view.constant(whole, "table"), ids], [rows]),
            node("Cast", [rows], [numbers], to=onnx.TensorProto.FLOAT),
            node("Gather", [view.constant(scales, "scales"), ids], [scale]),
            node("Mul", [numbers, scale], [item.output[0]]),
        ]
    view.replace(instead)
    return len(instead)
