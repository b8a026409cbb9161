"""The two graphs of a CLIP as exporters write them, from weights by Hugging Face's names.

The form is that of a traced export of transformers' CLIPModel at opset 14: LayerNorm and QuickGELU
in elementary operators, attention over [batch × heads] by MatMul and Softmax, shapes computed at
run time, the causal mask by Trilu, the text read at the highest token id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from models.graph import FLOAT, INT64, Graph, Shape

OPSET = 14
EPSILON = 1e-5
"""layer_norm_eps of CLIPTextConfig and CLIPVisionConfig."""

Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Size:
    """Widths, layers and heads of both towers."""

    dim: int
    side: int
    patch: int
    vision: tuple[int, int, int]
    text: tuple[int, int, int]
    tokens: int = 77
    vocabulary: int = 49408


class Encoder:
    """A Graph with the parts that both towers share, and a place for the weights."""

    def __init__(self, name: str, weights: Weights, width: int, heads: int) -> None:
        self.graph = Graph(name)
        self.add = self.graph.add
        self._weights = weights
        self._width, self._heads = width, heads
        self._known: dict[tuple[Any, ...], str] = {}

    def weight(self, name: str, *, turned: bool = False) -> str:
        array = self._weights[name]
        return self.graph.constant(array.T if turned else array)

    def number(self, value: float) -> str:
        return self._once(("float", value), lambda: self.graph.constant(value))

    def integer(self, value: int) -> str:
        return self._once(("int", value), lambda: self.graph.constant(value, np.int64))

    def integers(self, *values: int) -> str:
        return self._once(("ints", *values), lambda: self.graph.integers(*values))

    def _once(self, key: tuple[Any, ...], make: Any) -> str:
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]

    def side(self, x: str, axis: int) -> str:
        """One side of x's shape, known at run time: int64 []."""
        return self.add("Gather", self.add("Shape", x), self.integer(axis), axis=0)

    def shape(self, *sides: str | int) -> str:
        """int64 [rank] of sides known now (numbers) or at run time (names)."""
        parts = [
            self.integers(s) if isinstance(s, int) else self.add("Unsqueeze", s, self.integers(0))
            for s in sides
        ]
        return self.add("Concat", *parts, axis=0)

    def norm(self, x: str, name: str) -> str:
        centred = self.add("Sub", x, self.add("ReduceMean", x, axes=[-1]))
        squares = self.add("Pow", centred, self.number(2.0))
        variance = self.add("ReduceMean", squares, axes=[-1])
        spread = self.add("Sqrt", self.add("Add", variance, self.number(EPSILON)))
        scaled = self.add("Mul", self.add("Div", centred, spread), self.weight(f"{name}.weight"))
        return self.add("Add", scaled, self.weight(f"{name}.bias"))

    def linear(self, x: str, name: str) -> str:
        product = self.add("MatMul", x, self.weight(f"{name}.weight", turned=True))
        return self.add("Add", self.weight(f"{name}.bias"), product)

    def layer(self, x: str, name: str, mask: str | None) -> str:
        attended = self._attention(self.norm(x, f"{name}.layer_norm1"), f"{name}.self_attn", mask)
        x = self.add("Add", x, attended)
        wide = self.linear(self.norm(x, f"{name}.layer_norm2"), f"{name}.mlp.fc1")
        gate = self.add("Sigmoid", self.add("Mul", wide, self.number(1.702)))
        return self.add("Add", x, self.linear(self.add("Mul", wide, gate), f"{name}.mlp.fc2"))

    def _attention(self, x: str, name: str, mask: str | None) -> str:
        size = self._width // self._heads
        batch, length = self.side(x, 0), self.side(x, 1)
        rows = self.add("Mul", batch, self.integer(self._heads))

        def heads(part: str) -> str:
            split = self.shape(batch, length, self._heads, size)
            apart = self.add("Reshape", part, split)
            turned = self.add("Transpose", apart, perm=[0, 2, 1, 3])
            return self.add("Reshape", turned, self.shape(rows, -1, size))

        asked = self.linear(x, f"{name}.q_proj")
        query = heads(self.add("Mul", asked, self.number(size**-0.5)))
        key = heads(self.linear(x, f"{name}.k_proj"))
        value = heads(self.linear(x, f"{name}.v_proj"))
        scores = self.add("MatMul", query, self.add("Transpose", key, perm=[0, 2, 1]))
        if mask is not None:
            by_text = self.shape(batch, self._heads, length, length)
            masked = self.add("Add", self.add("Reshape", scores, by_text), mask)
            scores = self.add("Reshape", masked, self.shape(rows, length, length))
        mixed = self.add("MatMul", self.add("Softmax", scores, axis=-1), value)
        apart = self.add("Reshape", mixed, self.shape(batch, self._heads, length, size))
        turned = self.add("Transpose", apart, perm=[0, 2, 1, 3])
        joined = self.add("Reshape", turned, self.shape(batch, length, self._width))
        return self.linear(joined, f"{name}.out_proj")

    def build(self, row: str, name: str, dim: int, hidden: str) -> onnx.ModelProto:
        """The model with the outputs `name` [N, dim] and last_hidden_state [N, L, width]."""
        model = self.graph.build(row, name, ["batch_size", dim])
        model.opset_import[0].version = OPSET
        model.graph.node.append(helper.make_node("Identity", [hidden], ["last_hidden_state"]))
        shape: Shape = ["batch_size", "length", self._width]
        model.graph.output.append(helper.make_tensor_value_info("last_hidden_state", FLOAT, shape))
        return model


