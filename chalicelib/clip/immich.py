"""The Immich layout, exported from open_clip or M-CLIP → ModelFolder.

`config.json` (open_clip's: `embed_dim`, `text_cfg`), `visual/model.onnx`,
`visual/preprocess_cfg.json`, `textual/model.onnx`, `textual/tokenizer.json`,
`textual/tokenizer_config.json`; optionally our own `search_config.json`.

Sources: immich-app/ml-models (what is exported), open_clip's model_configs, HFTokenizer and
TextTransformer (cleaning, padding, pooling), its image_transform (pixels).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chalicelib.clip.graphs import (
    check_side,
    number,
    read_text,
    read_vision,
    vector_length,
)
from chalicelib.clip.pixels import PixelSpec
from chalicelib.clip.preprocessor import open_clip_pixels
from chalicelib.clip.searchconfig import SearchConfig, model_name, read_search_config
from chalicelib.clip.spec import Cleaning, ModelFolder, TextSpec, Tower, read_json, whole, wrong
from chalicelib.clip.tokenizerfile import MAX_LENGTH, TokenizerFile

VISUAL, TEXTUAL = "visual/model.onnx", "textual/model.onnx"
PREPROCESS = "visual/preprocess_cfg.json"

CONTEXT = 77
"""open_clip's CLIPTextCfg.context_length, where a configuration does not say it."""

_CONTEXT = "text_cfg.context_length"

_CLEANING: dict[str | None, Cleaning] = {
    None: "whitespace",
    "whitespace": "whitespace",
    "lower": "lower",
    "canonicalize": "canonicalise_words",
}


def read_immich(path: Path) -> ModelFolder:
    """Read the folder. Raises ModelError naming the file and field that is wrong."""
    config = read_json(path / "config.json")
    search = read_search_config(path)
    vision = read_vision(path, VISUAL, ready=search.ready, single=True)
    text = read_text(path, TEXTUAL, ready=search.ready, single=True)
    pixels, where, field = search.pixels, "search_config.json", "pixels"
    if pixels is None:
        pixels, where, field = _pixels(path), PREPROCESS, "size"
    check_side(vision, where, field, pixels)
    return ModelFolder(
        path=path,
        name=model_name(path, search.name),
        form=search.form or "fp32",
        dim=vector_length(number(config, "embed_dim"), (vision, text), "embed_dim"),
        pixels=pixels,
        text=search.text_rules(text, lambda: _rules(path, config, search, text), _CONTEXT),
        vision_tower=vision,
        text_tower=text,
        source=search.source,
    )


def _pixels(path: Path) -> PixelSpec:
    return open_clip_pixels(read_json(path / PREPROCESS), PREPROCESS)


def _rules(path: Path, config: dict[str, Any], search: SearchConfig, tower: Tower) -> TextSpec:
    cfg = config.get("text_cfg")
    if not isinstance(cfg, dict):
        raise wrong("config.json", "text_cfg", "is missing or not an object")
    files = TokenizerFile(path / "textual", "textual/")
    files.check_right_padding()
    padded = _reads_padding(cfg) and tower.mask is None
    files.check_frame(padded=padded)
    if search.language:
        files.check_language(search.language)
    # open_clip's own tokenizer pads with 0; a mask is M-CLIP's, whose config is its picture half's.
    own = "hf_tokenizer_name" not in cfg and tower.mask is None
    return TextSpec(
        tokenizer=files.path,
        max_tokens=whole("config.json", _CONTEXT, cfg.get("context_length", CONTEXT), MAX_LENGTH),
        pad_id=0 if own else files.pad_id("<pad>"),
        padded=padded,
        cleaning=_cleaning(cfg),
        language_prefix=search.language,
    )


def _reads_padding(cfg: dict[str, Any]) -> bool:
    """Whether a vector depends on the padding after its text.

    Not where a Hugging Face text tower masks its padding id (open_clip's HFTextEncoder), nor where
    a causal tower is read at its end token, after which the padding comes.
    """
    if cfg.get("embed_cls"):
        raise wrong("config.json", "text_cfg.embed_cls", "CoCa's text tower is not supported")
    if cfg.get("hf_model_name"):
        return False
    return bool(cfg.get("no_causal_mask")) or cfg.get("pool_type", "argmax") not in (
        "argmax",
        "eos",
    )


def _cleaning(cfg: dict[str, Any]) -> Cleaning:
    kwargs = cfg.get("tokenizer_kwargs") or {}
    if not isinstance(kwargs, dict):
        raise wrong("config.json", "text_cfg.tokenizer_kwargs", "is not an object")
    if kwargs.get("strip_sep_token"):
        why = "CLIPA's tokens, without their separator, are not supported"
        raise wrong("config.json", "text_cfg.tokenizer_kwargs.strip_sep_token", why)
    if cfg.get("tokenizer_mode"):
        why = f"{cfg['tokenizer_mode']!r} is not supported"
        raise wrong("config.json", "text_cfg.tokenizer_mode", why)
    said = kwargs.get("clean")
    if not (said is None or isinstance(said, str)) or said not in _CLEANING:
        why = f"{said!r} is not one of {sorted(filter(None, _CLEANING))}"
        raise wrong("config.json", "text_cfg.tokenizer_kwargs.clean", why)
    return _CLEANING[said]
