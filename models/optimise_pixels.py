"""A vision graph that takes the pixels themselves: uint8 [N, H, W, 3], normalised inside.

A quarter of the bytes go in, and the product's own pass over them falls away. Where the picture is
cut into patches by a convolution without padding, the normalisation goes into its weights and
costs nothing: Σ w · (p/255 − m)/s = Σ w/(255 s) · p − Σ w · m/s. With `whole`, that convolution
becomes a product of int8 blocks over p − 128, which whole numbers hold with hardly a loss.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from chalicelib.clip.pixels import PixelSpec
from models.optimise_graph import NAMES
from models.optimise_view import View, attribute, node
from models.quantise import BLOCK, product_of_blocks, to_blocks

_TAKEN = NAMES["vision"][0]

_MIDDLE = 128
"""Taken from each pixel, so that what is rounded lies around zero."""


def take_pixels(model: onnx.ModelProto, spec: PixelSpec, *, whole: bool) -> None:
    """Rewrite `model`, which takes float32 [N, 3, H, W], in place."""
    view = View(model)
    patches = _patches(view)
    if patches is None:
        _normalise_before(view, spec)
    else:
        (_whole_patches if whole else _fold)(view, spec, patches)
        _turn_shapes(view)
    value = model.graph.input[0]
    value.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    sides = value.type.tensor_type.shape.dim
    batch = onnx.TensorShapeProto.Dimension()
    batch.CopyFrom(sides[0])
    del sides[:]
    sides.append(batch)
    for size in (spec.crop, spec.crop, 3):
        sides.add().dim_value = size
    view.prune()


def _patches(view: View) -> onnx.NodeProto | None:
    """The convolution that alone reads the picture, where it cuts it into patches."""
    shapes = [taker for taker in view.takers[_TAKEN] if taker.op_type == "Shape"]
    others = [taker for taker in view.takers[_TAKEN] if taker.op_type != "Shape"]
    if len(others) != 1 or others[0].op_type != "Conv" or not all(map(_whole_shape, shapes)):
        return None
    conv = others[0]
    kernel = view.array(conv.input[1])
    if kernel is None:
        return None
    plain = (
        kernel.ndim == 4
        and kernel.shape[1] == 3
        and kernel.shape[2] == kernel.shape[3]
        and attribute(conv, "group", 1) == 1
        and not any(attribute(conv, "pads", []))
        and attribute(conv, "auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
        and set(attribute(conv, "dilations", [1])) == {1}
        and list(attribute(conv, "strides", [1, 1])) == list(kernel.shape[2:])
    )
    return conv if plain else None


def _whole_shape(shape: onnx.NodeProto) -> bool:
    return attribute(shape, "start", 0) == 0 and attribute(shape, "end", None) is None


def _turn_shapes(view: View) -> None:
    """Who asks for the picture's shape is told it as [N, 3, H, W], as before."""
    order = view.constant(np.asarray([0, 3, 1, 2], np.int64), "order")
    instead: dict[str, list[onnx.NodeProto]] = {}
    for taker in view.takers[_TAKEN]:
        if taker.op_type == "Shape":
            sides = view.fresh("sides")
            asked = node("Shape", [_TAKEN], [sides])
            instead[taker.output[0]] = [asked, node("Gather", [sides, order], [taker.output[0]])]
    view.replace(instead)


