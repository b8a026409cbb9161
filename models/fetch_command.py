"""`python -m models fetch`: the arguments, and what is said of the model that came."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from models.cache import cache_folder
from models.fetch_lock import LOCK
from models.fetch_plan import FORMS

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_fetch(commands: Commands) -> None:
    """Add the sub-command."""
    fetch = commands.add_parser("fetch", help="download a model from the Hugging Face hub")
    fetch.add_argument("repo", metavar="OWNER/NAME", help="see `python -m models list`")
    fetch.add_argument("--revision", help="a branch, tag or commit (what is pinned, else main)")
    fetch.add_argument("--form", choices=FORMS, default="fp32", help="of the weights (fp32)")
    fetch.add_argument("--out", type=Path, metavar="DIR", help="(.cache/models/NAME)")
    fetch.add_argument("--lock", type=Path, metavar="FILE", default=LOCK, help="(models.lock)")
    fetch.add_argument(
        "--update", action="store_true", help="pin the revision's commit of now in the lock"
    )
    fetch.add_argument(
        "--no-calibration", action="store_true", help="leave out the last step, `models calibrate`"
    )
    fetch.set_defaults(
        run=_fetch, stopped="what has come so far is kept: the same command goes on from there"
    )


def _fetch(given: argparse.Namespace) -> str:
    from models.calibrate import is_calibrated
    from models.calibrate_command import calibrate_on
    from models.fetch import Request, fetch, folder_name

    out = given.out or cache_folder() / "models" / folder_name(given.repo, given.form)
    # Absolute, but with its links as they are: they are the caller's way to name the place.
    out = Path(os.path.abspath(out))  # noqa: PTH100
    lock = given.lock.absolute()
    pin = fetch(Request(given.repo, out, given.form, given.revision, given.update, lock))
    size = sum(file.size for file in pin.files.values())
    if not given.no_calibration and not is_calibrated(out):
        calibrate_on(out, cache_folder())
    return _told(out, size)


def _told(out: Path, size: int) -> str:
    """The folder, what is in it, and what to do with it."""
    from chalicelib.clip.folder import read_folder
    from chalicelib.clip.identity import fingerprint
    from models.fetch_progress import size_words

    folder = read_folder(out)
    shown = out.relative_to(Path.cwd()) if out.is_relative_to(Path.cwd()) else out
    return (
        f"{shown}\n"
        f"  {folder.name}, {folder.form}, {size_words(size)}, vectors of {folder.dim}, "
        f"fingerprint {fingerprint(folder)}\n"
        f"  next: make demo ARGS='--model {shown}'"
    )
