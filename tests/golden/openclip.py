"""Golden folders in Immich's layout, with open_clip as the reference.

Exported as Immich exports them: one row, all tokens, int32 ids, unit vectors.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import torch
import transformers as hf
from open_clip.tokenizer import HFTokenizer
from open_clip.transform import PreprocessCfg, image_transform_v2
from timm.models import VisionTransformer, register_model

from models.clip_bpe import END, tokenizer_json, vocabulary
from tests.golden.folders import Called, Reference, export, give_weights, write_json
from tests.golden.huggingface import siglip_tokenizer
from tests.golden.pictures import SIDE
from tests.golden.tokenizers_made import (
    clip_merges,
    letters,
    nllb_vocabulary,
    siglip_model,
    unigram_pieces,
)

DIM = 24
EYE = {"image_size": SIDE, "layers": 1, "width": 32, "patch_size": 8, "head_width": 16}
EYE |= {"mlp_ratio": 1.0}
TINY = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 32}
HALF = (0.5, 0.5, 0.5)
MARKS = 4
"""XLM-R's table of positions starts after the padding token's id; it has this many more rows."""


def clip(folder: Path) -> Reference:
    """open_clip's own text tower, causal and read at the end token."""
    merges = clip_merges()
    ids = vocabulary(merges)
    text = {"context_length": 77, "vocab_size": len(ids), "width": 32, "heads": 2, "layers": 2}
    config = {"embed_dim": DIM, "vision_cfg": EYE, "text_cfg": {**text, "mlp_ratio": 1.0}}
    model = give_weights(open_clip.CLIP(**config), 4)
    write_json(folder / "config.json", config)
    write_json(folder / "textual/tokenizer.json", tokenizer_json(merges))
    write_json(folder / "textual/tokenizer_config.json", {"pad_token": END, "model_max_length": 77})
    lines = ["#version", *(" ".join(merge) for merge in merges)]
    packed = folder.parent / "merges.gz"
    packed.write_bytes(gzip.compress("\n".join(lines).encode()))
    simple = open_clip.SimpleTokenizer(str(packed))
    _export(folder, model, 77)
    return _reference(folder, model, simple, {}, end=ids[END])


def siglip(folder: Path) -> Reference:
    """SigLIP: timm's picture tower, texts of 64 tokens without a mask, read at the last."""
    pieces = siglip_model(folder.parent / "siglip.model")
    fast = hf.PreTrainedTokenizerFast(
        tokenizer_object=siglip_tokenizer(pieces, cleans=False), model_max_length=64,
        pad_token="</s>", eos_token="</s>", unk_token="<unk>",
    )  # fmt: skip
    fast.save_pretrained(folder / "textual")
    text = {"context_length": 64, "vocab_size": len(fast), "width": 32, "heads": 2, "layers": 2}
    text |= {"tokenizer_kwargs": {"clean": "canonicalize"}, "mlp_ratio": 1.0}
    text |= {"no_causal_mask": True, "proj_bias": True, "pool_type": "last"}
    eye = {"image_size": SIDE, "timm_model_name": "golden_siglip", "timm_model_pretrained": False}
    eye |= {"timm_pool": "map", "timm_proj": "none"}
    config = {"embed_dim": 32, "init_logit_bias": -10, "vision_cfg": eye, "text_cfg": text}
    text |= {"norm_kwargs": {"eps": 1e-6}, "hf_tokenizer_name": "timm/ViT-B-16-SigLIP"}
    model = give_weights(open_clip.CustomTextCLIP(**config), 5)
    write_json(folder / "config.json", config | {"custom_text": True})
    tokenizer = HFTokenizer(str(folder / "textual"), 64, clean="canonicalize")
    _export(folder, model, 64)
    look = {"mean": HALF, "std": HALF, "resize_mode": "squash"}
    return _reference(folder, model, tokenizer, look)


def xlmr(folder: Path) -> Reference:
    """A Hugging Face text tower that makes its mask of the padding; the mean of the tokens."""
    tokenizer = _xlmr_tokenizer(folder / "textual")
    hidden = hf.XLMRobertaConfig(
        **TINY, intermediate_size=32, vocab_size=len(tokenizer), max_position_embeddings=77 + MARKS,
        type_vocab_size=1,
    )  # fmt: skip
    return _of_transformers(folder, hidden, "xlm-roberta-base", 6, "mean_pooler", "mlp")


def nllb(folder: Path) -> Reference:
    """NLLB's encoder, read at its first token, which names the language."""
    vocab, merges = nllb_vocabulary()
    languages = ["deu_Latn", "eng_Latn", "fra_Latn"]
    tokenizer = hf.NllbTokenizer(
        vocab=vocab, merges=merges, extra_special_tokens=languages,
        _spm_precompiled_charsmap=letters(folder.parent / "letters"),
    )  # fmt: skip
    tokenizer.save_pretrained(folder / "textual")
    hidden = hf.M2M100Config(
        d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
        vocab_size=len(tokenizer), max_position_embeddings=128,
    )  # fmt: skip
    official = "facebook/nllb-200-distilled-600M"
    reference = _of_transformers(folder, hidden, official, 7, "cls_pooler", "linear")
    words = HFTokenizer(str(folder / "textual"), clean="whitespace")
    # HFTokenizer(language=…) does nothing: transformers sets the language anew at each call.
    words.tokenizer.src_lang = "fra_Latn"
    reference.french = lambda text: reference.model.encode_text(words([text]))
    return reference


