"""A tiny CLIP model folder, made in a moment, for tests of everything that needs vectors.

`build(folder)` writes a transformers.js-layout folder: pictures are 32 × 32 pixels, vectors have
16 parts, texts at most 77 tokens. The weights are random but always the same, except that the
words of `COLOURS` point where a plain picture of that colour points: "red" finds red pictures
first. Other texts give some other direction, each its own. Vision sees a 4 × 4 grid of mean
colours; text is causal and pooled at the end token, as in CLIP, so padding changes nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import RobertaProcessing

DIM = 16
SIDE = 32
GRID = 4
MAX_TOKENS = 77
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
COLOURS = {
    "red": (220, 20, 20),
    "green": (20, 160, 20),
    "blue": (20, 20, 220),
    "yellow": (230, 220, 30),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
}
BOS, EOS = "<|startoftext|>", "<|endoftext|>"
IR_VERSION, OPSET = 8, 17


def build(folder: str | Path, *, seed: int = 0, attention_mask: bool = False) -> Path:
    """Write the model folder and return its path.

    `seed` picks other weights; with `attention_mask` the text tower takes one and pools the mean
    of the tokens under it, as sentence encoders do.
    """
    folder = Path(folder)
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(3 * GRID * GRID, DIM)).astype(np.float32)
    onnx.save(_vision(weight), str(folder / "onnx" / "vision_model.onnx"))
    tokenizer = _tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    table = _token_vectors(tokenizer, weight, rng)
    onnx.save(_text(table, attention_mask), str(folder / "onnx" / "text_model.onnx"))
    for name, value in _configs(tokenizer).items():
        (folder / name).write_text(json.dumps(value, indent=1), encoding="utf-8")
    return folder


def _configs(tokenizer: Tokenizer) -> dict[str, Any]:
    config = {
        "_name_or_path": "tests/tiny-clip",
        "model_type": "clip",
        "projection_dim": DIM,
        "text_config": {"model_type": "clip_text_model", "max_position_embeddings": MAX_TOKENS},
        "vision_config": {"model_type": "clip_vision_model", "image_size": SIDE},
    }
    preprocessor = {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": SIDE},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": SIDE, "width": SIDE},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(MEAN),
        "image_std": list(STD),
    }
    return {
        "config.json": config,
        "preprocessor_config.json": preprocessor,
        "tokenizer_config.json": {"pad_token": EOS, "model_max_length": MAX_TOKENS},
    }


def _tokenizer() -> Tokenizer:
    """Byte-level BPE as CLIP's: each byte is a token, each colour word one token of its own."""
    symbols = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges: list[tuple[str, str]] = []
    for word in COLOURS:
        for at in range(len(word)):
            pair = (("Ġ" + word)[: at + 1], word[at])
            if pair not in merges:
                merges.append(pair)
                symbols.append("".join(pair))
    vocab = {symbol: n for n, symbol in enumerate([*symbols, BOS, EOS])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(s, special=True) for s in (BOS, EOS)])
    tokenizer.post_processor = RobertaProcessing((EOS, vocab[EOS]), (BOS, vocab[BOS]))
    return tokenizer


def _token_vectors(
    tokenizer: Tokenizer, weight: np.ndarray[Any, Any], rng: np.random.Generator
) -> np.ndarray[Any, Any]:
    """float32 [vocabulary, D]: colour words as their colour is seen, all else random and small."""
    table = rng.normal(scale=0.1, size=(tokenizer.get_vocab_size(), DIM)).astype(np.float32)
    for special in (BOS, EOS):
        table[tokenizer.token_to_id(special)] *= 0.1
    for word, colour in COLOURS.items():
        pixel = (np.asarray(colour, np.float32) / 255 - MEAN) / np.asarray(STD)
        seen = np.tanh(np.repeat(pixel, GRID * GRID) @ weight / 4)
        table[tokenizer.token_to_id("Ġ" + word)] = 5 * seen / np.linalg.norm(seen)
    return table


def _vision(weight: np.ndarray[Any, Any]) -> onnx.ModelProto:
    """pixel_values float32 [N, 3, 32, 32] → image_embeds float32 [N, 16]."""
    step = SIDE // GRID
    nodes = [
        helper.make_node(
            "AveragePool", ["pixel_values"], ["grid"], kernel_shape=[step] * 2, strides=[step] * 2
        ),
        helper.make_node("Flatten", ["grid"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weight"], ["mixed"]),
        helper.make_node("Tanh", ["mixed"], ["image_embeds"]),
    ]
    graph = helper.make_graph(
        nodes,
        "vision",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["n", DIM])],
        [numpy_helper.from_array((weight / 4).astype(np.float32), "weight")],
    )
    return _model(graph)


def _text(table: np.ndarray[Any, Any], attention_mask: bool) -> onnx.ModelProto:
    """input_ids int64 [N, L] (, attention_mask int64 [N, L]) → text_embeds float32 [N, 16].

    Each place has its own small vector, so word order counts and a text over the limit fails.
    """
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "length"])
    mask = helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["n", "length"])
    nodes = [*_tokens(), *(_masked_mean() if attention_mask else _up_to_end())]
    places = np.random.default_rng(1).normal(scale=0.01, size=(MAX_TOKENS, DIM))
    constants = {
        "table": table,
        "places": places.astype(np.float32),
        "zero": np.asarray(0, np.int64),
        "one": np.asarray(1, np.int64),
        "axis": np.asarray([1], np.int64),
        "last": np.asarray([2], np.int64),
    }
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "text",
        [ids, mask] if attention_mask else [ids],
        [helper.make_tensor_value_info("text_embeds", TensorProto.FLOAT, ["n", DIM])],
        [numpy_helper.from_array(v, k) for k, v in constants.items() if k in used],
    )
    return _model(graph)


def _tokens() -> list[onnx.NodeProto]:
    node = helper.make_node
    return [
        node("Gather", ["table", "input_ids"], ["words"]),
        node("Shape", ["input_ids"], ["shape"]),
        node("Gather", ["shape", "one"], ["length"]),
        node("Range", ["zero", "length", "one"], ["at"]),
        node("Gather", ["places", "at"], ["placed"]),
        node("Add", ["words", "placed"], ["tokens"]),
    ]


def _masked_mean() -> list[onnx.NodeProto]:
    node = helper.make_node
    return [
        node("Cast", ["attention_mask"], ["kept"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["kept", "last"], ["column"]),
        node("Mul", ["tokens", "column"], ["masked"]),
        node("ReduceSum", ["masked", "axis"], ["summed"], keepdims=0),
        node("ReduceSum", ["kept", "axis"], ["count"], keepdims=1),
        node("Div", ["summed", "count"], ["text_embeds"]),
    ]


def _up_to_end() -> list[onnx.NodeProto]:
    """The running sum of the token vectors, taken where the id is highest: the first end token."""
    node = helper.make_node
    return [
        node("CumSum", ["tokens", "one"], ["running"]),
        node("ArgMax", ["input_ids"], ["end"], axis=1, keepdims=1),
        node("GatherND", ["running", "end"], ["text_embeds"], batch_dims=1),
    ]


def _model(graph: onnx.GraphProto) -> onnx.ModelProto:
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
