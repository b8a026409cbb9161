"""The folder that a stack keeps its things in."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import IO

from chalicelib.config import Settings
from chalicelib.errors import ConfigurationError

SETTINGS = "settings.json"


class AlreadyRunning(ConfigurationError):
    """Another stack uses this data folder; `url` is where it answers."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(f"{folder} is in use by the stack at {url or 'another process'}.")
        self.url = url
        self._folder = folder

    def settings(self) -> Settings:
        """Those of that stack, which it writes down before it says where it answers."""
        try:
            return Settings.load(json.loads((self._folder / SETTINGS).read_bytes()))
        except (OSError, ValueError, ConfigurationError) as error:
            raise ConfigurationError(
                f"{self._folder / SETTINGS} cannot be read; start the stack at {self.url} anew."
            ) from error


def address_of(path: Path) -> str:
    """Where the stack that uses this data folder says it answers; "" where none does. One that was
    killed may have left its address behind."""
    try:
        return (path / "lock").read_text().strip()
    except OSError:
        return ""


class DataFolder:
    """`--data`: objects, index, logs; one stack at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock: IO[str] | None = None

    def take(self) -> None:
        """Raises `AlreadyRunning`."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / "lock").open("a+")
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be written: {error}.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            url = lock.read().strip()
            lock.close()
            raise AlreadyRunning(self.path, url) from None
        # A stack that was killed left its address here.
        lock.truncate(0)
        self._lock = lock

    def announce(self, url: str, settings: Settings) -> None:
        """Where the stack answers, and what other processes need to work on its data."""
        assert self._lock
        (self.path / SETTINGS).write_text(json.dumps(settings.environment()))
        self._lock.truncate(0)
        self._lock.write(url)
        self._lock.flush()

    def give_back(self) -> None:
        if self._lock:
            self._lock.truncate(0)
            self._lock.close()
            self._lock = None
