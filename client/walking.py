"""Which files there are to send."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from client.errors import UsageError
from client.kinds import image_type
from client.reports import LeftOut


def find_images(paths: Iterable[Path]) -> tuple[list[Path], list[LeftOut]]:
    """The images among `paths` and in the folders among them, each once, in order; and what is no
    image or hidden, with the reason. Links to folders are not followed: they may lead in circles.

    Raises `UsageError` where one of `paths` is not there.
    """
    found: dict[Path, None] = {}
    left_out: list[LeftOut] = []
    for path in (Path(p).expanduser() for p in paths):
        if not path.exists():
            raise UsageError(f"There is no {path}.")
        # Whoever names a file means it, a hidden one too.
        whole = path.absolute()
        for file in _below(whole, left_out) if path.is_dir() else [whole]:
            if image_type(file.name) is None:
                left_out.append(LeftOut(file, "is no image, by its name"))
            else:
                found[Path(os.path.normpath(file))] = None
    return list(found), left_out


def _below(folder: Path, left_out: list[LeftOut]) -> Iterator[Path]:
    """Every file below `folder`, but hidden ones."""

    def unreadable(error: OSError) -> None:
        left_out.append(LeftOut(Path(error.filename), f"cannot be read: {error.strerror}"))

    for at, folders, files in os.walk(folder, onerror=unreadable):
        here = Path(at)
        for name in sorted(folders):
            if name.startswith("."):
                left_out.append(LeftOut(here / name, "is hidden"))
            elif (here / name).is_symlink():
                left_out.append(LeftOut(here / name, "is a link to a folder"))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.startswith("."):
                left_out.append(LeftOut(here / name, "is hidden"))
            else:
                yield here / name
