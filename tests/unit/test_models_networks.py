"""The graphs compute what the papers' layers compute, checked against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest

from chalicelib.errors import ModelError
from models import conse, efficientnet, minilm
from models.graph import FLOAT, Graph


def run(graph: Any, **inputs: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
    return session.run(None, inputs)[0]


# --- the sentence encoder ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def text_weights() -> dict[str, np.ndarray]:
    """Random weights in MiniLM's shapes, with a vocabulary of 50."""
    rng = np.random.default_rng(0)
    dim, wide = minilm.DIM, 4 * minilm.DIM
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (50, dim),
        "embeddings.position_embeddings.weight": (20, dim),
        "embeddings.token_type_embeddings.weight": (2, dim),
    }
    norms = ["embeddings.LayerNorm"]
    for n in range(minilm.LAYERS):
        prefix = f"encoder.layer.{n}."
        linear = {f"attention.self.{p}": (dim, dim) for p in ("query", "key", "value")}
        linear |= {"attention.output.dense": (dim, dim), "intermediate.dense": (wide, dim)}
        for name, shape in {**linear, "output.dense": (dim, wide)}.items():
            shapes |= {f"{prefix}{name}.weight": shape, f"{prefix}{name}.bias": shape[:1]}
        norms += [f"{prefix}attention.output.LayerNorm", f"{prefix}output.LayerNorm"]
    weights = {k: rng.normal(scale=0.05, size=s).astype(np.float32) for k, s in shapes.items()}
    for name in norms:
        weights[f"{name}.weight"] = rng.uniform(0.5, 1.5, dim).astype(np.float32)
        weights[f"{name}.bias"] = rng.normal(scale=0.1, size=dim).astype(np.float32)
    return weights


def bert(weights: dict[str, np.ndarray], ids: list[int]) -> np.ndarray:
    """One text through BERT in plain numpy, averaged and made unit: float64 [D]."""
    from math import erf

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ weights[f"{name}.weight"].astype(np.float64).T + weights[f"{name}.bias"]

    x = weights["embeddings.word_embeddings.weight"][ids].astype(np.float64)
    x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for n in range(minilm.LAYERS):
        at = f"encoder.layer.{n}."
        q, k, v = (linear(x, f"{at}attention.self.{p}") for p in ("query", "key", "value"))
        heads = []
        for h in np.split(np.arange(minilm.DIM), minilm.HEADS):
            scores = q[:, h] @ k[:, h].T / np.sqrt(len(h))
            share = np.exp(scores - scores.max(-1, keepdims=True))
            heads.append(share / share.sum(-1, keepdims=True) @ v[:, h])
        mixed = linear(np.concatenate(heads, axis=-1), f"{at}attention.output.dense")
        x = norm(mixed + x, f"{at}attention.output.LayerNorm")
        wide = linear(x, f"{at}intermediate.dense")
        wide = wide * (1 + np.vectorize(erf)(wide / np.sqrt(2))) / 2
        x = norm(linear(wide, f"{at}output.dense") + x, f"{at}output.LayerNorm")
    mean = x.mean(axis=0)
    return mean / np.linalg.norm(mean)


def batch(texts: list[list[int]]) -> dict[str, np.ndarray]:
    length = max(map(len, texts))
    ids = np.zeros((len(texts), length), np.int64)
    mask = np.zeros_like(ids)
    for row, text in enumerate(texts):
        ids[row, : len(text)], mask[row, : len(text)] = text, 1
    return {"input_ids": ids, "attention_mask": mask}


def test_the_sentence_encoder_is_bert_with_averaged_tokens(
    text_weights: dict[str, np.ndarray],
) -> None:
    texts = [[1, 7, 3], [4, 49, 8, 2, 11, 30, 5], [9]]
    got = run(minilm.encoder(text_weights), **batch(texts))
    wanted = np.stack([bert(text_weights, t) for t in texts])
    assert np.abs(got - wanted).max() < 1e-5


def test_a_centre_is_taken_from_the_unit_rows(text_weights: dict[str, np.ndarray]) -> None:
    inputs = batch([[1, 7, 3], [4, 2]])
    centre = np.random.default_rng(1).normal(scale=0.02, size=minilm.DIM).astype(np.float32)
    moved = run(minilm.encoder(text_weights), **inputs) - centre
    wanted = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    assert np.abs(run(minilm.encoder(text_weights, centre), **inputs) - wanted).max() < 1e-5


