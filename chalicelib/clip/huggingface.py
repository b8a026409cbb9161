"""The transformers.js / Hugging Face ONNX layout → ModelFolder.

`config.json`, `preprocessor_config.json`, `tokenizer.json`, `onnx/vision_model*.onnx`
(`pixel_values` → `image_embeds`) and `onnx/text_model*.onnx` (`input_ids`[, `attention_mask`] →
`text_embeds`); optionally `tokenizer_config.json` and our own `search_config.json`
(`query_template`, `name`, `source_fingerprint`).
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from chalicelib.clip.onnxfile import OnnxFile, read_onnx
from chalicelib.clip.pixels import INTERPOLATIONS, MAX_SIDE, Mode, PixelSpec
from chalicelib.clip.spec import (
    ModelFolder,
    TextSpec,
    Tower,
    read_json,
    read_json_if_any,
    whole,
    wrong,
)
from chalicelib.errors import ModelError

MODEL_TYPES = ("clip", "conse")
"""Others (SigLIP, Jina CLIP) prepare text in other ways, and would load and rank badly."""

FORMS = {"": "fp32", "_fp16": "fp16", "_quantized": "int8", "_int8": "int8", "_uint8": "uint8"}
FORMS |= {"_q4": "q4", "_q4f16": "q4f16", "_bnb4": "bnb4"}
"""File name endings that transformers.js writes, and what they hold."""

CLIP_TOKENS = 77
CLIP_END = "<|endoftext|>"
"""CLIP's defaults, which Hugging Face leaves out of config.json (CLIPTextConfig, CLIPTokenizer)."""

TOWERS = ("vision", "text")


def read_huggingface(path: Path) -> ModelFolder:
    """Read the folder. Raises ModelError naming the file and field that is wrong."""
    config = read_json(path / "config.json")
    kind = config.get("model_type")
    if kind not in MODEL_TYPES:
        raise wrong("config.json", "model_type", f"{kind!r} is not one of {MODEL_TYPES}")
    search = read_json_if_any(path / "search_config.json")
    form, ending = _pick_form(path)
    vision = _vision_tower(path, f"onnx/vision_model{ending}.onnx")
    text = _text_tower(path, f"onnx/text_model{ending}.onnx")
    pixels = _pixel_spec(read_json(path / "preprocessor_config.json"))
    _check_side(vision.onnx.inputs[vision.input], pixels)
    return ModelFolder(
        path=path,
        name=_name(path, config, search),
        form=form,
        dim=_dim(config, vision, text),
        pixels=pixels,
        text=_text_spec(path, config, search),
        vision_tower=vision,
        text_tower=text,
        source=_source(search),
    )


def _source(search: dict[str, Any]) -> str | None:
    value = search.get("source_fingerprint")
    if value is not None and not (isinstance(value, str) and re.fullmatch("[0-9a-f]{12}", value)):
        raise wrong("search_config.json", "source_fingerprint", "must be 12 hex digits")
    return value


# --- the two graphs ---------------------------------------------------------------------------


def _pick_form(path: Path) -> tuple[str, str]:
    """(form, file name ending): fp32 where both towers have it, else the one form both have."""
    endings = [
        e for e in FORMS if all((path / f"onnx/{t}_model{e}.onnx").is_file() for t in TOWERS)
    ]
    if "" in endings:
        return FORMS[""], ""
    if len(endings) == 1:
        return FORMS[endings[0]], endings[0]
    if endings:
        several = ", ".join(f"vision_model{e}.onnx" for e in endings)
        raise ModelError(f"onnx holds several forms and no fp32 ({several}): keep one")
    for tower in TOWERS:
        if not any((path / f"onnx/{tower}_model{e}.onnx").is_file() for e in FORMS):
            raise ModelError(f"onnx/{tower}_model.onnx is missing from {path.name}")
    raise ModelError(f"{path.name}: onnx/vision_model and onnx/text_model have no form in common")


def _vision_tower(path: Path, file: str) -> Tower:
    onnx = read_onnx(path / file, path)
    if set(onnx.inputs) != {"pixel_values"}:
        raise wrong(file, "inputs", f"{sorted(onnx.inputs)} should be ['pixel_values']")
    return Tower(onnx, "pixel_values", _output(onnx, file, "image_embeds"))


def _text_tower(path: Path, file: str) -> Tower:
    onnx = read_onnx(path / file, path)
    if "input_ids" not in onnx.inputs or set(onnx.inputs) - {"input_ids", "attention_mask"}:
        wanted = "['input_ids'] or ['attention_mask', 'input_ids']"
        raise wrong(file, "inputs", f"{sorted(onnx.inputs)} should be {wanted}")
    mask = "attention_mask" if "attention_mask" in onnx.inputs else None
    return Tower(onnx, "input_ids", _output(onnx, file, "text_embeds"), mask)


def _output(onnx: OnnxFile, file: str, name: str) -> str:
    for known in (name, "pooler_output"):
        if known in onnx.outputs:
            return known
    raise wrong(file, "outputs", f"{sorted(onnx.outputs)} holds no {name!r}")


def _dim(config: dict[str, Any], vision: Tower, text: Tower) -> int:
    """The length of a vector, on which the graphs and config.json must agree."""
    said: dict[str, int] = {}
    if "projection_dim" in config:
        said["config.json: projection_dim"] = whole(
            "config.json", "projection_dim", config["projection_dim"], 65536
        )
    for tower in (vision, text):
        shape = tower.onnx.outputs[tower.output]
        if shape and shape[-1] is not None:
            said[f"{tower.onnx.path.name}: {tower.output}"] = shape[-1]
    if not said:
        raise wrong("config.json", "projection_dim", "is missing, and the graphs do not say it")
    if len(set(said.values())) > 1:
        differ = ", ".join(f"{where} is {dim}" for where, dim in said.items())
        raise ModelError(f"the vector length is contradictory: {differ}", field="projection_dim")
    return next(iter(said.values()))


