"""What this machine says: the environment, and where things are kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path

APPLICATION = "image-intellisense"
HERE = "http://127.0.0.1:8000"
"""Where `make demo` answers."""


def default_url() -> str:
    return os.environ.get("IMAGES_URL") or HERE


def default_token() -> str:
    return os.environ.get("IMAGES_TOKEN", "")


def state_folder() -> Path:
    """Where journals and sign-ins are kept, for this user alone. `IMAGES_CLIENT_STATE` names
    another. The places are those of the XDG specification
    (https://specifications.freedesktop.org/basedir-spec/latest/), of macOS and of Windows."""
    if named := os.environ.get("IMAGES_CLIENT_STATE"):
        return Path(named).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / APPLICATION
    if os.name == "nt" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / APPLICATION
    xdg = os.environ.get("XDG_STATE_HOME", "")
    return (Path(xdg) if xdg else Path.home() / ".local" / "state") / APPLICATION


def made_private(folder: Path) -> Path:
    """The folder, made where it is not there yet, readable by its user only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
