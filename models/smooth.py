"""Outliers of what flows between layers → the weights behind it, where they are easier to round.

After training, a few channels behind each LayerNorm are tens of times as large as the others, and
rounding what flows to eight bits leaves those others too few steps. Each channel is divided by a
number of its own, in the LayerNorm's gain and offset, and the next matrix's row multiplied by it:
the same product, at no cost (Xiao et al. 2022, "SmoothQuant", with its migration strength 0.5).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from models.optimise_graph import Inputs, agree, run_all
from models.optimise_view import View, attribute
from models.quantise import linears

_PARAMETERS = {"LayerNormalization": (1, 2), "SkipLayerNormalization": (2, 3)}
"""Which inputs are gain and offset; the offset may be lacking."""

_MOST = 256.0
"""The largest factor, either way: beyond it a channel is as good as silent."""


def smooth(model: onnx.ModelProto, probe: Inputs, scratch: Path) -> int:
    """Rewrite `model` in place; how many LayerNorms it was done behind.

    What flows is looked at with `probe`. Nothing is done where the result would differ.
    """
    smoothed = onnx.ModelProto()
    smoothed.CopyFrom(model)
    view = View(smoothed)
    products = Counter(one.x for one in linears(view))
    norms = {item.output[0]: item for item in smoothed.graph.node if _fits(view, item, products)}
    if not norms:
        return 0
    result = model.graph.output[0].name
    seen = run_all(model, [*norms, result], probe, scratch)
    for name, norm in norms.items():
        values = seen[name]
        _divide(view, norm, np.abs(values.reshape(-1, values.shape[-1])).max(axis=0))
    view.prune()
    if not agree(smoothed, probe, seen[result], scratch):
        return 0
    model.CopyFrom(smoothed)
    return len(norms)


def _fits(view: View, item: onnx.NodeProto, products: Counter[str]) -> bool:
    """Whether all that follows a LayerNorm of known gain is products with known matrices.

    `products` are how many of those each value goes into.
    """
    places = _PARAMETERS.get(item.op_type)
    if places is None or len(item.input) <= places[0] or item.output[0] in view.ends:
        return False
    known = [view.array(name) for name in _parameters(item)]
    takers = view.takers[item.output[0]]
    return all(value is not None for value in known) and (
        0 < products[item.output[0]] == len(takers)
    )


def _parameters(item: onnx.NodeProto) -> list[str]:
    places = _PARAMETERS[item.op_type]
    return [item.input[at] for at in places if at < len(item.input) and item.input[at]]


def _divide(view: View, norm: onnx.NodeProto, largest: NDArray[np.float32]) -> None:
    """`largest` [K] is what each channel behind `norm` reaches."""
    takers = view.takers[norm.output[0]]
    rows = [_rows(view, taker) for taker in takers]
    weights = np.max([np.abs(matrix).max(axis=1) for matrix in rows], axis=0)
    factors = _factors(largest, weights)
    for at in _PARAMETERS[norm.op_type]:
        if at < len(norm.input) and (value := view.array(norm.input[at])) is not None:
            norm.input[at] = view.constant((value / factors).astype(np.float32), "smooth")
    for taker, matrix in zip(takers, rows, strict=True):
        scaled = (matrix * factors[:, None]).astype(np.float32)
        turned = taker.op_type == "Gemm" and attribute(taker, "transB", 0)
        taker.input[1] = view.constant(scaled.T if turned else scaled, "smooth")


def _rows(view: View, taker: onnx.NodeProto) -> NDArray[np.float32]:
    """The matrix [K, N] of a product that `linears` knows."""
    matrix = view.array(taker.input[1])
    assert matrix is not None, "linears takes known matrices only"
    return matrix.T if taker.op_type == "Gemm" and attribute(taker, "transB", 0) else matrix


def _factors(largest: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """√(what flows / the weight), [K]; 1 for a channel in which nothing flows or counts."""
    tiny = np.finfo(np.float32).tiny
    factors = np.sqrt(np.maximum(largest, tiny) / np.maximum(weights, tiny))
    dead = (largest < 1e-6) | (weights < 1e-9)
    factors[dead] = 1.0
    middle = np.exp(np.log(factors[~dead]).mean()) if not dead.all() else 1.0
    clipped: NDArray[np.float32] = np.clip(factors / middle, 1 / _MOST, _MOST)
    return np.where(dead, np.float32(1), clipped)
