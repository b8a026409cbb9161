"""Tiny model folders of every family in both layouts, whose vectors give a wrong rule away.

A text tower looks each token up in a table, adds a vector for its place, and pools as its family
does (`POOLING`). `text_vectors` computes the same with numpy from token ids that a test writes by
hand, so a text that is cleaned, cut, padded, masked or prefixed in another way than the family's
reference does it gives another vector. Vision is tiny_clip's: 32 × 32 pixels, vectors of 16 parts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from models.graph import FLOAT, INT64, Graph
from tests.unit import tiny_clip

DIM, SIDE, GRID = tiny_clip.DIM, tiny_clip.SIDE, tiny_clip.GRID
INT32, UINT8 = int(TensorProto.INT32), int(TensorProto.UINT8)
PLACES = 80
TOKENS = 400
WORDS = ("red", "cat", "dog", "a", "snake", "case", "snakecase", "Red", "Cat")

Pooling = Literal["all", "mask", "own mask", "end"]
"""What a text vector is made of.

"all": every token, padding too, and the last one most, as SigLIP's last-token pooling without a
causal mask; where there is a mask, those it keeps. "mask": the mean of those it keeps (M-CLIP).
"own mask": the same, the graph making the mask of what is not its padding id (XLM-R, NLLB, Jina).
"end": the tokens up to the first of the highest id (CLIP).
"""

PAD_OF_OWN_MASK = 1


# --- tokenizers -------------------------------------------------------------------------------


def unigram(specials: list[str], before: list[str], after: list[str]) -> Tokenizer:
    """SentencePiece-like: specials take the first ids, then words, letters and signs."""
    pieces = [*specials, *("▁" + word for word in WORDS), "▁", *letters()]
    unknown = specials.index("<unk>")
    scores = [
        (piece, 0.0 if n < len(specials) else -(len(piece) ** -1)) for n, piece in enumerate(pieces)
    ]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=unknown, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return framed(tokenizer, specials, before, after)


def bpe(specials: list[str], before: list[str], after: list[str]) -> Tokenizer:
    """Gemma-like: one token a letter, "▁" for a space, no small letters made."""
    vocabulary = {piece: n for n, piece in enumerate([*specials, "▁", *letters()])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    return framed(tokenizer, specials, before, after)


def letters() -> list[str]:
    return [chr(n) for n in range(33, 127)]


def framed(
    tokenizer: Tokenizer, specials: list[str], before: list[str], after: list[str]
) -> Tokenizer:
    tokenizer.add_special_tokens([AddedToken(s, special=True) for s in specials])
    pairs = [(s, tokenizer.token_to_id(s)) for s in (*before, *after)]
    tokenizer.post_processor = TemplateProcessing(
        single=" ".join([*before, "$A", *after]), special_tokens=pairs
    )
    return tokenizer


def siglip_tokenizer() -> Tokenizer:
    return unigram(["<pad>", "</s>", "<unk>"], [], ["</s>"])


def gemma_tokenizer() -> Tokenizer:
    return bpe(["<pad>", "<eos>", "<bos>", "<unk>"], [], ["<eos>"])


def xlmr_tokenizer() -> Tokenizer:
    return unigram(["<s>", "<pad>", "</s>", "<unk>"], ["<s>"], ["</s>"])


def nllb_tokenizer(*, older: bool = False) -> Tokenizer:
    """The language first, as NLLB has it now; or after the end, as transformers once had it."""
    specials = ["<s>", "<pad>", "</s>", "<unk>", "eng_Latn", "fra_Latn", "zho_Hans"]
    before, after = ([], ["</s>", "eng_Latn"]) if older else (["eng_Latn"], ["</s>"])
    return unigram(specials, before, after)


# --- towers -----------------------------------------------------------------------------------


def table(seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(token vectors, place vectors)."""
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(TOKENS, DIM)).astype(np.float32),
        rng.normal(scale=0.3, size=(PLACES, DIM)).astype(np.float32),
    )


def text_vectors(
    pooling: Pooling, rows: list[list[int]], mask: list[list[int]] | None = None
) -> NDArray[np.float32]:
    """What the text tower gives for these token ids, rows of unit length."""
    words, places = table()
    ids = np.array(rows)
    tokens = words[ids] + places[: ids.shape[1]]
    if pooling == "end":
        ends = ids.argmax(axis=1)
        out = np.stack([t[: end + 1].sum(axis=0) for t, end in zip(tokens, ends, strict=True)])
    else:
        kept = np.ones(ids.shape) if mask is None else np.array(mask)
        if pooling == "own mask":
            kept = (ids != PAD_OF_OWN_MASK).astype(float)
        out = (tokens * kept[..., None]).sum(axis=1) / kept.sum(axis=1, keepdims=True)
        if pooling == "all":
            out = out + 2 * tokens[:, -1]
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), np.float32)