def vision_graph(weights: Weights, size: Size) -> onnx.ModelProto:
    """pixel_values float32 [N, 3, side, side] → image_embeds float32 [N, dim]."""
    width, layers, heads = size.vision
    tower = Encoder("vision", weights, width, heads)
    add = tower.add
    shape: Shape = ["batch_size", 3, size.side, size.side]
    pixels = tower.graph.input("pixel_values", FLOAT, shape)
    kernel = tower.weight("vision_model.embeddings.patch_embedding.weight")
    step = [size.patch, size.patch]
    patches = add("Conv", pixels, kernel, kernel_shape=step, strides=step)
    count = (size.side // size.patch) ** 2
    batch = tower.side(pixels, 0)
    rows = add("Reshape", patches, tower.shape(batch, width, count))
    one = tower.weight("vision_model.embeddings.class_embedding")
    first = add("Expand", one, tower.shape(batch, 1, width))
    x = add("Concat", first, add("Transpose", rows, perm=[0, 2, 1]), axis=1)
    x = add("Add", x, tower.weight("vision_model.embeddings.position_embedding.weight"))
    x = tower.norm(x, "vision_model.pre_layrnorm")
    for layer in range(layers):
        x = tower.layer(x, f"vision_model.encoder.layers.{layer}", None)
    pooled = add("Gather", x, tower.integer(0), axis=1)
    pooled = tower.norm(pooled, "vision_model.post_layernorm")
    row = add("MatMul", pooled, tower.weight("visual_projection.weight", turned=True))
    return tower.build(row, "image_embeds", size.dim, x)


def text_graph(weights: Weights, size: Size, *, attention_mask: bool) -> onnx.ModelProto:
    """input_ids int64 [N, L] → text_embeds float32 [N, dim]."""
    width, layers, heads = size.text
    tower = Encoder("text", weights, width, heads)
    add = tower.add
    shape = ["batch_size", "sequence_length"]
    ids = tower.graph.input("input_ids", INT64, shape)
    given = tower.graph.input("attention_mask", INT64, shape) if attention_mask else None
    words = add("Gather", tower.weight("text_model.embeddings.token_embedding.weight"), ids)
    length = tower.side(ids, 1)
    places = tower.weight("text_model.embeddings.position_embedding.weight")
    span = (tower.integers(0), tower.shape(length), tower.integers(0))
    x = add("Add", words, add("Slice", places, *span))
    mask = _causal(tower, length)
    if given is not None:
        mask = add("Add", mask, _padding(tower, given))
    for layer in range(layers):
        x = tower.layer(x, f"text_model.encoder.layers.{layer}", mask)
    x = tower.norm(x, "text_model.final_layer_norm")
    end = add("ArgMax", ids, axis=-1, keepdims=0)
    at = add("Unsqueeze", end, tower.integers(1))
    pooled = add("GatherND", x, at, batch_dims=1)
    row = add("MatMul", pooled, tower.weight("text_projection.weight", turned=True))
    return tower.build(row, "text_embeds", size.dim, x)


LOWEST = float(np.finfo(np.float32).min)


def _causal(tower: Encoder, length: str) -> str:
    """float32 [1, 1, L, L]: the lowest number above the diagonal, 0 elsewhere."""
    value = helper.make_tensor("value", FLOAT, [1], [LOWEST])
    full = tower.add("ConstantOfShape", tower.shape(length, length), value=value)
    upper = tower.add("Trilu", full, tower.integer(1), upper=1)
    return tower.add("Unsqueeze", upper, tower.integers(0, 1))


def _padding(tower: Encoder, given: str) -> str:
    """float32 [N, 1, 1, L]: half the lowest number at padding, so that sums stay finite."""
    kept = tower.add("Cast", given, to=FLOAT)
    absent = tower.add("Sub", tower.number(1.0), kept)
    low = tower.add("Mul", absent, tower.number(LOWEST / 2))
    return tower.add("Unsqueeze", low, tower.integers(1, 2))
