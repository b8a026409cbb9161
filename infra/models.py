"""The model that an image carries: a choice's name → the model folder in the form to deploy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from chalicelib.clip import load_clip
from chalicelib.clip.folder import read_folder
from chalicelib.errors import ConfigurationError, ModelError
from models.cache import cache_folder
from models.calibrate import is_calibrated, share
from models.calibrate_command import calibrate_on
from models.fetch import folder_name

STARTER = "starter"

Form = Literal["int8", "fp16"]
FORMS: dict[str, Form] = {"cpu": "int8", "gpu": "fp16"}
"""int8 is the fastest on processors and refused by CUDA; fp16 is for devices
(docs/adr/0011-deploy-form.md, 0013-devices.md)."""


def source_model(name: str, cache: Path | None = None) -> Path:
    """The folder of `name`: `starter` (built where it is not there yet), a model that `make model`
    has fetched, or a folder.

    Raises `ConfigurationError` where there is no such folder, `ModelError` where it is none."""
    cache = cache or cache_folder()
    if name == STARTER:
        from models.starter import build_starter

        return build_starter(cache / "models" / STARTER, cache)
    fetched = cache / "models" / folder_name(name, "fp32")
    for folder in (Path(name).expanduser(), fetched):
        if folder.is_dir():
            read_folder(folder)
            return folder
    raise ConfigurationError(
        f"There is no model {name}: it is neither a folder nor fetched (make model MODEL={name}).",
        field="model",
    )


def deployed_model(
    name: str, cache: Path | None = None, *, device: Literal["cpu", "gpu"] = "cpu"
) -> Path:
    """The folder to bake into the images of functions (`cpu`) or of the GPU job (`gpu`).

    It is the deploy form of `source_model`, made where it is not there yet, with its calibration;
    the source itself where no form is near enough to it. A source without a calibration gets one.
    All have one fingerprint, and so one index. Progress goes to stderr. Raises as `source_model`
    does."""
    source = source_model(name, cache)
    held = read_folder(source).form
    if held == "int8" and device == "gpu":
        raise ConfigurationError(
            f"The model {name} is held in int8, which no GPU takes: set gpu = false, or name the "
            "model in fp32.",
            field="model",
        )
    if not is_calibrated(source):
        calibrate_on(source, cache or cache_folder())
    if held != "fp32":
        return source
    form = FORMS[device]
    place = source.resolve()
    out = place.with_name(f"{place.name}-{form}")
    if _is_form(out, load_clip(source).fingerprint, form):
        share(source, out)
        return out
    try:
        _make_form(source, out, form, cache or cache_folder())
    except ModelError as error:
        sys.stderr.write(f"{error.message}\n")
        return source
    return out


def _make_form(source: Path, out: Path, form: Form, cache: Path) -> None:
    from local.samples import sample_photos
    from models.optimise import optimise
    from models.verify import sample_of
    from models.verify_texts import sample_texts

    sample = sample_of(sample_photos(cache), sample_texts(), read_folder(source).pixels)
    optimise(source, out, sample, form=form)


def _is_form(folder: Path, fingerprint: str, form: Form) -> bool:
    """Whether `folder` holds that form of that very model."""
    try:
        clip = load_clip(folder, device="cpu")
    except ModelError:
        return False
    return (clip.fingerprint, clip.form) == (fingerprint, form)