def text_graph(
    pooling: Pooling,
    *,
    name: str = "input_ids",
    output: str = "text_embeds",
    dtype: int = INT64,
    length: int | str = "length",
    batch: int | str = "n",
    mask: bool = False,
) -> onnx.ModelProto:
    graph = Graph("text")
    ids = graph.input(name, dtype, [batch, length])
    kept = graph.input("attention_mask", dtype, [batch, length]) if mask else ""
    return graph.build(_pooled(graph, pooling, ids, kept), output, [batch, DIM])


def _pooled(graph: Graph, pooling: Pooling, ids: str, mask: str) -> str:
    words, places = table()
    zero, one = graph.constant(0, np.int64), graph.constant(1, np.int64)
    length = graph.add("Gather", graph.add("Shape", ids), one)
    at = graph.add("Gather", graph.constant(places), graph.add("Range", zero, length, one))
    tokens = graph.add("Add", graph.add("Gather", graph.constant(words), ids), at)
    if pooling == "end":
        end = graph.add("ArgMax", ids, axis=1, keepdims=1)
        return graph.add("GatherND", graph.add("CumSum", tokens, one), end, batch_dims=1)
    kept = graph.add("Cast", _kept(graph, pooling, ids, mask), to=FLOAT)
    column = graph.add("Unsqueeze", kept, graph.integers(2))
    summed = graph.add("ReduceSum", graph.add("Mul", tokens, column), graph.integers(1), keepdims=0)
    mean = graph.add("Div", summed, graph.add("ReduceSum", kept, graph.integers(1), keepdims=1))
    if pooling != "all":
        return mean
    last = graph.add("Gather", tokens, graph.constant(-1, np.int64), axis=1)
    return graph.add("Add", mean, graph.add("Mul", last, graph.constant(2)))


def _kept(graph: Graph, pooling: Pooling, ids: str, mask: str) -> str:
    if mask:
        return mask
    wide = graph.add("Cast", ids, to=INT64)
    if pooling == "own mask":
        return graph.add("Not", graph.add("Equal", wide, graph.constant(PAD_OF_OWN_MASK, np.int64)))
    return graph.add("Equal", wide, wide)


def vision_graph(
    *,
    name: str = "pixel_values",
    output: str = "image_embeds",
    batch: int | str = "n",
    whole: bool = False,
    mean: tuple[float, ...] = tiny_clip.MEAN,
    std: tuple[float, ...] = tiny_clip.STD,
) -> onnx.ModelProto:
    """A 4 × 4 grid of mean colours → a vector; `whole` takes uint8 [n, 32, 32, 3]."""
    graph = Graph("vision")
    shape = [batch, SIDE, SIDE, 3] if whole else [batch, 3, SIDE, SIDE]
    pixels = graph.input(name, UINT8 if whole else FLOAT, shape)
    if whole:
        scaled = graph.add("Div", graph.add("Cast", pixels, to=FLOAT), graph.constant(255))
        centred = graph.add("Sub", scaled, graph.constant(mean))
        pixels = graph.add(
            "Transpose", graph.add("Div", centred, graph.constant(std)), perm=[0, 3, 1, 2]
        )
    return graph.build(_seen(graph, pixels), output, [batch, DIM])


