"""A thin hand on `onnx.helper`: nodes and constants by name, in the order they are added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
"""The first with LayerNormalization; every runtime of the last years takes it."""

IR_VERSION = 8

FLOAT, INT64 = int(TensorProto.FLOAT), int(TensorProto.INT64)

Shape = Sequence[int | str]


class Graph:
    """An ONNX graph under construction."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype: int, shape: Shape) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """An initializer; returns its name."""
        name = f"c{len(self._constants)}"
        array: NDArray[Any] = np.ascontiguousarray(value, dtype).reshape(np.shape(value))
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def integers(self, *values: int) -> str:
        """A one-dimensional int64 initializer."""
        return self.constant(values, np.int64)

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """A node of one output; returns the output's name. Attributes are ONNX's."""
        return self.add_all(op, *inputs, outputs=1, **attributes)[0]

    def add_all(self, op: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """A node of several outputs; returns their names."""
        names = [f"{op.lower()}{len(self._nodes)}_{n}" for n in range(outputs)]
        self._nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names

    def unit(self, rows: str) -> str:
        """Each row of [N, D] divided by its length."""
        length = self.add("ReduceL2", rows, axes=[-1], keepdims=1)
        return self.add("Div", rows, length)

    def build(self, source: str, output: str, shape: Shape) -> onnx.ModelProto:
        """The model whose only output, `output` of `shape`, is `source`."""
        nodes = [*self._nodes, helper.make_node("Identity", [source], [output])]
        outputs = [helper.make_tensor_value_info(output, FLOAT, shape)]
        graph = helper.make_graph(nodes, self._name, self._inputs, outputs, self._constants)
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(
            graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="image-intellisense"
        )
