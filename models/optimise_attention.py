"""Attention in elementary operators → one MultiHeadAttention node a layer.

Exporters write a layer's attention as some thirty nodes (reshapes, transposes, shapes computed at
run time), each of which costs a short text more than its arithmetic. onnxruntime has the whole as
one operator:
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#commicrosoftmultiheadattention

The search goes out from Softmax and is not picky about how heads were split and joined. It may so
be wrong, and its caller runs the graph before and after and keeps it only where both agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from models.optimise_view import View, in_order, node, shapes_of

_MOVES = {"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Contiguous"}
"""They move numbers and change none."""


@dataclass(frozen=True, slots=True)
class _Found:
    """One attention: names of its values, and the number it multiplies scores by."""

    query: str
    key: str
    value: str
    mask: str | None
    out: str
    heads: int
    scale: float


def fuse_attention(model: onnx.ModelProto) -> int:
    """Rewrite `model` in place; returns how many attentions were found."""
    view = View(model)
    shapes = shapes_of(model)
    softmaxes = [n for n in view.graph.node if n.op_type == "Softmax"]
    found = [f for f in (_match(view, shapes, n) for n in softmaxes) if f is not None]
    masks: dict[str, str] = {}
    instead: dict[str, list[onnx.NodeProto]] = {}
    for one in found:
        mask, before = _whole_mask(view, shapes, one, masks)
        inputs = [one.query, one.key, one.value, *(["", "", mask] if mask else [])]
        fused = node("MultiHeadAttention", inputs, [one.out], num_heads=one.heads, scale=one.scale)
        instead[one.out] = [*before, fused]
    view.replace(instead)
    in_order(view.graph)
    view.look()
    return len(found)


def _match(
    view: View, shapes: dict[str, list[int | None]], softmax: onnx.NodeProto
) -> _Found | None:
    mixing = view.only_taker(softmax.output[0])
    if mixing is None or mixing.op_type != "MatMul" or mixing.input[0] != softmax.output[0]:
        return None
    scores, mask, scale = _scores(view, softmax.input[0])
    if scores is None:
        return None
    query, by_query = _source(view, scores.input[0])
    key, by_key = _source(view, scores.input[1])
    value, by_value = _source(view, mixing.input[1])
    width, part = _last(shapes, query), _last(shapes, scores.input[0])
    out = _joined(view, mixing.output[0])
    if by_value != 1.0 or width is None or part is None or width % part or out is None:
        return None
    if any(len(shapes.get(name, [])) != 3 for name in (query, key, value)):
        return None
    return _Found(query, key, value, mask, out, width // part, scale * by_query * by_key)


def _last(shapes: dict[str, list[int | None]], name: str) -> int | None:
    shape = shapes.get(name)
    return shape[-1] if shape else None


def _scores(view: View, name: str) -> tuple[onnx.NodeProto | None, str | None, float]:
    """(the MatMul of queries and keys, the mask that is added, the factor), up from a Softmax."""
    mask: str | None = None
    scale = 1.0
    while (maker := view.makers.get(name)) is not None:
        if maker.op_type == "MatMul":
            return maker, mask, scale
        if maker.op_type in _MOVES:
            name = maker.input[0]
        elif maker.op_type in ("Mul", "Div") and (by := _factor(view, maker)) is not None:
            name, scale = by[0], scale * by[1]
        elif maker.op_type == "Add" and mask is None and scale == 1.0:
            sides = [n for n in maker.input if _leads_to_product(view, n)]
            if len(sides) != 1:
                break
            name = sides[0]
            mask = next(n for n in maker.input if n != name)
        else:
            break
    return None, None, scale


def _leads_to_product(view: View, name: str) -> bool:
    while (maker := view.makers.get(name)) is not None:
        if maker.op_type == "MatMul":
            return True
        if maker.op_type not in {*_MOVES, "Mul", "Div"}:
            return False
        name = maker.input[0]
    return False


def _factor(view: View, maker: onnx.NodeProto) -> tuple[str, float] | None:
    """(what is multiplied, by how much) of a Mul or Div by one constant number."""
    right = view.scalar(maker.input[1])
    if right is not None:
        return maker.input[0], right if maker.op_type == "Mul" else 1 / right
    left = view.scalar(maker.input[0])
    return (maker.input[1], left) if left is not None and maker.op_type == "Mul" else None


def _source(view: View, name: str) -> tuple[str, float]:
    """(the value before heads were split off it, the factor on the way)."""
    scale = 1.0
    while (maker := view.makers.get(name)) is not None:
        if maker.op_type in _MOVES:
            name = maker.input[0]
        elif maker.op_type in ("Mul", "Div") and (by := _factor(view, maker)) is not None:
            name, scale = by[0], scale * by[1]
        else:
            break
    return name, scale


def _joined(view: View, name: str) -> str | None:
    """The value in which the heads stand side by side again, after the last move."""
    last: str | None = None
    while (taker := view.only_taker(name)) is not None and taker.op_type in _MOVES:
        if taker.input[0] != name:
            break
        last = name = taker.output[0]
    return last


def _whole_mask(
    view: View, shapes: dict[str, list[int | None]], one: _Found, known: dict[str, str]
) -> tuple[str, list[onnx.NodeProto]]:
    """(the mask with a row for each query, or "" for none; the nodes that make it so).

    The operator takes a mask of four sides and does not spread one row over the queries:
    [N, 1, 1, L] → [N, 1, L, L]. `known` are the masks that were spread already.
    """
    shape = shapes.get(one.mask or "", [])
    if one.mask is None or (len(shape) == 4 and shape[2] != 1):
        return one.mask or "", []
    if one.mask in known:
        return known[one.mask], []
    whole, length, sides, spread = (view.fresh(s) for s in ("whole", "length", "sides", "spread"))
    ones = view.constant(np.ones(2, np.int64), "ones")
    one_more = view.constant(np.ones(1, np.int64), "one")
    axes = view.constant(np.arange(4 - len(shape), dtype=np.int64), "axes")
    known[one.mask] = spread
    return spread, [
        node("Unsqueeze", [one.mask, axes], [whole])
        if len(shape) < 4
        else node("Identity", [one.mask], [whole]),
        node("Shape", [one.query], [length], start=1, end=2),
        node("Concat", [ones, length, one_more], [sides], axis=0),
        node("Expand", [whole, sides], [spread]),
    ]
