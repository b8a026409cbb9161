"""The arguments of `python -m models optimise`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from models.cache import cache_folder


def add_optimise(commands: Any) -> None:
    """Add the command to an argparse `add_subparsers`."""
    command = commands.add_parser("optimise", help="write and check the deploy form of a model")
    command.add_argument("folder", type=Path, help="the model, in fp32")
    command.add_argument("--out", type=Path, help="the folder to make (FOLDER-int8, beside it)")
    command.add_argument("--form", choices=("int8", "fp16"), default="int8", help="fp16: for GPUs")
    command.add_argument("--photos", type=Path, help="compare on these (the sample photos)")
    command.set_defaults(run=_optimise, stopped="nothing was written")


def _optimise(given: argparse.Namespace) -> str:
    from chalicelib.clip.folder import read_folder
    from models.optimise import optimise
    from models.verify import sample_of
    from models.verify_texts import sample_texts

    folder: Path = given.folder
    spec = read_folder(folder).pixels
    sample = sample_of(given.photos or _sample_photos(), sample_texts(), spec)
    out = given.out or folder.resolve().with_name(f"{folder.resolve().name}-{given.form}")
    return str(optimise(folder, out, sample, form=given.form))


def _sample_photos() -> Path:
    from local.samples import sample_photos

    return sample_photos(cache_folder())
