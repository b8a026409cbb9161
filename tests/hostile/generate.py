"""Hostile files, made the same every time: `files()` gives each by a name that says what it is.

`python -m tests.hostile.generate FOLDER` writes them out, to look at or to drop in a bucket.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.hostile import (
    bombs,
    boxes,
    chunks,
    cuts,
    damaged,
    facts,
    jpegs,
    pretenders,
    raws,
    simple,
    tiffs,
)
from tests.hostile.parts import Hostile

KINDS = (pretenders, cuts, damaged, bombs, facts, jpegs, tiffs, raws, chunks, simple, boxes)


def files() -> dict[str, Hostile]:
    """Name → file and what may become of it; nothing in here is an honest picture."""
    made: dict[str, Hostile] = {}
    for kind in KINDS:
        for file in kind.hostile():
            if file.name in made:
                raise ValueError(f"two files are called {file.name}")
            made[file.name] = file
    return made


def main(folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, file in files().items():
        (Path(folder) / name).write_bytes(file.data)


if __name__ == "__main__":
    main(sys.argv[1])
