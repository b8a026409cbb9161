"""An ONNX graph that is being rewritten: who makes a value, who takes it, what is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from chalicelib.clip.session import short
from chalicelib.errors import ModelError

CONTRIB = "com.microsoft"
"""onnxruntime's own operators; they keep their meaning from one version to the next."""

CONTRIB_OPS = frozenset({"MultiHeadAttention", "MatMulNBits", "MatMulIntegerToFloat"})


class View:
    """One model. `makers` and `takers` are of the moment `look` was last called."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.graph = model.graph
        self._count = 0
        self.look()

    def look(self) -> None:
        """Read the graph anew, after it was changed."""
        self.constants = {tensor.name: tensor for tensor in self.graph.initializer}
        self.makers = {name: node for node in self.graph.node for name in node.output if name}
        self.takers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.graph.node:
            for name in node.input:
                self.takers[name].append(node)
        self.ends = {value.name for value in self.graph.output}

    def array(self, name: str) -> NDArray[Any] | None:
        """The value of an initializer; None for what is computed."""
        tensor = self.constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def scalar(self, name: str) -> float | None:
        value = self.array(name)
        return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None

    def fresh(self, stem: str) -> str:
        """A name that nothing has yet."""
        while True:
            self._count += 1
            name = f"{stem}__{self._count}"
            if name not in self.constants and name not in self.makers:
                return name

    def constant(self, value: NDArray[Any], stem: str) -> str:
        """A new initializer; returns its name."""
        name = self.fresh(stem)
        tensor = numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
        self.graph.initializer.append(tensor)
        self.constants[name] = self.graph.initializer[-1]
        return name

    def only_taker(self, name: str) -> onnx.NodeProto | None:
        """Who takes the value, where that is one node and the value is no output of the graph."""
        takers = self.takers[name]
        return takers[0] if len(takers) == 1 and name not in self.ends else None

    def replace(
        self, instead: Mapping[str, Iterable[onnx.NodeProto]], gone: Iterable[str] = ()
    ) -> None:
        """Put new nodes where the makers of values stand (by output name); drop what is unused."""
        dropped = set(gone)
        nodes: list[onnx.NodeProto] = []
        for node in self.graph.node:
            first = node.output[0]
            if first in instead:
                nodes.extend(instead[first])
            elif first not in dropped:
                nodes.append(node)
        self._set_nodes(nodes)
        self.prune()

    def prune(self) -> None:
        """Drop nodes and initializers that no output needs."""
        needed = {value.name for value in self.graph.output}
        kept: list[onnx.NodeProto] = []
        for node in reversed(self.graph.node):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(node.input)
                needed.update(_names_within(node))
        self._set_nodes(list(reversed(kept)))
        for at in reversed(range(len(self.graph.initializer))):
            if self.graph.initializer[at].name not in needed:
                del self.graph.initializer[at]
        domains = {opset.domain for opset in self.model.opset_import}
        if CONTRIB not in domains and any(n.domain == CONTRIB for n in self.graph.node):
            self.model.opset_import.append(helper.make_opsetid(CONTRIB, 1))
        self.look()

    def _set_nodes(self, nodes: list[onnx.NodeProto]) -> None:
        del self.graph.node[:]
        self.graph.node.extend(nodes)


def node(op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> onnx.NodeProto:
    """A node; onnxruntime's own operators get their domain."""
    domain = CONTRIB if op in CONTRIB_OPS else ""
    return helper.make_node(op, inputs, outputs, name=outputs[0], domain=domain, **attributes)


def attribute(of: onnx.NodeProto, name: str, default: Any) -> Any:
    for entry in of.attribute:
        if entry.name == name:
            return helper.get_attribute_value(entry)
    return default


def in_order(graph: onnx.GraphProto) -> None:
    """Sort the nodes so that each stands after what it takes."""
    makers = {name: at for at, item in enumerate(graph.node) for name in item.output if name}
    nodes, placed, order = list(graph.node), set[int](), list[onnx.NodeProto]()
    for start in range(len(nodes)):
        stack = [start]
        while stack:
            at = stack[-1]
            wanted = {*nodes[at].input, *_names_within(nodes[at])}
            before = {makers[n] for n in wanted if n in makers} - placed - {at}
            if before and at not in placed:
                stack.extend(sorted(before, reverse=True))
                continue
            stack.pop()
            if at not in placed:
                placed.add(at)
                order.append(nodes[at])
    del graph.node[:]
    graph.node.extend(order)


def shapes_of(model: onnx.ModelProto) -> dict[str, list[int | None]]:
    """What can be known of each value's shape without running; a free side is None."""
    try:
        known = onnx.shape_inference.infer_shapes(_without_weights(model), data_prop=True).graph
    except Exception as error:  # onnx raises several kinds, with no common root
        raise ModelError(f"the graph's shapes cannot be worked out ({short(error)})") from error
    found: dict[str, list[int | None]] = {}
    for value in [*known.value_info, *known.input, *known.output]:
        if value.type.tensor_type.HasField("shape"):
            sides = value.type.tensor_type.shape.dim
            found[value.name] = [s.dim_value if s.dim_value > 0 else None for s in sides]
    for tensor in known.initializer:
        found[tensor.name] = list(tensor.dims)
    return found


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose large initializers are inputs: shape inference refuses more than 2 GiB."""
    light = onnx.ModelProto(ir_version=model.ir_version)
    light.opset_import.extend(model.opset_import)
    light.functions.extend(model.functions)
    graph = light.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    for tensor in model.graph.initializer:
        if np.prod(tensor.dims, dtype=np.int64) <= 64:
            graph.initializer.append(tensor)
        else:
            of_shape = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            graph.input.append(of_shape)
    return light


def _names_within(of: onnx.NodeProto) -> set[str]:
    """What the graphs inside a node (If, Loop) take, from outside or from each other."""
    names: set[str] = set()
    for entry in of.attribute:
        for inner in [*([entry.g] if entry.HasField("g") else []), *entry.graphs]:
            for item in inner.node:
                names.update(item.input)
                names.update(_names_within(item))
            names.update(value.name for value in inner.output)
    return names