def mclip(folder: Path) -> Reference:
    """Multilingual-CLIP: XLM-R with its mask given, mean, and one linear layer after it.

    The text side is not open_clip's; the forward pass is that of the package multilingual_clip.
    """
    tokenizer = _xlmr_tokenizer(folder / "textual")
    hidden = hf.XLMRobertaConfig(
        **TINY, intermediate_size=32, vocab_size=len(tokenizer), max_position_embeddings=77 + MARKS,
        type_vocab_size=1, attn_implementation="eager",
    )  # fmt: skip
    torch.manual_seed(8)
    words = torch.nn.ModuleDict(
        {"transformer": hf.XLMRobertaModel(hidden), "linear": torch.nn.Linear(32, DIM)}
    )
    give_weights(words, 8)
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    config = {"embed_dim": DIM, "vision_cfg": EYE, "text_cfg": text}
    write_json(folder / "config.json", config)
    small = config | {"text_cfg": {**text, "vocab_size": 8}}
    eye = give_weights(open_clip.CLIP(**small), 9)
    _export_eye(folder, eye)

    def read(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = words["transformer"](ids, mask)[0]
        mean = (hidden * mask.unsqueeze(2)).sum(dim=1) / mask.sum(dim=1)[:, None]
        return torch.nn.functional.normalize(words["linear"](mean), dim=-1)

    some = _some_text(77)
    export(
        folder / "textual/model.onnx", Called(words, read),
        {"input_ids": some, "attention_mask": (some != 1).int()}, ["embedding"],
    )  # fmt: skip
    reference = _reference(folder, eye, HFTokenizer(str(folder / "textual")), {})

    def tokens(text: str) -> Any:
        return tokenizer(
            [" ".join(text.split())], truncation=True, max_length=77, return_tensors="pt"
        )

    reference.ids = lambda text: tokens(text).input_ids[0].tolist()
    reference.text = lambda text: read(tokens(text).input_ids, tokens(text).attention_mask)
    return reference


def _of_transformers(
    folder: Path, hidden: Any, official: str, seed: int, pooler: str, head: str
) -> Reference:
    """A folder whose text tower is open_clip's HFTextEncoder of a tiny model."""
    local = folder.parent / "hidden"
    hidden.save_pretrained(local)
    text = {"hf_model_name": official, "hf_tokenizer_name": official}
    text |= {"hf_proj_type": head, "hf_pooler_type": pooler}
    config = {"embed_dim": DIM, "vision_cfg": EYE, "text_cfg": text}
    write_json(folder / "config.json", config)
    own = {**text, "hf_model_name": str(local), "hf_model_pretrained": False}
    model = open_clip.CustomTextCLIP(**config | {"text_cfg": own})
    model.text.transformer.set_attn_implementation("eager")
    give_weights(model, seed)
    tokenizer = HFTokenizer(str(folder / "textual"), clean="whitespace")
    _export(folder, model, 77)
    return _reference(folder, model, tokenizer, {})


def _xlmr_tokenizer(folder: Path) -> Any:
    tokenizer = hf.XLMRobertaTokenizer(
        vocab=[*unigram_pieces(), ("<mask>", 0.0)],
        model_max_length=77,
        _spm_precompiled_charsmap=letters(folder.parent.parent / "letters"),
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


@register_model
def golden_siglip(pretrained: bool = False, **kwargs: Any) -> VisionTransformer:
    """timm's vit_base_patch16_siglip_224, tiny."""
    shape = {"img_size": SIDE, "patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 2}
    shape |= {"mlp_ratio": 1, "class_token": False, "num_classes": 0, "global_pool": "map"}
    return VisionTransformer(**shape)


def _some_text(length: int) -> torch.Tensor:
    """Six tokens, then padding: int32 [1, length]. What tracing sees, its graph can do."""
    return torch.tensor([[7, 8, 9, 10, 11, 2] + [1] * (length - 6)], dtype=torch.int32)


def _export(folder: Path, model: Any, length: int) -> None:
    _export_eye(folder, model)
    export(
        folder / "textual/model.onnx",
        Called(model, lambda text: model.encode_text(text, normalize=True)),
        {"text": _some_text(length)}, ["embedding"],
    )  # fmt: skip


def _export_eye(folder: Path, model: Any) -> None:
    torch.backends.mha.set_fastpath_enabled(False)
    export(
        folder / "visual/model.onnx",
        Called(model, lambda image: model.encode_image(image, normalize=True)),
        {"image": torch.zeros(1, 3, SIDE, SIDE)}, ["embedding"],
    )  # fmt: skip


def _reference(
    folder: Path, model: Any, tokenizer: Callable[..., Any], look: dict[str, Any], end: int = -1
) -> Reference:
    """`look` is what preprocess_cfg.json says besides open_clip's defaults."""
    settings = PreprocessCfg(size=SIDE, **look)
    write_json(folder / "visual/preprocess_cfg.json", vars(settings) | {"size": [SIDE, SIDE]})
    transform = image_transform_v2(settings, is_train=False)

    def ids(text: str) -> list[int]:
        """All of them; but open_clip's own tokenizer fills up with 0, which is a token, too."""
        row: list[int] = tokenizer([text])[0].tolist()
        return row[: row.index(end) + 1] if end in row else row

    return Reference(
        name="open_clip",
        model=model,
        pixels=f"oc_{settings.resize_mode}",
        ids=ids,
        text=lambda text: model.encode_text(tokenizer([text])),
        picture=transform,
        image=model.encode_image,
    )
