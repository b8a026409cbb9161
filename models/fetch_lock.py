"""models.lock: which commit of a model was fetched, and the sha256 of each of its files.

JSON, one entry for each repository and form:

    {"version": 1, "models": {"OWNER/NAME": {"fp32": {"revision": "main", "commit": "…",
      "files": {"config.json": {"size": 4186, "sha256": "…"}, …}}}}}

The first fetch of a model writes its entry (trust on first use); whoever has the lock then gets
those very bytes or an error.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.errors import ConfigurationError

LOCK = Path(__file__).parent.parent / "models.lock"
VERSION = 1

_SHA1, _SHA256 = re.compile("[0-9a-f]{40}"), re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Pinned:
    """One file: bytes and sha256."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Pin:
    """One form of one model: the revision that was asked for, its commit, its files by path."""

    repo: str
    form: str
    revision: str
    commit: str
    files: dict[str, Pinned]

    def is_of(self, revision: str | None) -> bool:
        """Whether `revision` (None: whatever is pinned) names this pin."""
        return revision in (None, self.revision, self.commit)


def read_pin(lock: Path, repo: str, form: str) -> Pin | None:
    """The entry of a model, or None. Raises ConfigurationError where the lock cannot be read."""
    models = _read(lock)
    entry = models.get(repo, {}).get(form)
    return None if entry is None else pin_from(entry, repo, form, lock)


def pin_from(entry: Any, repo: str, form: str, where: Path) -> Pin:
    """A pin from its JSON. Raises ConfigurationError where a part is missing or of another kind."""
    try:
        files = {
            _inside(str(path)): Pinned(int(file["size"]), _matching(_SHA256, file["sha256"]))
            for path, file in entry["files"].items()
        }
        commit = _matching(_SHA1, entry["commit"])
        return Pin(repo, form, str(entry["revision"]), commit, files)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(
            f"{where}: the entry of {repo} ({form}) is damaged ({error}): restore it, or pin the "
            "model anew with --update.",
            field=repo,
        ) from error


def pin_json(pin: Pin) -> dict[str, Any]:
    files = {path: {"size": f.size, "sha256": f.sha256} for path, f in sorted(pin.files.items())}
    return {"revision": pin.revision, "commit": pin.commit, "files": files}


def _inside(path: str) -> str:
    parts = path.split("/")
    if not all(parts) or "\\" in path or {".", ".."} & set(parts):
        raise ValueError(f"{path!r} is no path within the folder")
    return path


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{value!r} is no hash")
    return value


def write_pin(lock: Path, pin: Pin) -> None:
    """Put the entry into the lock: whole or not at all, other entries as they were."""
    models = _read(lock)
    models.setdefault(pin.repo, {})[pin.form] = pin_json(pin)
    body = json.dumps({"version": VERSION, "models": dict(sorted(models.items()))}, indent=1) + "\n"
    try:
        handle, name = tempfile.mkstemp(dir=lock.parent, prefix=f".{lock.name}-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(body)
        Path(name).chmod(0o644)
        Path(name).replace(lock)
    except OSError as error:
        raise _cannot_write(lock, error.strerror) from error


def check_writable(lock: Path) -> None:
    """Raises ConfigurationError where `write_pin` would fail, before anything is downloaded."""
    if not os.access(lock.parent, os.W_OK):
        raise _cannot_write(lock, "its folder is read-only or missing")


def _cannot_write(lock: Path, why: str | None) -> ConfigurationError:
    return ConfigurationError(
        f"{lock} cannot be written ({why}), so the model could not be pinned: name another file "
        "with --lock.",
        field="lock",
    )


def _read(lock: Path) -> dict[str, Any]:
    try:
        value = json.loads(lock.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{lock} cannot be read ({error}): restore it, or name another file with --lock.",
            field="lock",
        ) from error
    models = value.get("models") if isinstance(value, dict) else None
    known = isinstance(value, dict) and value.get("version") == VERSION
    if not known or not isinstance(models, dict) or not _of_dicts(models):
        raise ConfigurationError(
            f"{lock} is not a models.lock of version {VERSION}: restore it, or name another file "
            "with --lock.",
            field="lock",
        )
    return models


def _of_dicts(models: dict[str, Any]) -> bool:
    return all(isinstance(forms, dict) for forms in models.values())
