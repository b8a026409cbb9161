"""How pictures are prepared: Hugging Face's `preprocessor_config.json`, open_clip's cfg.

open_clip's dict is also what Jina CLIP's own processor holds; both prepare pictures with
torchvision's Resize and CenterCrop.
"""

from __future__ import annotations

import math
from typing import Any

from chalicelib.clip.pixels import INTERPOLATIONS, MAX_SIDE, Halving, Interpolation, Mode, PixelSpec
from chalicelib.clip.spec import whole, wrong
from chalicelib.errors import ModelError

PREPROCESSOR = "preprocessor_config.json"


def hf_pixels(config: dict[str, Any]) -> PixelSpec:
    """What CLIPImageProcessor, SiglipImageProcessor or JinaCLIPImageProcessor is told."""
    if "max_num_patches" in config:
        why = "this is a NaFlex processor, which cuts patches; take a fixed-resolution checkpoint"
        raise wrong(PREPROCESSOR, "max_num_patches", why)
    if config.get("image_processor_type") == "JinaCLIPImageProcessor":
        return open_clip_pixels(config, PREPROCESSOR)
    _check_steps(config)
    mode, size = _size(config)
    crop = size
    if config.get("do_center_crop", mode == "shortest"):
        crop = _square(PREPROCESSOR, "crop_size", config.get("crop_size", size))
    elif mode == "shortest":
        raise wrong(PREPROCESSOR, "do_center_crop", "must be true where size is shortest_edge")
    resample = config.get("resample", 3)
    if type(resample) is not int or resample not in range(len(INTERPOLATIONS)):
        raise wrong(PREPROCESSOR, "resample", f"{resample!r} is not a Pillow filter, 0 to 5")
    mean, std = (_three_numbers(PREPROCESSOR, config, f) for f in ("image_mean", "image_std"))
    return _spec(PREPROCESSOR, (mode, size, crop), INTERPOLATIONS[resample], (mean, std), "floor")


def open_clip_pixels(config: dict[str, Any], file: str) -> PixelSpec:
    """What open_clip's `image_transform` is told: `preprocess_cfg.json` of an Immich folder."""
    if config.get("mode", "RGB") != "RGB":
        raise wrong(file, "mode", f"{config['mode']!r} is not 'RGB'")
    size = config.get("size")
    if isinstance(size, list) and len(size) == 2:
        size = {"height": size[0], "width": size[1]}
    side = _square(file, "size", size)
    mode: Mode = config.get("resize_mode") or "shortest"
    if mode not in ("shortest", "squash"):
        raise wrong(file, "resize_mode", f"{mode!r} is neither 'shortest' nor 'squash'")
    interpolation: Interpolation = config.get("interpolation") or "bicubic"
    if interpolation not in ("bicubic", "bilinear"):
        raise wrong(file, "interpolation", f"{interpolation!r} is neither 'bicubic' nor 'bilinear'")
    mean, std = (_three_numbers(file, config, field) for field in ("mean", "std"))
    return _spec(file, (mode, side, side), interpolation, (mean, std), "even")


def _spec(
    file: str,
    geometry: tuple[Mode, int, int],
    interpolation: Interpolation,
    numbers: tuple[tuple[float, float, float], tuple[float, float, float]],
    halving: Halving,
) -> PixelSpec:
    try:
        return PixelSpec(*geometry, interpolation, *numbers, halving)
    except ModelError as error:
        raise ModelError(f"{file}: {error.message}", field=error.field) from error


def _check_steps(config: dict[str, Any]) -> None:
    for step in ("do_resize", "do_rescale", "do_normalize"):
        if config.get(step, True) is not True:
            raise wrong(PREPROCESSOR, step, "must be true")
    factor = config.get("rescale_factor", 1 / 255)
    # No whole number is 1/255, and a huge one is no float either.
    if not isinstance(factor, float) or not math.isclose(factor, 1 / 255, rel_tol=1e-6):
        raise wrong(PREPROCESSOR, "rescale_factor", f"{factor!r} is not 1/255")


def _size(config: dict[str, Any]) -> tuple[Mode, int]:
    size = config.get("size")
    if isinstance(size, dict) and set(size) == {"shortest_edge"}:
        return "shortest", whole(PREPROCESSOR, "size", size["shortest_edge"], MAX_SIDE)
    if isinstance(size, dict):
        return "squash", _square(PREPROCESSOR, "size", size)
    mode: Mode = "shortest" if config.get("do_center_crop", True) else "squash"
    return mode, whole(PREPROCESSOR, "size", size, MAX_SIDE)


def _square(file: str, field: str, value: Any) -> int:
    if isinstance(value, dict) and set(value) == {"height", "width"}:
        if value["height"] != value["width"]:
            raise wrong(file, field, f"{value} is not square")
        value = value["height"]
    return whole(file, field, value, MAX_SIDE)


def _three_numbers(file: str, config: dict[str, Any], field: str) -> tuple[float, float, float]:
    values = config.get(field)
    numbers = isinstance(values, list) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in values
    )
    if not isinstance(values, list) or not numbers or len(values) != 3:
        raise wrong(file, field, f"{values!r} is not three numbers")
    try:
        return float(values[0]), float(values[1]), float(values[2])
    except OverflowError as error:
        raise wrong(file, field, "holds a number out of reach") from error
