"""The transformers.js / Hugging Face ONNX layout → ModelFolder.

`config.json`, `preprocessor_config.json`, `tokenizer.json`, `onnx/vision_model*.onnx`
(`pixel_values` → `image_embeds`) and `onnx/text_model*.onnx` (`input_ids`[, `attention_mask`] →
`text_embeds`), or one `onnx/model*.onnx` with both (Jina CLIP v2); optionally
`tokenizer_config.json` and our own `search_config.json`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from chalicelib.clip.graphs import (
    check_side,
    number,
    read_combined,
    read_text,
    read_vision,
    vector_length,
)
from chalicelib.clip.preprocessor import PREPROCESSOR, hf_pixels
from chalicelib.clip.searchconfig import FORMS, SearchConfig, model_name, read_search_config
from chalicelib.clip.spec import ModelFolder, read_json, wrong
from chalicelib.clip.textrules import hf_text
from chalicelib.errors import ModelError

MODEL_TYPES = ("clip", "siglip", "siglip2", "jina_clip", "conse")
"""Others prepare text in other ways, and would load and rank badly."""

TOWERS = ("vision", "text")

_CONTEXT = "text_config.max_position_embeddings"


def read_huggingface(path: Path) -> ModelFolder:
    """Read the folder. Raises ModelError naming the file and field that is wrong."""
    config = read_json(path / "config.json")
    search = read_search_config(path)
    _check_kind(config, search)
    form, vision_file, text_file = _pick_form(path, config["model_type"])
    pixels, where = search.pixels, "search_config.json"
    if pixels is None:
        pixels, where = hf_pixels(read_json(path / PREPROCESSOR)), PREPROCESSOR
    if vision_file == text_file:
        vision, text = read_combined(path, vision_file, pixels.crop, ready=search.ready)
    else:
        vision = read_vision(path, vision_file, ready=search.ready)
        text = read_text(path, text_file, ready=search.ready)
    check_side(vision, where, "crop_size" if search.pixels is None else "pixels", pixels)
    return ModelFolder(
        path=path,
        name=model_name(path, search.name or config.get("_name_or_path")),
        form=search.form or form,
        dim=vector_length(_said(config), (vision, text), "projection_dim"),
        pixels=pixels,
        text=search.text_rules(text, lambda: hf_text(path, config, search), _CONTEXT),
        vision_tower=vision,
        text_tower=text,
        source=search.source,
    )


def _check_kind(config: dict[str, Any], search: SearchConfig) -> None:
    kind = config.get("model_type")
    if kind not in MODEL_TYPES:
        raise wrong("config.json", "model_type", f"{kind!r} is not one of {MODEL_TYPES}")
    names = f"{config.get('_name_or_path')} {config.get('architectures')}"
    if kind == "clip" and search.text is None and re.search("mobileclip", names, re.IGNORECASE):
        # Some of its text towers attend to what comes after, and no file here says which.
        why = "is MobileCLIP, whose text rules this layout does not hold; take an Immich folder"
        raise wrong("config.json", "_name_or_path", why)


def _pick_form(path: Path, kind: str) -> tuple[str, str, str]:
    """(form, vision file, text file): fp32 where both towers have it, else the one form they have.

    Jina CLIP's may be one file for both.
    """
    pairs = [("vision_model", "text_model"), *[("model", "model")] * (kind == "jina_clip")]
    for stems in pairs:
        endings = [e for e in FORMS if all((path / f"onnx/{s}{e}.onnx").is_file() for s in stems)]
        if len(endings) > 1 and "" not in endings:
            several = ", ".join(f"{stems[0]}{e}.onnx" for e in endings)
            raise ModelError(f"onnx holds several forms and no fp32 ({several}): keep one")
        if endings:
            chosen = endings[0]  # fp32 is the first of FORMS
            vision, text = (f"onnx/{stem}{chosen}.onnx" for stem in stems)
            return FORMS[chosen], vision, text
    for tower in TOWERS:
        if not any((path / f"onnx/{tower}_model{e}.onnx").is_file() for e in FORMS):
            raise ModelError(f"onnx/{tower}_model.onnx is missing from {path.name}")
    raise ModelError(f"{path.name}: onnx/vision_model and onnx/text_model have no form in common")


def _said(config: dict[str, Any]) -> dict[str, int]:
    """What config.json says of the vector length: for SigLIP it is the vision tower's width."""
    said = number(config, "projection_dim")
    tower = config.get("vision_config")
    if said or config["model_type"] not in ("siglip", "siglip2") or not isinstance(tower, dict):
        return said
    return number(tower, "hidden_size", "vision_config.")