def _parts(spec: PixelSpec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(a, b) of a · p + b = (p/255 − mean)/std, float64 [3] each."""
    std = np.asarray(spec.std, np.float64)
    return 1 / (255 * std), -np.asarray(spec.mean, np.float64) / std


def _normalise_before(view: View, spec: PixelSpec) -> None:
    scale, shift = (part.astype(np.float32).reshape(3, 1, 1) for part in _parts(spec))
    turned, numbers, scaled, ready = (
        view.fresh(stem) for stem in ("turned", "numbers", "scaled", "normalised")
    )
    for taker in view.takers[_TAKEN]:
        for at, name in enumerate(taker.input):
            if name == _TAKEN:
                taker.input[at] = ready
    nodes = [
        node("Transpose", [_TAKEN], [turned], perm=[0, 3, 1, 2]),
        node("Cast", [turned], [numbers], to=onnx.TensorProto.FLOAT),
        node("Mul", [numbers, view.constant(scale, "scale")], [scaled]),
        node("Add", [scaled, view.constant(shift, "shift")], [ready]),
    ]
    _put_first(view, nodes)


def _folded(
    view: View, spec: PixelSpec, conv: onnx.NodeProto
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(kernel over pixels [C, 3, S, S], bias [C]), float64."""
    kernel = view.array(conv.input[1])
    assert kernel is not None
    scale, shift = _parts(spec)
    exact = kernel.astype(np.float64)
    bias = (exact * shift[None, :, None, None]).sum(axis=(1, 2, 3))
    if len(conv.input) > 2:
        given = view.array(conv.input[2])
        bias = bias + (0 if given is None else given)
    return exact * scale[None, :, None, None], bias


def _fold(view: View, spec: PixelSpec, conv: onnx.NodeProto) -> None:
    kernel, bias = _folded(view, spec, conv)
    turned, numbers = view.fresh("turned"), view.fresh("numbers")
    weights = [
        view.constant(kernel.astype(np.float32), "kernel"),
        view.constant(bias.astype(np.float32), "bias"),
    ]
    del conv.input[:]
    conv.input.extend([numbers, *weights])
    _put_first(
        view,
        [
            node("Transpose", [_TAKEN], [turned], perm=[0, 3, 1, 2]),
            node("Cast", [turned], [numbers], to=onnx.TensorProto.FLOAT),
        ],
    )


def _whole_patches(view: View, spec: PixelSpec, conv: onnx.NodeProto) -> None:
    """[N, H, W, 3] → rows of patches [N, g · g, 3 S S] · whole weights → [N, C, g, g]."""
    kernel, bias = _folded(view, spec, conv)
    channels, size = kernel.shape[0], kernel.shape[2]
    grid = spec.crop // size
    flat = kernel.transpose(2, 3, 1, 0).reshape(-1, channels).astype(np.float32)
    blocks, scales = to_blocks(flat, BLOCK)
    bias = bias + _MIDDLE * flat.astype(np.float64).sum(axis=0)
    apart, ordered, rows, numbers, centred, product, grids = (
        view.fresh(stem)
        for stem in ("apart", "ordered", "rows", "numbers", "centred", "product", "grids")
    )

    def shape(*sides: int) -> str:
        return view.constant(np.asarray(sides, np.int64), "shape")

    middle = view.constant(np.asarray(_MIDDLE, np.float32), "middle")
    weights = [view.constant(blocks, "blocks"), view.constant(scales, "scales")]
    weights += ["", "", view.constant(bias.astype(np.float32), "bias")]
    nodes = [
        node("Reshape", [_TAKEN, shape(-1, grid, size, grid, size, 3)], [apart]),
        node("Transpose", [apart], [ordered], perm=[0, 1, 3, 2, 4, 5]),
        node("Reshape", [ordered, shape(-1, grid * grid, size * size * 3)], [rows]),
        node("Cast", [rows], [numbers], to=onnx.TensorProto.FLOAT),
        node("Sub", [numbers, middle], [centred]),
        product_of_blocks([centred, *weights], flat.shape, product, BLOCK),
        node("Reshape", [product, shape(-1, grid, grid, channels)], [grids]),
        node("Transpose", [grids], [conv.output[0]], perm=[0, 3, 1, 2]),
    ]
    view.replace({conv.output[0]: nodes})


def _put_first(view: View, nodes: list[onnx.NodeProto]) -> None:
    rest = list(view.graph.node)
    del view.graph.node[:]
    view.graph.node.extend([*nodes, *rest])
    view.look()
