"""What `deploy` makes on this machine: model, build contexts, templates."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from infra.commands.images import Wanted
from infra.config import Config
from models.cache import cache_folder


class RealParts:
    """The product's own; heavy imports wait until they are needed."""

    def images(self, config: Config, work: Path) -> list[Wanted]:
        from infra.context import BATCH, FUNCTION, GPU, PLATFORMS
        from infra.models import deployed_model

        _fetched(config.model)
        images = [(FUNCTION, "embedder_tag"), (BATCH, "batch_tag")]
        wanted = []
        folder, digest = _staged(work / "context", deployed_model(config.model))
        for image, key in images:
            wanted.append(
                Wanted(
                    key,
                    image.tag(digest, config.architecture),
                    folder,
                    tuple(image.build_arguments(config.architecture)),
                    PLATFORMS[config.architecture],
                )
            )
        if config.gpu:
            model = deployed_model(config.model, device="gpu")
            folder, digest = _staged(work / "context-gpu", model)
            arguments = tuple(GPU.build_arguments("x86_64"))
            tag = GPU.tag(digest, "x86_64")
            wanted.append(Wanted("gpu_tag", tag, folder, arguments, PLATFORMS["x86_64"]))
        return wanted

    def synthesize(self, config: Config, outdir: Path, context: Mapping[str, str]) -> Path:
        from infra.synth import synthesize

        shutil.rmtree(outdir, ignore_errors=True)
        return synthesize(config, outdir, context)


def _staged(folder: Path, model: Path) -> tuple[Path, str]:
    from infra.context import stage

    shutil.rmtree(folder, ignore_errors=True)
    return folder, stage(folder, model)


def _fetched(name: str) -> None:
    """Download a model of the hub that is not there yet; other names are left to who reads them."""
    from models.fetch import Request, fetch, folder_name
    from models.fetch_lock import LOCK

    if "/" not in name or Path(name).expanduser().is_dir():
        return
    out = cache_folder() / "models" / folder_name(name, "fp32")
    if not out.is_dir():
        fetch(Request(name, out.absolute(), "fp32", None, False, LOCK))
