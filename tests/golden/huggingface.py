"""Golden folders in the transformers.js layout, with transformers as the reference."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from models.clip_bpe import END, START, tokenizer_json, vocabulary
from tests.golden.folders import Called, Reference, export, give_weights, write_json
from tests.golden.pictures import SIDE
from tests.golden.tokenizers_made import clip_merges, gemma_vocabulary, siglip_model

BATCH = {0: "batch_size"}
WORDS = {0: "batch_size", 1: "sequence_length"}
LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 32}
EYE = {
    **LAYERS,
    "num_hidden_layers": 1,
    "intermediate_size": 32,
    "image_size": SIDE,
    "patch_size": 8,
}


def clip(folder: Path) -> Reference:
    """CLIP as openai/clip-vit-base-patch32 is built: quick GELU, causal texts of true length."""
    merges = clip_merges()
    ids = vocabulary(merges)
    text = {**LAYERS, "intermediate_size": 32, "vocab_size": len(ids), "bos_token_id": ids[START]}
    text |= {"eos_token_id": ids[END], "pad_token_id": ids[END], "hidden_act": "quick_gelu"}
    eye = {**EYE, "hidden_act": "quick_gelu"}
    config = hf.CLIPConfig(text_config=text, vision_config=eye, projection_dim=24)
    model = _model(hf.CLIPModel, config, 1)
    tokenizer = hf.CLIPTokenizerFast(vocab=ids, merges=merges, model_max_length=77)
    write_json(folder / "tokenizer.json", tokenizer_json(merges))
    said = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}
    write_json(folder / "tokenizer_config.json", {**said, "pad_token": END, "unk_token": END})
    images = hf.CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SIDE)
    _write(folder, config, images, "CLIPImageProcessor")
    _export_vision(folder, model, "image_embeds")
    _export_text(folder, model, "text_embeds", 9)
    processor = hf.CLIPProcessor(images, tokenizer)
    return _reference(model, processor, "hf_shortest", {"truncation": True})


def siglip(folder: Path) -> Reference:
    """SigLIP: every text filled up to 64 tokens and read at the last, no mask."""
    pieces = folder.parent / "siglip.model"
    tokenizer = siglip_model(pieces)
    config = _siglip_config(len(tokenizer))
    model = _model(hf.SiglipModel, config, 2)
    Tokenizer.save(siglip_tokenizer(tokenizer), str(folder / "tokenizer.json"))
    said = {"tokenizer_class": "SiglipTokenizer", "model_max_length": 64, "do_lower_case": True}
    write_json(folder / "tokenizer_config.json", {**said, "pad_token": "</s>", "eos_token": "</s>"})
    _siglip_towers(folder, config, model)
    return _siglip_reference(model, tokenizer)


def siglip2(folder: Path) -> Reference:
    """SigLIP 2 of fixed resolution: a SiglipModel with Gemma's tokenizer, texts in small letters.

    tokenizer.json is as published, Gemma's, which keeps capitals; Siglip2Tokenizer, the reference,
    makes them small first.
    """
    vocab, merges = gemma_vocabulary()
    config = _siglip_config(len(vocab))
    model = _model(hf.SiglipModel, config, 3)
    tokenizer = hf.Siglip2Tokenizer(
        vocab=vocab, merges=merges, padding_side="right", model_max_length=64,
        add_bos_token=False, add_eos_token=True,
    )  # fmt: skip
    tokenizer.update_post_processor()
    written = json.loads(tokenizer.backend_tokenizer.to_str())
    written["truncation"] = written["padding"] = None
    written["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    write_json(folder / "tokenizer.json", written)
    said = {"tokenizer_class": "GemmaTokenizer", "model_max_length": 64, "do_lower_case": True}
    said |= {"add_bos_token": False, "add_eos_token": True, "padding_side": "right"}
    marks = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
    write_json(folder / "tokenizer_config.json", {**said, **marks})
    _siglip_towers(folder, config, model)
    return _siglip_reference(model, tokenizer)


def siglip_tokenizer(slow: Any, *, cleans: bool = True) -> Tokenizer:
    """SiglipTokenizer as a tokenizer.json, which transformers does not write but people publish.

    The slow one's steps: small letters, no ASCII punctuation, single spaces, SentencePiece. Without
    `cleans` the last one only, as in open_clip's, which cleans texts before.
    """
    spm = slow.sp_model
    proto = sentencepiece_model_pb2.ModelProto.FromString(spm.serialized_model_proto())
    pieces = [(spm.IdToPiece(n), spm.GetScore(n)) for n in range(spm.GetPieceSize())]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=spm.unk_id(), byte_fallback=False))
    steps = [normalizers.Lowercase(), normalizers.Replace(Regex(f"[{_escaped()}]"), "")]
    steps += [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    letters = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    tokenizer.normalizer = normalizers.Sequence([*steps, letters]) if cleans else letters
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    end = slow.eos_token
    tokenizer.post_processor = processors.TemplateProcessing(
        single=["$A", end], special_tokens=[(end, slow.eos_token_id)]
    )
    tokenizer.add_special_tokens([end, slow.unk_token])
    return tokenizer


def _escaped() -> str:
    return "".join("\\" + sign for sign in string.punctuation)


def _siglip_config(words: int) -> Any:
    text = {**LAYERS, "intermediate_size": 32, "vocab_size": words, "projection_size": 32}
    text |= {"max_position_embeddings": 64, "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 1}
    return hf.SiglipConfig(text_config=text, vision_config=EYE)


def _siglip_towers(folder: Path, config: Any, model: Any) -> None:
    images = hf.SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    _write(folder, config, images, "SiglipImageProcessor")
    _export_vision(folder, model, "pooler_output")
    _export_text(folder, model, "pooler_output", 64)


def _siglip_reference(model: Any, tokenizer: Any) -> Reference:
    images = hf.SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    processor = hf.SiglipProcessor(images, tokenizer)
    full = {"padding": "max_length", "max_length": 64, "truncation": True}
    return _reference(model, processor, "hf_squash", full)


def _model(kind: Any, config: Any, seed: int) -> Any:
    config._attn_implementation = "eager"
    for part in (config.text_config, config.vision_config):
        part._attn_implementation = "eager"
    return give_weights(kind(config), seed)


def _write(folder: Path, config: Any, images: Any, kind: str) -> None:
    """config.json and preprocessor_config.json, with the name of the processor's class that
    publishers' files have."""
    said = config.to_dict()
    said["_name_or_path"] = f"golden/{folder.name}"
    write_json(folder / "config.json", said)
    write_json(
        folder / "preprocessor_config.json",
        {**json.loads(images.to_json_string()), "image_processor_type": kind},
    )