def _seen(graph: Graph, pixels: str) -> str:
    step = [SIDE // GRID] * 2
    grid = graph.add("AveragePool", pixels, kernel_shape=step, strides=step)
    weight = np.random.default_rng(0).normal(size=(3 * GRID * GRID, DIM)) / 4
    mixed = graph.add("MatMul", graph.add("Flatten", grid, axis=1), graph.constant(weight))
    return graph.add("Tanh", mixed)


# --- folders ----------------------------------------------------------------------------------


def write(folder: Path, files: dict[str, Any]) -> Path:
    """Graphs, tokenizers and JSON, by their name in the folder."""
    for name, value in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(value, onnx.ModelProto):
            path.write_bytes(value.SerializeToString())
        elif isinstance(value, Tokenizer):
            value.save(str(path))
        else:
            path.write_text(json.dumps(value, indent=1), encoding="utf-8")
    return folder


SIGLIP_PIXELS = {
    "image_processor_type": "SiglipImageProcessor",
    "do_resize": True,
    "size": {"height": SIDE, "width": SIDE},
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}


def siglip(folder: Path, *, second: bool = False, mask: bool = False, length: int = 64) -> Path:
    """SigLIP in the Hugging Face layout; `second` is SigLIP 2 of fixed resolution."""
    last = {"pad_token": "<pad>", "eos_token": "<eos>", "tokenizer_class": "GemmaTokenizer"}
    first = {"pad_token": "</s>", "eos_token": "</s>", "tokenizer_class": "SiglipTokenizer"}
    return write(
        folder,
        {
            "config.json": {"model_type": "siglip", "text_config": {}, "vision_config": {}},
            "preprocessor_config.json": SIGLIP_PIXELS,
            "tokenizer.json": gemma_tokenizer() if second else siglip_tokenizer(),
            "tokenizer_config.json": {**(last if second else first), "model_max_length": length},
            "onnx/vision_model.onnx": vision_graph(output="pooler_output"),
            "onnx/text_model.onnx": text_graph("all", output="pooler_output", mask=mask),
        },
    )


JINA_PIXELS = {
    "image_processor_type": "JinaCLIPImageProcessor",
    "size": SIDE,
    "mean": list(tiny_clip.MEAN),
    "std": list(tiny_clip.STD),
    "resize_mode": "shortest",
    "interpolation": "bicubic",
    "fill_color": 0,
}


def jina(folder: Path, *, combined: bool = False) -> Path:
    """Jina CLIP: version 1 with two graphs, version 2 with one."""
    graphs: dict[str, Any] = {
        "onnx/vision_model.onnx": vision_graph(),
        "onnx/text_model.onnx": text_graph("own mask"),
    }
    if combined:
        graphs = {"onnx/model.onnx": _combined_graph()}
    return write(
        folder,
        {
            "config.json": {"model_type": "jina_clip", "projection_dim": DIM, "text_config": {}},
            "preprocessor_config.json": JINA_PIXELS,
            "tokenizer.json": xlmr_tokenizer(),
            "tokenizer_config.json": {"pad_token": "<pad>", "model_max_length": 70},
            **graphs,
        },
    )


def _combined_graph() -> onnx.ModelProto:
    """Both towers, as Jina CLIP v2's export: one graph, four outputs of which two are used here."""
    graph = Graph("both")
    pixels = graph.input("pixel_values", FLOAT, ["n", 3, SIDE, SIDE])
    ids = graph.input("input_ids", INT64, ["m", "length"])
    seen = _seen(graph, pixels)
    model = graph.build(_pooled(graph, "own mask", ids, ""), "l2norm_text_embeddings", ["m", DIM])
    model.graph.node.append(onnx.helper.make_node("Identity", [seen], ["l2norm_image_embeddings"]))
    model.graph.output.append(
        onnx.helper.make_tensor_value_info("l2norm_image_embeddings", FLOAT, ["n", DIM])
    )
    return model


OPEN_CLIP_PIXELS = {
    "size": [SIDE, SIDE],
    "mode": "RGB",
    "mean": list(tiny_clip.MEAN),
    "std": list(tiny_clip.STD),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}


def immich(
    folder: Path,
    text_cfg: dict[str, Any],
    tokenizer: Tokenizer,
    text: onnx.ModelProto,
    *,
    pad: str = "<pad>",
    vision: onnx.ModelProto | None = None,
) -> Path:
    """The Immich layout; by default its vision tower takes one picture at a time."""
    if vision is None:
        vision = vision_graph(name="image", output="image_embedding", batch=1)
    return write(
        folder,
        {
            "config.json": {"embed_dim": DIM, "vision_cfg": {}, "text_cfg": text_cfg},
            "visual/preprocess_cfg.json": OPEN_CLIP_PIXELS,
            "visual/model.onnx": vision,
            "textual/model.onnx": text,
            "textual/tokenizer.json": tokenizer,
            "textual/tokenizer_config.json": {"pad_token": pad},
        },
    )


def immich_graph(pooling: Pooling, *, length: int | str = 77, **options: Any) -> onnx.ModelProto:
    """As Immich exports them: int32, one text at a time."""
    return text_graph(
        pooling,
        **{"name": "text", "output": "text_embedding", "dtype": INT32, "batch": 1, **options},
        length=length,
    )
