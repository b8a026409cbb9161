"""How far an upload is: a bar where somebody looks, lines where a log is written."""

from __future__ import annotations

import sys
import threading
from typing import Any, Protocol, TextIO


class Progress(Protocol):
    """Safe to use from several threads."""

    def begin(self, files: int, size: int) -> None:
        """So many files, of so many bytes together."""

    def sent(self, size: int) -> None:
        """Bytes on their way; fewer than none where some must go again."""

    def done(self, *, skipped: int = 0) -> None:
        """A file is there; so many of its bytes were not sent, since they were there before."""

    def say(self, sentence: str) -> None: ...

    def end(self) -> None: ...


class Silent:
    def begin(self, files: int, size: int) -> None: ...

    def sent(self, size: int) -> None: ...

    def done(self, *, skipped: int = 0) -> None: ...

    def say(self, sentence: str) -> None: ...

    def end(self) -> None: ...


class Bar(Silent):
    """Counts bytes, and files behind them."""

    def __init__(self, to: TextIO) -> None:
        self._to = to
        self._bar: Any = None
        self._files = self._of = 0
        self._lock = threading.Lock()

    def begin(self, files: int, size: int) -> None:
        from tqdm import tqdm

        self._of = files
        self._bar = tqdm(total=size, unit="B", unit_scale=True, file=self._to, smoothing=0.1)
        self._bar.set_postfix_str(f"0/{files} files")

    def sent(self, size: int) -> None:
        self._bar.update(size)

    def done(self, *, skipped: int = 0) -> None:
        with self._lock:
            self._files += 1
            self._bar.update(skipped)
            self._bar.set_postfix_str(f"{self._files}/{self._of} files", refresh=False)

    def say(self, sentence: str) -> None:
        if self._bar is None:
            print(sentence, file=self._to)
        else:
            self._bar.write(sentence, file=self._to)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.close()


class Lines(Silent):
    """A line for each tenth of the files."""

    def __init__(self, to: TextIO) -> None:
        self._to = to
        self._files = self._of = self._bytes = self._size = 0
        self._lock = threading.Lock()

    def begin(self, files: int, size: int) -> None:
        self._of, self._size = files, size

    def sent(self, size: int) -> None:
        with self._lock:
            self._bytes += size

    def done(self, *, skipped: int = 0) -> None:
        with self._lock:
            self._files += 1
            self._bytes += skipped
            if self._files * 10 // self._of > (self._files - 1) * 10 // self._of:
                part = f"{self._bytes / 1e6:.1f} of {self._size / 1e6:.1f} MB"
                self.say(f"{self._files} of {self._of} files are there, {part}")

    def say(self, sentence: str) -> None:
        print(sentence, file=self._to, flush=True)


def progress_on(to: TextIO = sys.stderr, *, silent: bool = False) -> Progress:
    if silent:
        return Silent()
    return Bar(to) if to.isatty() else Lines(to)
