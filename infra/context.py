"""The build context of the container images: a folder with exactly what the Dockerfiles copy.

    app.py  chalicelib/  container_embedder/  Dockerfile  Dockerfile.gpu  requirements*.txt  model/

No test, cache, photo or secret gets in, because only what is named here is taken. Names and bytes
of the context make its hash, and the hash an image's tag: what is the same is not built twice.
`python -m infra.context FOLDER [MODEL]` makes one by hand.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chalicelib.clip.folder import read_folder
from chalicelib.clip.identity import IDENTITY_FILE
from chalicelib.clip.spec import ModelFolder
from chalicelib.errors import ConfigurationError, IntellisenseError, ModelError
from container_embedder.baked import baked

ROOT = Path(__file__).resolve().parents[1]

PACKAGES = ("chalicelib", "container_embedder")
LOCKS = ("requirements.txt", "requirements-batch.txt", "requirements-gpu.txt")
DOCKERFILES = ("Dockerfile", "Dockerfile.gpu")
MODEL = "model"

_FILE_MODE, _FOLDER_MODE = 0o644, 0o755
"""Lambda runs as a user of its own, which must be able to read everything
(https://docs.aws.amazon.com/lambda/latest/dg/images-create.html)."""

_HASH_DIGITS = 16
_CHUNK = 1 << 20

_BESIDE_WEIGHTS = ("*.json", "calibration.npz", "LICENSE*", "NOTICE*", "README.md")
"""Of a model folder, beside weights and tokens: how it is read, what its vectors are measured by,
and what its licence asks for."""

Architecture = Literal["x86_64", "arm64"]
PLATFORMS: dict[Architecture, str] = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}


@dataclass(frozen=True, slots=True)
class Image:
    """One image: the Dockerfile in the context and the stage of it that is wanted."""

    name: Literal["function", "batch", "gpu"]
    dockerfile: str
    target: str
    lock: str

    def tag(self, context: str, architecture: Architecture) -> str:
        """Of the image made from the context of that hash."""
        return f"{self.name}-{architecture}-{context}"

    def build_arguments(self, architecture: Architecture) -> list[str]:
        """What follows `docker build`, but for `--tag` and the context's path.

        Lambda takes no attestations beside an image, hence `--provenance=false`
        (https://docs.aws.amazon.com/lambda/latest/dg/python-image.html)."""
        return [
            *("--file", self.dockerfile, "--target", self.target),
            *("--build-arg", f"REQUIREMENTS={self.lock}"),
            *("--platform", PLATFORMS[architecture], "--provenance=false"),
        ]


FUNCTION = Image("function", "Dockerfile", "function", "requirements.txt")
"""Embedder, and search with the command `app.app`."""
BATCH = Image("batch", "Dockerfile", "batch", "requirements-batch.txt")
GPU = Image("gpu", "Dockerfile.gpu", "batch", "requirements-gpu.txt")
"""x86_64 alone: onnxruntime-gpu has no other wheels."""


def stage(target: Path, model: Path) -> str:
    """Make the context in `target`, which must be empty or not there; returns its hash.

    `model` is a model folder. Raises `ModelError` where it does not load, `ConfigurationError`
    where `target` holds something."""
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise ConfigurationError(f"{target} holds something; the context needs an empty folder.")
    wanted = baked(model)
    for source, place in sources():
        _copy(source, target / place)
    for source, place in _model_files(read_folder(model)):
        _copy(source, target / MODEL / place)
    if (staged := baked(target / MODEL)) != wanted:
        raise ModelError(f"{model} changed while it was copied ({wanted} became {staged}).")
    (target / MODEL / IDENTITY_FILE).unlink(missing_ok=True)
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        folder.chmod(_FOLDER_MODE)
    return context_hash(target)


def context_hash(folder: Path) -> str:
    """16 hex digits of the names and bytes below `folder`, whatever their times and order."""
    whole = hashlib.sha256()
    for path in _files(folder):
        name = path.relative_to(folder).as_posix().encode()
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256")
        whole.update(b"%d:%b%b" % (len(name), name, content.digest()))
    return whole.hexdigest()[:_HASH_DIGITS]


def sources() -> Iterator[tuple[Path, Path]]:
    """(where it lies, where the context has it) of all that is the same with every model."""
    yield ROOT / "app.py", Path("app.py")
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path, path.relative_to(ROOT)
    for name in (*DOCKERFILES, *LOCKS):
        yield ROOT / "container_embedder" / name, Path(name)


def _model_files(folder: ModelFolder) -> Iterator[tuple[Path, Path]]:
    """(where it lies, its place in model/): the towers that are loaded, and no other form beside
    them."""
    towers = [tower.onnx for tower in (folder.vision_tower, folder.text_tower)]
    paths = {
        folder.text.tokenizer,
        *(path for onnx in towers for path in (onnx.path, *onnx.external)),
    }
    configured = {path.parent for path in paths} | {folder.path}
    for pattern in _BESIDE_WEIGHTS:
        paths |= {path for place in configured for path in place.glob(pattern) if path.is_file()}
    for path in sorted(paths):
        if path.name != IDENTITY_FILE:
            yield path, path.relative_to(folder.path)


def _files(folder: Path) -> list[Path]:
    """Every file below, by name; parts are compared as bytes, for one order on every machine."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix().encode())


def _copy(source: Path, target: Path) -> None:
    """The content of `source`, also where that is a link."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    except OSError as error:
        raise ConfigurationError(
            f"{source} cannot be brought into the build context: {error.strerror}."
        ) from error
    target.chmod(_FILE_MODE)


def main(arguments: list[str]) -> int:
    from infra.models import STARTER, deployed_model

    if len(arguments) not in (1, 2):
        sys.stderr.write("usage: python -m infra.context FOLDER [MODEL]\n")
        return 2
    target, model = [*arguments, STARTER][:2]
    try:
        sys.stdout.write(f"{stage(Path(target), deployed_model(model))}\n")
    except IntellisenseError as error:
        sys.stderr.write(f"error: {error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
