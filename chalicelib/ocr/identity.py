"""What reads the text, said in one short string that each record keeps."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from pathlib import Path

from chalicelib.errors import ConfigurationError

DETECTION_SIDE = 736
"""Pixels of the longer side in which text is looked for: PP-OCR's own `limit_side_len`
(https://github.com/PaddlePaddle/PaddleOCR, configs/det), there for the shorter side."""

_MODEL = "ppocrv6-small"
_VERSION = 1
"""Raised when the same models are made to read more or otherwise; reconcile then reads again."""


def recognisers(folder: str) -> list[Path]:
    """The recognition models in `folder`, by name; none where it is empty ("")."""
    return sorted(Path(folder).glob("*.onnx")) if folder else []


@functools.cache
def text_model(folder: str = "") -> str:
    """The models and the way of reading, such as "ppocrv6-small/736/1"; with the recognisers of
    `folder`, also eight hex digits of what these files hold. Raises as `check_reading`."""
    check_reading(folder)
    plain = f"{_MODEL}/{DETECTION_SIDE}/{_VERSION}"
    if not folder:
        return plain
    digest = hashlib.sha256()
    for model in recognisers(folder):
        for file in filter(Path.exists, (model, model.with_suffix(".txt"))):
            digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return f"{plain}/{digest.hexdigest()[:8]}"


def check_reading(folder: str = "") -> None:
    """Raises `ConfigurationError` where text cannot be read here as the settings ask."""
    if importlib.util.find_spec("rapidocr") is None:
        raise ConfigurationError(
            "IMAGES_OCR=true needs the package rapidocr, which is not installed here. "
            "Install it, or set IMAGES_OCR=false."
        )
    if folder and not recognisers(folder):
        raise ConfigurationError(
            f"IMAGES_OCR_FOLDER is {folder}, where no recognition model (*.onnx) is. "
            "Put one there, or leave the setting out: Latin, Chinese and Japanese need none."
        )
