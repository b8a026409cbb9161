"""The ways to make each form of a tower, the fastest first."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx

from chalicelib.clip.spec import ModelFolder
from models.optimise_graph import Inputs, probe_of, run
from models.optimise_pixels import take_pixels
from models.optimise_view import View
from models.quantise import BLOCK, FINE_BLOCK, linears, quantise_linears, quantise_tables
from models.verify import Sample, Vectors

FORMS = ("int8", "fp16")

ROLES = ("vision", "text")

_INLINE = 1024
"""Bytes under which a constant stays in the graph's own file."""

_PROBED = 8
"""Pictures or texts on which layers are ranked."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One way: how linear layers are held, and the share of them that stays in fp32."""

    way: Literal["columns", "blocks", "half"]
    block: int = BLOCK
    kept: float = 0.0

    @property
    def said(self) -> str:
        held = {
            "columns": "int8 weights by column, whole-number products",
            "blocks": f"int8 weights by block of {self.block}, whole-number products",
            "half": "float16",
        }[self.way]
        return held + (f", the worst {self.kept:.0%} of layers in fp32" if self.kept else "")


COLUMNS, BLOCKS, HALF = Plan("columns"), Plan("blocks"), Plan("half")
FINE = replace(BLOCKS, block=FINE_BLOCK)
CAREFUL = (FINE, replace(FINE, kept=0.125), replace(FINE, kept=0.25), replace(FINE, kept=0.5))

LADDERS: dict[str, dict[str, tuple[Plan, ...]]] = {
    "int8": {"vision": (COLUMNS, BLOCKS, *CAREFUL), "text": (BLOCKS, *CAREFUL)},
    "fp16": {"vision": (HALF,), "text": (HALF,)},
}
"""With many rows (pictures) columns are much faster; with few (texts) they are not."""


class Maker:
    """Makes towers of one model by plan.

    `simple` are its graphs as `simple_graph` gives them, `wanted` the source's vectors of `sample`.
    """

    def __init__(
        self,
        folder: ModelFolder,
        simple: dict[str, onnx.ModelProto],
        sample: Sample,
        wanted: Vectors,
        scratch: Path,
    ) -> None:
        self.sample = sample
        self.wanted = wanted
        self._folder = folder
        self._simple = simple
        self._scratch = scratch
        self._ranked: dict[str, list[str]] = {}

    @property
    def convolves(self) -> bool:
        """Whether the pictures go through more convolutions than the one that cuts patches.

        onnxruntime lays those out for the processor it starts on, which it must be left to do.
        """
        nodes = self._simple["vision"].graph.node
        return len([item for item in nodes if item.op_type == "Conv"]) > 1

    def make(self, role: str, plan: Plan, path: Path) -> None:
        """Write the tower's graph to `path`."""
        model = onnx.ModelProto()
        model.CopyFrom(self._simple[role])
        if role == "vision":
            take_pixels(model, self._folder.pixels, whole=plan.way != "half")
        if plan.way == "half":
            model = _to_half(model)
        else:
            quantise_linears(model, plan.way, self._kept(role, plan), plan.block)
            quantise_tables(model)
        onnx.checker.check_model(_standard_part(model))
        path.parent.mkdir(parents=True, exist_ok=True)
        _save(model, path)

    def _kept(self, role: str, plan: Plan) -> frozenset[str]:
        if not plan.kept:
            return frozenset()
        if role not in self._ranked:
            self._ranked[role] = self._rank(role)
        ranked = self._ranked[role]
        return frozenset(ranked[: max(1, round(len(ranked) * plan.kept))])

    def _rank(self, role: str) -> list[str]:
        """Linear layers by how far rounding each alone moves the vectors, the farthest first."""
        simple = self._simple[role]
        pixels, texts = self.sample.first(_PROBED)
        probe = probe_of(self._folder, role, simple, pixels, texts)
        names = [one.out for one in linears(View(simple))]
        wanted = run(simple, probe, self._scratch)
        moved = {name: self._moved(simple, probe, wanted, names, name) for name in names}
        return sorted(names, key=lambda name: -moved[name])

    def _moved(
        self,
        simple: onnx.ModelProto,
        probe: Inputs,
        wanted: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
        names: list[str],
        name: str,
    ) -> float:
        model = onnx.ModelProto()
        model.CopyFrom(simple)
        quantise_linears(model, "blocks", frozenset(names) - {name})
        return float(np.square(run(model, probe, self._scratch) - wanted).sum())


def _save(model: onnx.ModelProto, path: Path) -> None:
    """Weights beside the graph, where the runtime maps them into memory instead of copying them."""
    data = path.with_name(f"{path.name}_data")
    data.unlink(missing_ok=True)
    onnx.save(
        model, str(path), save_as_external_data=True, location=data.name, size_threshold=_INLINE
    )
    data.chmod(0o644)  # onnx makes it for its owner alone, and others run it


def _to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights and arithmetic in float16; inputs as they are, vectors out in float32.

    Only the operators that onnxruntime's converter keeps in fp32 stay so; LayerNormalization and
    Softmax sum in fp32 inside on every device.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says each number that float16 rounds to zero
        half: onnx.ModelProto = convert_float_to_float16(
            model, keep_io_types=True, disable_shape_infer=True
        )
    return half


def _standard_part(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without its weights, for onnx's checker: it refuses more than 2 GiB."""
    light = onnx.ModelProto()
    light.CopyFrom(model)
    for tensor in light.graph.initializer:
        of_shape = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        light.graph.input.append(of_shape)
    del light.graph.initializer[:]
    return light
