"""What `deploy` makes on this machine: model, build contexts, templates."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from infra.commands.images import Wanted
from infra.config import Config
from models.cache import cache_folder

if TYPE_CHECKING:
    from infra.context import Architecture, Image


class RealParts:
    """The product's own; heavy imports wait until they are needed."""

    def images(self, config: Config, work: Path) -> tuple[list[Wanted], str]:
        from chalicelib.clip import load_clip
        from chalicelib.clip.named import name_of
        from infra.context import BATCH, FUNCTION, GPU
        from infra.models import deployed_model

        _fetched(config.model)
        model = deployed_model(config.model)
        context = _staged(work / "context", model)
        wanted = [
            _wanted(FUNCTION, "embedder_tag", context, config.architecture),
            _wanted(BATCH, "batch_tag", context, config.architecture),
        ]
        if config.gpu:
            context = _staged(work / "context-gpu", deployed_model(config.model, device="gpu"))
            wanted.append(_wanted(GPU, "gpu_tag", context, "x86_64"))
        return wanted, name_of(load_clip(model, device="cpu"))

    def synthesize(self, config: Config, outdir: Path, context: Mapping[str, str]) -> Path:
        from infra.synth import synthesize

        shutil.rmtree(outdir, ignore_errors=True)
        return synthesize(config, outdir, context)


def _staged(folder: Path, model: Path) -> tuple[Path, str]:
    """The folder and the hash of what is in it."""
    from infra.context import stage

    shutil.rmtree(folder, ignore_errors=True)
    return folder, stage(folder, model)


def _wanted(
    image: Image, key: str, context: tuple[Path, str], architecture: Architecture
) -> Wanted:
    from infra.context import PLATFORMS

    folder, digest = context
    return Wanted(
        context_key=key,
        tag=image.tag(digest, architecture),
        folder=folder,
        arguments=tuple(image.build_arguments(architecture)),
        platform=PLATFORMS[architecture],
    )


def _fetched(name: str) -> None:
    """Download a model of the hub that is not there yet; other names are left to who reads them."""
    from models.fetch import Request, fetch, folder_name
    from models.fetch_lock import LOCK

    if "/" not in name or Path(name).expanduser().is_dir():
        return
    out = cache_folder() / "models" / folder_name(name, "fp32")
    if not out.is_dir():
        fetch(Request(name, out.absolute(), "fp32", None, False, LOCK))
