"""The fingerprint of a model: its source weights and its preprocessing, in 12 hex digits.

Vectors of two fingerprints must not be compared; the index of a model carries it in its name.
Hashing hundreds of MB takes seconds, so the hashes are kept in `identity.json` in the folder and
made again for a file whose size or time has changed. Where the folder cannot be written they are
made each time; so have them written before a folder is put into a read-only image.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chalicelib.clip.spec import ModelFolder, TextSpec, read_json
from chalicelib.errors import ModelError

IDENTITY_FILE = "identity.json"
VERSION = 2
"""Raised when what goes into a fingerprint changes: every model then gets a new one."""

_SECOND = 10**9


def fingerprint(folder: ModelFolder) -> str:
    """12 hex digits: the same for the same weights, tokenizer and preprocessing.

    A folder made from another source carries that one's fingerprint (`ModelFolder.source`).
    Raises ModelError where a file cannot be read.
    """
    if folder.source is not None:
        return folder.source
    hashes = _hashes(folder)
    facts = {
        "version": VERSION,
        "pixels": folder.pixels.to_json(),
        "text": _facts_of(folder.text),
        "outputs": [folder.vision_tower.output, folder.text_tower.output],
        "files": hashes,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def _facts_of(text: TextSpec) -> dict[str, Any]:
    """All but where the tokenizer lies; its content is among the hashes."""
    return {name: value for name, value in asdict(text).items() if name != "tokenizer"}


def _hashes(folder: ModelFolder) -> dict[str, str]:
    """sha256 of each file that holds weights or tokens, by its role rather than its name."""
    roles = {"tokenizer": folder.text.tokenizer}
    for role, tower in (("vision", folder.vision_tower), ("text", folder.text_tower)):
        roles[role] = tower.onnx.path
        roles |= {f"{role}/{n}": path for n, path in enumerate(tower.onnx.external)}
    known = _read_known(folder.path)
    now = {
        str(path.relative_to(folder.path)): _entry(path, folder.path, known)
        for path in roles.values()
    }
    if now != known:
        _keep(folder.path, now)
    return {role: now[str(path.relative_to(folder.path))]["sha256"] for role, path in roles.items()}


def _entry(path: Path, folder: Path, known: dict[str, Any]) -> dict[str, Any]:
    try:
        return _hash(path, known.get(str(path.relative_to(folder))))
    except OSError as error:
        raise ModelError(f"{path.relative_to(folder)} cannot be read ({error.strerror})") from error


def _hash(path: Path, entry: dict[str, Any] | None) -> dict[str, Any]:
    stat = path.stat()
    if entry and entry["size"] == stat.st_size and _same_time(entry["mtime_ns"], stat.st_mtime_ns):
        return dict(entry)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": digest}


def _same_time(noted: int, found: int) -> bool:
    """Equal; or equal to the second where one has no finer part, as after a container layer."""
    coarse = noted % _SECOND == 0 or found % _SECOND == 0
    return noted == found or (coarse and noted // _SECOND == found // _SECOND)


def _read_known(folder: Path) -> dict[str, Any]:
    """The entries kept, or none where the file is missing, old or damaged: it is only a cache."""
    try:
        kept = read_json(folder / IDENTITY_FILE)
        if kept.get("version") != VERSION:
            return {}
        return {
            str(name): {
                "size": int(entry["size"]),
                "mtime_ns": int(entry["mtime_ns"]),
                "sha256": str(entry["sha256"]),
            }
            for name, entry in kept["files"].items()
        }
    except (ModelError, KeyError, TypeError, ValueError, AttributeError):
        return {}


def _keep(folder: Path, entries: dict[str, Any]) -> None:
    """Write the cache whole or not at all; a folder that cannot be written stays as it is."""
    body = json.dumps({"version": VERSION, "files": entries}, indent=1, sort_keys=True)
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(dir=folder, prefix=IDENTITY_FILE)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(body + "\n")
            Path(name).chmod(0o644)
            Path(name).replace(folder / IDENTITY_FILE)
        except OSError:
            Path(name).unlink(missing_ok=True)
