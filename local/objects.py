"""Objects as files: what the S3 server of the one-machine stack keeps under `--data`.

Each object is two files, its bytes and a note (key, metadata, etag). The note is written last and
removed first, by rename, so that a kill at any moment leaves an object whole or not there.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Note:
    """What S3 knows of an object besides its bytes; `modified` is in seconds since 1970."""

    key: str
    etag: str
    size: int
    modified: float
    metadata: dict[str, str]
    file: str


class ObjectFiles:
    """The objects of one bucket."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, note_of: Any, data: bytes) -> Path:
        """Write and sync bytes and note; returns the file that holds the bytes.

        `note_of(file_name)` gives the `Note`. The bytes that the key had before are removed.
        """
        body = f"{secrets.token_hex(8)}.bin"
        note: Note = note_of(body)
        place = self._place(note.key)
        place.parent.mkdir(parents=True, exist_ok=True)
        before = self._read(place)
        _write_synced(place.parent / body, data)
        _write_synced(place, json.dumps(asdict(note)).encode())
        if before:
            (place.parent / before.file).unlink(missing_ok=True)
        return place.parent / body

    def remove(self, key: str) -> None:
        place = self._place(key)
        before = self._read(place)
        place.unlink(missing_ok=True)
        if before:
            _sync_folder(place.parent)
            (place.parent / before.file).unlink(missing_ok=True)

    def all(self) -> Iterator[tuple[Note, Path]]:
        """Every object; bytes that no note names (of a write cut short) are removed."""
        if not self._folder.is_dir():
            return
        for folder in sorted(p for p in self._folder.iterdir() if p.is_dir()):
            named = set()
            for place in sorted(folder.glob("*.json")):
                note = self._read(place)
                if note and (folder / note.file).is_file():
                    named.add(note.file)
                    yield note, folder / note.file
            for stray in folder.iterdir():
                if stray.suffix != ".json" and stray.name not in named:
                    stray.unlink()

    def _place(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / f"{name[:40]}.json"

    @staticmethod
    def _read(place: Path) -> Note | None:
        try:
            return Note(**json.loads(place.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None


def _write_synced(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class FileBuffer:
    """Stands in for moto's in-memory buffer of an object: reads the file anew each time, so an
    object costs neither memory nor a descriptor between requests."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        size = self._path.stat().st_size if whence == io.SEEK_END else 0
        self._position = position + (
            self._position if whence == io.SEEK_CUR else size if whence == io.SEEK_END else 0
        )
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        with self._path.open("rb") as file:
            file.seek(self._position)
            data = file.read(size)
        self._position += len(data)
        return data

    def close(self) -> None:
        pass