# --- the classifier ---------------------------------------------------------------------------


def convolution_weights(out: int, per_group: int, size: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(size)
    return {
        "c.weight": rng.normal(size=(out, per_group, size, size)).astype(np.float32),
        "n.weight": rng.uniform(0.5, 1.5, out).astype(np.float32),
        "n.bias": rng.normal(size=out).astype(np.float32),
        "n.running_mean": rng.normal(size=out).astype(np.float32),
        "n.running_var": rng.uniform(0.1, 2, out).astype(np.float32),
    }


@pytest.mark.parametrize(
    ("side", "size", "stride", "depthwise"),
    [(10, 3, 2, False), (9, 5, 2, True), (10, 5, 2, True), (7, 3, 1, True), (6, 1, 1, False)],
)
def test_convolutions_pad_as_tensorflow_and_hold_their_batch_norm(
    side: int, size: int, stride: int, depthwise: bool
) -> None:
    channels = 4
    weights = convolution_weights(channels, 1 if depthwise else channels, size)
    graph = Graph("test")
    source = graph.input("x", FLOAT, ["n", channels, side, side])
    end = efficientnet._convolution(
        graph, efficientnet._Map(source, channels, side), weights, "c", "n", stride=stride
    )
    x = np.random.default_rng(9).normal(size=(1, channels, side, side)).astype(np.float32)
    got = run(graph.build(end.name, "y", ["n", channels, end.side, end.side]), x=x)[0]

    side_out = -(-side // stride)
    padding = max((side_out - 1) * stride + size - side, 0)
    padded = np.pad(x[0], ((0, 0), *[(padding // 2, padding - padding // 2)] * 2))
    wanted = np.empty((channels, side_out, side_out))
    for c in range(channels):
        kernel = weights["c.weight"][c]
        for i, j in np.ndindex(side_out, side_out):
            patch = padded[:, i * stride : i * stride + size, j * stride : j * stride + size]
            wanted[c, i, j] = ((patch[c : c + 1] if depthwise else patch) * kernel).sum()
        wanted[c] -= weights["n.running_mean"][c]
        wanted[c] *= weights["n.weight"][c] / np.sqrt(weights["n.running_var"][c] + 1e-3)
        wanted[c] += weights["n.bias"][c]
    assert got.shape == wanted.shape
    assert np.abs(got - wanted.clip(0, 6)).max() < 1e-4


# --- joining them -----------------------------------------------------------------------------


def test_class_names_are_parsed_and_not_run() -> None:
    names = [f"kind {n}" for n in range(1000)]
    source = f"raise SystemExit\nOTHER = 1\nIMAGENET_CLASSNAMES = {tuple(names)!r}\n"
    assert conse.class_names(source.encode()) == names
    with pytest.raises(ModelError, match="holds 3 classes"):
        conse.class_names(b"IMAGENET_CLASSNAMES = ('a', 'b', 'c')")
    with pytest.raises(ModelError, match="holds no IMAGENET_CLASSNAMES"):
        conse.class_names(b"x = 1")


def test_definitions_come_in_the_order_of_the_classes() -> None:
    synsets = [f"n{n:08}" for n in range(1000)]
    table = "".join(f"{s}\tdefinition\tof {s}\n" for s in reversed(synsets))
    found = conse.class_definitions("\n".join(synsets).encode(), table.encode())
    assert found[3] == "definition\tof n00000003"
    with pytest.raises(ModelError, match="no definition of 'n9'"):
        conse.class_definitions(b"n9", table.encode())


def test_the_class_table_is_centred_and_mixes_names_with_definitions() -> None:
    rng = np.random.default_rng(0)
    known: dict[str, np.ndarray] = {}

    def encode(texts: list[str]) -> np.ndarray:
        for text in texts:
            row = known.setdefault(text, rng.normal(size=8))
            row /= np.linalg.norm(row)
        return np.stack([known[t] for t in texts]).astype(np.float32)

    names, definitions = ["cat", "dog", "cup"], ["a feline", "a canine", "a vessel"]
    table, centre = conse.class_table(encode, names, definitions)
    mixed = encode([f"a photo of a {n}" for n in names]) + 0.5 * encode(definitions)
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    assert np.allclose(table, mixed - mixed.mean(axis=0), atol=1e-6)
    assert np.allclose(centre, encode([f"a photo of a {n}" for n in names]).mean(axis=0))
