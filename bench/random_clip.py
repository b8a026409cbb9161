"""A CLIP of random weights, as large as a real one, in the layout that transformers.js publishes.

    python -m bench.random_clip FOLDER [--seed N] [--size vit-b-32] [--torch] [--attention-mask]

It takes the time, the memory and the code paths of a real model; only its answers mean nothing.
With `--torch` the same weights are written for transformers too (model.safetensors).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from bench.clip_graph import Size, Weights, text_graph, vision_graph
from bench.clip_tokenizer import write_tokenizer
from models.cache import cache_folder
from models.clip_bpe import END, START

SIZES = {
    "vit-b-32": Size(512, 224, 32, vision=(768, 12, 12), text=(512, 12, 8)),
    "small": Size(64, 64, 16, vision=(96, 3, 4), text=(64, 3, 4)),
}
VERSION = 1
"""Raised with every change that makes other files; folders built before are then built again."""

MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]


def build(
    folder: str | Path,
    *,
    seed: int = 0,
    size: str = "vit-b-32",
    attention_mask: bool = False,
    torch: bool = False,
) -> Path:
    """Write the model folder, unless these very settings built it before; returns its path.

    With `attention_mask` the text tower takes one beside the ids, as some exports do; with
    `torch` the folder also holds model.safetensors, by the names of transformers' CLIPModel.
    """
    folder = Path(folder)
    built = {"version": VERSION, "seed": seed, "size": size, "attention_mask": attention_mask}
    noted = folder / "random.json"
    if not noted.is_file() or json.loads(noted.read_text(encoding="utf-8")) != built:
        _write(folder, SIZES[size], seed, attention_mask)
        noted.write_text(json.dumps(built) + "\n", encoding="utf-8")
        (folder / "model.safetensors").unlink(missing_ok=True)
    if torch and not (folder / "model.safetensors").is_file():
        _write_safetensors(folder / "model.safetensors", random_weights(SIZES[size], seed))
    return folder


def _write(folder: Path, size: Size, seed: int, attention_mask: bool) -> None:
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    weights = random_weights(size, seed)
    _save(vision_graph(weights, size), folder / "onnx" / "vision_model.onnx")
    text = text_graph(weights, size, attention_mask=attention_mask)
    _save(text, folder / "onnx" / "text_model.onnx")
    write_tokenizer(folder)
    for name, value in _configs(size).items():
        (folder / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _save(model: onnx.ModelProto, path: Path) -> None:
    onnx.checker.check_model(model)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(model.SerializeToString())
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


# --- weights ----------------------------------------------------------------------------------


def random_weights(size: Size, seed: int) -> Weights:
    """Weights by Hugging Face's names, always the same for one seed."""
    rng = np.random.default_rng(seed)
    weights: Weights = {"logit_scale": np.asarray(np.log(1 / 0.07), np.float32)}
    width, layers, _ = size.vision
    places = (size.side // size.patch) ** 2 + 1
    name = "vision_model.embeddings"
    weights[f"{name}.class_embedding"] = _normal(rng, width**-0.5, width)
    kernel = (width, 3, size.patch, size.patch)
    weights[f"{name}.patch_embedding.weight"] = _normal(rng, 0.02, *kernel)
    weights[f"{name}.position_embedding.weight"] = _normal(rng, 0.02, places, width)
    _norm(weights, rng, "vision_model.pre_layrnorm", width)
    _layers(weights, rng, "vision_model", width, layers)
    _norm(weights, rng, "vision_model.post_layernorm", width)
    weights["visual_projection.weight"] = _normal(rng, width**-0.5, size.dim, width)
    width, layers, _ = size.text
    name = "text_model.embeddings"
    weights[f"{name}.token_embedding.weight"] = _normal(rng, 0.02, size.vocabulary, width)
    weights[f"{name}.position_embedding.weight"] = _normal(rng, 0.01, size.tokens, width)
    _layers(weights, rng, "text_model", width, layers)
    _norm(weights, rng, "text_model.final_layer_norm", width)
    weights["text_projection.weight"] = _normal(rng, width**-0.5, size.dim, width)
    return weights


def _layers(weights: Weights, rng: np.random.Generator, tower: str, width: int, count: int) -> None:
    """The widths' roots scale each matrix, so that what flows through stays of order 1.

    CLIP divides what goes back into the stream by √(2 × layers) too; here it is not, since
    without training the picture would hardly reach the token that is read.
    """
    for layer in range(count):
        name = f"{tower}.encoder.layers.{layer}"
        for part in ("q", "k", "v", "out"):
            _linear(weights, rng, f"{name}.self_attn.{part}_proj", width, width)
        _linear(weights, rng, f"{name}.mlp.fc1", width, 4 * width)
        _linear(weights, rng, f"{name}.mlp.fc2", 4 * width, width)
        _norm(weights, rng, f"{name}.layer_norm1", width)
        _norm(weights, rng, f"{name}.layer_norm2", width)


def _linear(weights: Weights, rng: np.random.Generator, name: str, inner: int, outer: int) -> None:
    weights[f"{name}.weight"] = _normal(rng, inner**-0.5, outer, inner)
    weights[f"{name}.bias"] = _normal(rng, 0.02, outer)


def _norm(weights: Weights, rng: np.random.Generator, name: str, width: int) -> None:
    weights[f"{name}.weight"] = 1 + _normal(rng, 0.1, width)
    weights[f"{name}.bias"] = _normal(rng, 0.02, width)


def _normal(rng: np.random.Generator, spread: float, *shape: int) -> Any:
    numbers = rng.standard_normal(shape, np.float32)
    numbers *= np.float32(spread)
    return numbers


def _write_safetensors(path: Path, weights: Weights) -> None:
    """A 64-bit length, a JSON header, the numbers (github.com/huggingface/safetensors)."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, array in weights.items():
        offsets = [at, at := at + array.nbytes]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for array in weights.values():
            file.write(np.ascontiguousarray(array).tobytes())


# --- what stands beside the graphs ------------------------------------------------------------


def _configs(size: Size) -> dict[str, dict[str, Any]]:
    """For our loader, transformers.js, transformers and fastembed alike."""
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    return {
        "config.json": {
            "_name_or_path": "random-clip",
            "architectures": ["CLIPModel"],
            "model_type": "clip",
            "projection_dim": size.dim,
            "pad_token_id": size.vocabulary - 1,
            "text_config": _tower(size.text, size)
            | {
                "model_type": "clip_text_model",
                "max_position_embeddings": size.tokens,
                "vocab_size": size.vocabulary,
                "bos_token_id": size.vocabulary - 2,
                "eos_token_id": size.vocabulary - 1,
                "pad_token_id": size.vocabulary - 1,
            },
            "vision_config": _tower(size.vision, size)
            | {
                "model_type": "clip_vision_model",
                "image_size": size.side,
                "patch_size": size.patch,
            },
        },
        "preprocessor_config.json": {
            "image_processor_type": "CLIPImageProcessor",
            "feature_extractor_type": "CLIPFeatureExtractor",
            "do_resize": True,
            "size": {"shortest_edge": size.side},
            "resample": 3,
            "do_center_crop": True,
            "crop_size": {"height": size.side, "width": size.side},
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": MEAN,
            "image_std": STD,
            "do_convert_rgb": True,
        },
        "tokenizer_config.json": special
        | {"model_max_length": size.tokens, "tokenizer_class": "CLIPTokenizer"},
        "special_tokens_map.json": dict(special),
    }


def _tower(shape: tuple[int, int, int], size: Size) -> dict[str, Any]:
    width, layers, heads = shape
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "projection_dim": size.dim,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.random_clip")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", choices=sorted(SIZES), default="vit-b-32")
    parser.add_argument("--torch", action="store_true", help="also write model.safetensors")
    parser.add_argument("--attention-mask", action="store_true", help="the text tower takes one")
    given = parser.parse_args()
    folder = given.folder or cache_folder() / "bench" / given.size
    options = {"seed": given.seed, "size": given.size, "attention_mask": given.attention_mask}
    print(build(folder, torch=given.torch, **options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