def _export_vision(folder: Path, model: Any, output: str) -> None:
    def see(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = model.get_image_features(pixels)
        return seen.pooler_output, seen.last_hidden_state

    export(
        folder / "onnx/vision_model.onnx", Called(model.vision_model, see),
        {"pixel_values": torch.zeros(2, 3, SIDE, SIDE)}, [output, "last_hidden_state"],
        {"pixel_values": BATCH, output: BATCH, "last_hidden_state": BATCH},
    )  # fmt: skip


def _export_text(folder: Path, model: Any, output: str, length: int) -> None:
    def read(ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        got = model.get_text_features(ids)
        return got.pooler_output, got.last_hidden_state

    export(
        folder / "onnx/text_model.onnx", Called(model.text_model, read),
        {"input_ids": torch.ones(2, length, dtype=torch.int64)}, [output, "last_hidden_state"],
        {"input_ids": WORDS, output: BATCH, "last_hidden_state": WORDS},
    )  # fmt: skip


def _reference(model: Any, processor: Any, pixels: str, words: dict[str, Any]) -> Reference:
    def tokens(text: str) -> Any:
        return processor(text=[text], return_tensors="pt", **words)

    return Reference(
        name="transformers",
        model=model,
        pixels=pixels,
        ids=lambda text: tokens(text).input_ids[0].tolist(),
        text=lambda text: model.get_text_features(tokens(text).input_ids).pooler_output,
        picture=lambda image: processor(images=[image], return_tensors="pt").pixel_values[0],
        image=lambda pixels: model.get_image_features(pixels).pooler_output,
    )
