"""A CLIP of two small layers a tower in the form of a real export, made in a moment.

Its weights are random, but large enough in patches and tokens that pictures and texts lie apart:
the first ten of a hundred mean something. The tokenizer is tiny_clip's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from bench.clip_graph import Size, Weights, text_graph, vision_graph
from bench.random_clip import random_weights
from chalicelib.clip.folder import read_folder
from chalicelib.clip.pixels import to_pixels
from models.verify import Sample
from models.verify_texts import sample_texts
from tests.unit import tiny_clip
from tests.unit.pictures import scene

WIDTH = 96
"""No multiple of the block that weights are quantised in."""

SIZE = Size(32, tiny_clip.SIDE, 8, (WIDTH, 2, 4), (WIDTH, 2, 4), tiny_clip.MAX_TOKENS, 400)

_POISON = 1e6


def build(
    folder: Path, *, poisoned: bool = False, outliers: bool = False, attention_mask: bool = False
) -> Path:
    """Write the folder and return its path.

    With `outliers`, some channels behind each LayerNorm are a hundred times as large and the
    weights behind them a hundredth: the same vectors, as trained networks come to them.
    With `poisoned`, every linear layer has enormous weights where its input is always zero: fp32
    is none the worse, but whole numbers on a common scale lose all other weights.
    """
    tiny_clip.build(folder)
    weights = random_weights(SIZE, seed=1)
    weights["vision_model.embeddings.patch_embedding.weight"] *= 10
    weights["text_model.embeddings.token_embedding.weight"] *= 10
    if poisoned:
        _poison(weights)
    if outliers:
        _stretch(weights)
    config = folder / "config.json"
    dim = f'"projection_dim": {tiny_clip.DIM}'
    config.write_text(config.read_text().replace(dim, f'"projection_dim": {SIZE.dim}'))
    for role, model in (
        ("vision", vision_graph(weights, SIZE)),
        ("text", text_graph(weights, SIZE, attention_mask=attention_mask)),
    ):
        onnx.save(model, str(folder / "onnx" / f"{role}_model.onnx"))
    return folder


def sample(folder: Path) -> Sample:
    """A hundred pictures and the product's texts, to compare a form of the model in `folder` on."""
    spec = read_folder(folder).pixels
    pictures = [to_pixels(scene(64, 48, seed=seed), spec) for seed in range(100)]
    return Sample(np.stack(pictures), sample_texts())


def _stretch(weights: Weights, factor: float = 100.0) -> None:
    behind = {
        "layer_norm1": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "layer_norm2": ("mlp.fc1",),
    }
    for name in list(weights):
        layer, _, norm = name.removesuffix(".weight").rpartition(".")
        if norm not in behind or not name.endswith(".weight"):
            continue
        for at in (3, 40, 70):
            weights[name][at] *= factor
            weights[f"{layer}.{norm}.bias"][at] *= factor
            for follower in behind[norm]:
                weights[f"{layer}.{follower}.weight"][:, at] /= factor


def _poison(weights: Weights) -> None:
    """Channels 0 and 64, one in each block: silent before every linear layer."""
    for at in (0, 64):
        for name, array in weights.items():
            kind = name.rpartition(".")[0].rpartition(".")[2]
            if "norm" in kind or kind in ("v_proj", "fc1"):
                array[at] = 0
        for name, array in weights.items():
            if name.endswith(("proj.weight", "projection.weight", "fc1.weight", "fc2.weight")):
                array[:, at] = _POISON
        for name, array in weights.items():
            if name.endswith(("v_proj.weight", "fc1.weight")):
                array[at] = 0
    for name, array in weights.items():
        if name.endswith("fc2.weight"):
            for at in range(0, array.shape[1], 64):
                hidden = weights[name.replace("fc2", "fc1")]
                hidden[at] = weights[name.replace("fc2.weight", "fc1.bias")][at] = 0
                array[:, at] = _POISON
