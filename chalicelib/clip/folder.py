"""Which layout a model folder has, and so who reads it."""

from __future__ import annotations

from pathlib import Path

from chalicelib.clip.huggingface import read_huggingface
from chalicelib.clip.spec import ModelFolder
from chalicelib.errors import ModelError


def read_folder(folder: str | Path) -> ModelFolder:
    """Read a model folder. Raises ModelError naming the file and field that is wrong.

    Nothing is executed or unpickled, and no weights are loaded.
    """
    path = Path(folder)
    if not path.is_dir():
        raise ModelError(f"The model folder {path} does not exist.")
    return read_huggingface(path)