# --- pictures ---------------------------------------------------------------------------------

_PREPROCESSOR = "preprocessor_config.json"


def _pixel_spec(config: dict[str, Any]) -> PixelSpec:
    for step in ("do_resize", "do_rescale", "do_normalize"):
        if config.get(step, True) is not True:
            raise wrong(_PREPROCESSOR, step, "must be true")
    factor = config.get("rescale_factor", 1 / 255)
    # No whole number is 1/255, and a huge one is no float either.
    if not isinstance(factor, float) or not math.isclose(factor, 1 / 255, rel_tol=1e-6):
        raise wrong(_PREPROCESSOR, "rescale_factor", f"{factor!r} is not 1/255")
    mode, size = _size(config)
    crop = size
    if config.get("do_center_crop", mode == "shortest"):
        crop = _square("crop_size", config.get("crop_size", size))
    elif mode == "shortest":
        raise wrong(_PREPROCESSOR, "do_center_crop", "must be true where size is shortest_edge")
    resample = config.get("resample", 3)
    if type(resample) is not int or resample not in range(len(INTERPOLATIONS)):
        raise wrong(_PREPROCESSOR, "resample", f"{resample!r} is not a Pillow filter, 0 to 5")
    mean, std = (_three_numbers(config, name) for name in ("image_mean", "image_std"))
    try:
        return PixelSpec(mode, size, crop, INTERPOLATIONS[resample], mean, std)
    except ModelError as error:
        raise ModelError(f"{_PREPROCESSOR}: {error.message}", field=error.field) from error


def _size(config: dict[str, Any]) -> tuple[Mode, int]:
    size = config.get("size")
    if isinstance(size, dict) and set(size) == {"shortest_edge"}:
        return "shortest", whole(_PREPROCESSOR, "size", size["shortest_edge"], MAX_SIDE)
    if isinstance(size, dict):
        return "squash", _square("size", size)
    mode: Mode = "shortest" if config.get("do_center_crop", True) else "squash"
    return mode, whole(_PREPROCESSOR, "size", size, MAX_SIDE)


def _square(field: str, value: Any) -> int:
    if isinstance(value, dict) and set(value) == {"height", "width"}:
        if value["height"] != value["width"]:
            raise wrong(_PREPROCESSOR, field, f"{value} is not square")
        value = value["height"]
    return whole(_PREPROCESSOR, field, value, MAX_SIDE)


def _three_numbers(config: dict[str, Any], field: str) -> tuple[float, float, float]:
    values = config.get(field)
    numbers = isinstance(values, list) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in values
    )
    if not isinstance(values, list) or not numbers or len(values) != 3:
        raise wrong(_PREPROCESSOR, field, f"{values!r} is not three numbers")
    try:
        return float(values[0]), float(values[1]), float(values[2])
    except OverflowError as error:
        raise wrong(_PREPROCESSOR, field, "holds a number out of reach") from error


def _check_side(shape: tuple[int | None, ...], pixels: PixelSpec) -> None:
    wanted = (3, pixels.crop, pixels.crop)
    clash = any(s is not None and s != w for s, w in zip(shape[1:], wanted, strict=False))
    if clash or (shape and len(shape) != 4):
        raise wrong(
            _PREPROCESSOR, "crop_size", f"gives {wanted}, but the vision tower takes {shape[1:]}"
        )


# --- texts ------------------------------------------------------------------------------------


def _text_spec(path: Path, config: dict[str, Any], search: dict[str, Any]) -> TextSpec:
    tokens = config.get("text_config", {})
    if not isinstance(tokens, dict):
        raise wrong("config.json", "text_config", "is not an object")
    most = whole(
        "config.json",
        "text_config.max_position_embeddings",
        tokens.get("max_position_embeddings", CLIP_TOKENS),
        65536,
    )
    template = search.get("query_template", "{}")
    if not isinstance(template, str) or template.count("{}") != 1:
        raise wrong("search_config.json", "query_template", "must hold '{}' exactly once")
    tokenizer = path / "tokenizer.json"
    return TextSpec(tokenizer, most, _pad_id(path, read_json(tokenizer)), template)


def _pad_id(path: Path, tokenizer: dict[str, Any]) -> int:
    """The padding token's id, from tokenizer.json or tokenizer_config.json; else CLIP's."""
    padding = tokenizer.get("padding")
    if isinstance(padding, dict) and "pad_id" in padding:
        return _token_id("padding.pad_id", padding["pad_id"])
    token = read_json_if_any(path / "tokenizer_config.json").get("pad_token", CLIP_END)
    if isinstance(token, dict):
        token = token.get("content")
    added_tokens = tokenizer.get("added_tokens")
    for added in added_tokens if isinstance(added_tokens, list) else []:
        if isinstance(added, dict) and added.get("content") == token:
            return _token_id("added_tokens", added.get("id"))
    model = tokenizer.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocabulary, dict) and isinstance(token, str) and token in vocabulary:
        return _token_id("model.vocab", vocabulary[token])
    raise wrong("tokenizer.json", "added_tokens", f"do not hold the padding token {token!r}")


def _token_id(field: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise wrong("tokenizer.json", field, f"{value!r} is not a token's id")
    return value


def _name(path: Path, config: dict[str, Any], search: dict[str, Any]) -> str:
    """A short name of lower-case letters, digits and dashes, at most 40 long."""
    said = search.get("name") or config.get("_name_or_path") or path.resolve().name
    last = str(said).rstrip("/").rpartition("/")[2]
    return re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")[:40].strip("-") or "model"
