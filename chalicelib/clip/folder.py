"""Which layout a model folder has, and so who reads it."""

from __future__ import annotations

from pathlib import Path

from chalicelib.clip.huggingface import read_huggingface
from chalicelib.clip.immich import read_immich
from chalicelib.clip.spec import ModelFolder
from chalicelib.errors import ModelError

CHECKPOINTS = ("*.safetensors", "*.bin", "*.pt", "*.pth", "*.ckpt")

NEEDED = (
    "config.json, preprocessor_config.json, tokenizer.json and onnx/vision_model.onnx with "
    "onnx/text_model.onnx (Hugging Face, transformers.js), or config.json, visual/model.onnx with "
    "visual/preprocess_cfg.json and textual/model.onnx with textual/tokenizer.json (Immich)"
)


def read_folder(folder: str | Path) -> ModelFolder:
    """Read a model folder. Raises ModelError naming the file and field that is wrong.

    Nothing is executed or unpickled, and no weights are loaded.
    """
    path = Path(folder)
    if not path.is_dir():
        raise ModelError(f"The model folder {path} does not exist.")
    immich = any((path / side).is_dir() for side in ("visual", "textual"))
    if immich and (path / "onnx").is_dir():
        raise ModelError(f"{path.name} holds both onnx/ and visual/ or textual/: keep one layout")
    if immich:
        return read_immich(path)
    if (path / "onnx").is_dir():
        return read_huggingface(path)
    checkpoint = next((f.name for kind in CHECKPOINTS for f in sorted(path.glob(kind))), None)
    if checkpoint is not None:
        raise ModelError(
            f"{path.name} holds a PyTorch checkpoint ({checkpoint}), not ONNX: get the model's "
            "ONNX export, such as a repository of Xenova, onnx-community or immich-app"
        )
    raise ModelError(f"{path.name} is not a model folder: it needs {NEEDED}")
